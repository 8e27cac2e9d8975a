-- The loss over all steps in every window that the variants of a backtest were evaluated on by a time (NULL: ever), of each window the latest evaluation's.
with finished as (
  select
    r.experiment_id,
    r.unique_id,
    r.model_name,
    r.model_version,
    r.run_timestamp,
    row_number() over (
      partition by r.unique_id, r.model_name, r.model_version, r.training_end_date
      order by r.run_timestamp desc, r.experiment_id desc
    ) as recency
  from model_runs as r
  left join experiments as e
    on r.experiment_id = e.experiment_id
    and e.experiment_type = 'backtest'
    and cast(:as_of as timestamp) is not null
  where r.commodity = :commodity
    and r.backtest_id = :backtest_id
    and r.metrics_source = 'computed'
    and r.status <> 'incomplete'
    and (cast(:as_of as timestamp) is null or coalesce(e.ended_at, r.run_timestamp) <= cast(:as_of as timestamp))
),
dated as (
  select
    f.unique_id,
    f.model_name,
    f.model_version,
    w.cutoff,
    max_by(f.experiment_id, f.run_timestamp) as experiment_id,
    max_by(w.mae_path, f.run_timestamp) as mae_path,
    max_by(w.naive_mae_path, f.run_timestamp) as naive_mae_path
  from run_windows as w
  inner join finished as f
    on w.experiment_id = f.experiment_id
  where w.commodity = :commodity
    and w.mae_path is not null
    and f.recency = 1
  group by f.unique_id, f.model_name, f.model_version, w.cutoff
)
select *
from dated
order by unique_id, model_name, model_version, cutoff
