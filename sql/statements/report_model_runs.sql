-- The evaluations of a model known by a time, in the order in which they were finished, of one commodity or of all (an empty text).
select
  r.commodity,
  r.unique_id,
  r.model_name,
  r.model_version,
  r.model_type,
  coalesce(e.ended_at, r.run_timestamp) as finished_at,
  r.backtest_id,
  r.frequency,
  r.forecast_horizon_days,
  r.data_as_of,
  r.status,
  r.metrics_source,
  r.n_windows,
  r.n_failed_windows,
  r.mae_1day,
  r.mae_7day,
  r.mae_14day,
  r.rmse_14day,
  r.mape_14day,
  r.mae_path,
  r.naive_mae_path,
  r.directional_accuracy,
  r.coverage_80,
  r.dm_test_vs_naive,
  r.dm_pvalue,
  r.beats_baseline,
  r.evidence_note,
  r.execution_time_seconds,
  r.cost_estimate_usd,
  r.git_commit,
  r.run_by,
  count(*) over (partition by r.commodity, r.unique_id, r.backtest_id) as n_evaluations,
  r.run_month,
  r.experiment_id
from model_runs as r
left join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest'
where r.model_name = :model_name
  and (:commodity = '' or r.commodity = :commodity)
  and r.status <> 'incomplete'
  and coalesce(e.ended_at, r.run_timestamp) <= cast(:as_of as timestamp)
order by r.commodity, r.unique_id, finished_at, r.experiment_id
