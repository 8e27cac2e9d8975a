-- The scale of experimentation by a time, one row a commodity and model type, of one commodity or of all (an empty text).
select
  r.commodity,
  r.model_type,
  count(*) as n_runs,
  count(distinct r.model_name) as n_models,
  sum(r.n_windows) as n_windows,
  sum(r.n_failed_windows) as n_failed_windows,
  count(case when r.dm_pvalue is not null then 1 end) as n_tested,
  sum(r.execution_time_seconds) / 3600 as total_hours,
  sum(r.cost_estimate_usd) as total_cost_usd,
  cast(max(r.run_timestamp) as date) as last_run
from model_runs as r
left anti join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
where (:commodity = '' or r.commodity = :commodity)
  and r.status <> 'incomplete'
  and r.run_timestamp <= cast(:as_of as timestamp)
group by r.commodity, r.model_type
order by r.commodity, n_runs desc, r.model_type
