-- The loss over all steps in every window that the variants of a backtest were ever evaluated on, of each window the latest evaluation's.
with finished as (
  select
    experiment_id,
    unique_id,
    model_name,
    model_version,
    run_timestamp
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
    f.experiment_id,
    w.cutoff,
    w.mae_path,
    w.naive_mae_path,
    row_number() over (
      partition by f.unique_id, f.model_name, f.model_version, w.cutoff
      order by f.run_timestamp desc, f.experiment_id desc
    ) as recency
  from run_windows as w
  inner join finished as f
    on w.experiment_id = f.experiment_id
  where w.commodity = :commodity
    and w.mae_path is not null
)
select
  unique_id,
  model_name,
  model_version,
  experiment_id,
  cutoff,
  mae_path,
  naive_mae_path
from dated
where recency = 1
order by unique_id, model_name, model_version, cutoff
