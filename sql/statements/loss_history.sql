-- The loss over all steps in every window that the variants of a backtest were ever evaluated on, of each window the latest evaluation's.
with finished as (
  select
    experiment_id,
    unique_id,
    model_name,
    model_version,
    run_timestamp,
    row_number() over (
      partition by unique_id, model_name, model_version, training_end_date
      order by run_timestamp desc, experiment_id desc
    ) as recency
  from model_runs
  where commodity = :commodity
    and backtest_id = :backtest_id
    and metrics_source = 'computed'
    and status <> 'incomplete'
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
