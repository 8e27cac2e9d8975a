-- One row: how much was tried by a time, of one commodity or of all (an empty text).
with known as (
  select r.*
  from model_runs as r
  left anti join experiments as e
    on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
  where (:commodity = '' or r.commodity = :commodity)
    and r.status <> 'incomplete'
    and r.run_timestamp <= cast(:as_of as timestamp)
)
select
  count(distinct model_name) as n_models,
  count(distinct model_type) as n_types,
  count(*) as n_runs,
  count(distinct commodity) as n_commodities,
  count(case when metrics_source = 'reported' then 1 end) as n_reported,
  count(case when status = 'failed' then 1 end) as n_failed,
  count(case when dm_pvalue is not null then 1 end) as n_tested,
  count(case when beats_baseline then 1 end) as n_beating,
  min(n_windows) as fewest_windows,
  max(n_windows) as most_windows,
  sum(n_windows) as n_windows,
  sum(n_failed_windows) as n_failed_windows,
  count(case when git_commit is not null and environment_id is not null and code_fingerprint is not null then 1 end) as n_reproducible,
  count(git_commit) as n_with_commit,
  count(environment_id) as n_with_environment,
  count(code_fingerprint) as n_with_code,
  count(dataset_version) as n_with_data,
  sum(execution_time_seconds) / 3600 as total_hours,
  sum(cost_estimate_usd) as total_cost_usd,
  cast(min(run_timestamp) as date) as first_run,
  cast(max(run_timestamp) as date) as last_run
from known
