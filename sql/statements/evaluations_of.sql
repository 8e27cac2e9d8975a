-- The finished, computed evaluations of all versions of a model, of one commodity or of all (NULL), with the definition and environment of each, in the order in which they were finished.
select
  r.experiment_id,
  r.commodity,
  r.unique_id,
  r.frequency,
  r.forecast_horizon_days as horizon,
  coalesce(e.ended_at, r.run_timestamp) as finished_at,
  r.model_version,
  r.model_type,
  r.hyperparameters,
  r.feature_config,
  b.step_size,
  b.n_windows as announced_windows,
  coalesce(cast(b.train_size as string), 'all') as train_size,
  b.grid_origin,
  b.covariates,
  b.metric_version,
  r.data_as_of,
  r.data_version,
  r.dataset_version,
  r.code_fingerprint,
  r.git_commit,
  r.git_dirty,
  r.random_seed,
  v.python_version,
  v.platform,
  v.hardware_config,
  v.packages,
  v.variables,
  r.n_windows,
  r.n_failed_windows,
  r.mae_path,
  r.naive_mae_path
from model_runs as r
inner join backtests as b
  on r.backtest_id = b.backtest_id and r.commodity = b.commodity
left join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest'
left join environments as v
  on r.environment_id = v.environment_id
where r.model_name = :model_name
  and (:commodity is null or r.commodity = :commodity)
  and r.metrics_source = 'computed'
  and r.status <> 'incomplete'
order by finished_at, r.experiment_id
