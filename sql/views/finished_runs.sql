-- One row per finished evaluation: when it was known, how wrong it was, what it took, and whether it is the current one of its variant.
create or replace view finished_runs as
select
  r.commodity,
  r.unique_id,
  r.backtest_id,
  r.frequency,
  r.forecast_horizon_days,
  r.model_name,
  r.model_version,
  r.model_type,
  concat_ws(
    ' ',
    r.commodity,
    case when r.unique_id <> r.commodity then r.unique_id end,
    r.model_name,
    r.model_version,
    case when r.backtest_id is not null then concat('(', substr(r.backtest_id, 1, 6), ')') end
  ) as label,
  r.status,
  r.metrics_source,
  coalesce(e.ended_at, r.run_timestamp) as finished_at,
  date_format(coalesce(e.ended_at, r.run_timestamp), 'yyyy-MM') as finished_month,
  r.data_as_of,
  r.n_windows,
  r.n_failed_windows,
  r.mae_1day,
  r.mae_7day,
  r.mae_14day,
  r.mae_path,
  r.naive_mae_path,
  r.directional_accuracy,
  r.dm_pvalue,
  r.beats_baseline,
  r.execution_time_seconds,
  r.cost_estimate_usd,
  r.run_by,
  coalesce(l.is_current, false) as is_current,
  r.run_month,
  r.experiment_id
from model_runs as r
left join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest'
left join latest_runs as l
  on r.experiment_id = l.experiment_id
where r.status <> 'incomplete'
