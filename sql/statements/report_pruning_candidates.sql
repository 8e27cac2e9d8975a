-- The models that failed to beat naive in at least three evaluations by a time, worst first: the specified query, of one commodity or of all (an empty text).
select
  r.commodity,
  r.unique_id,
  r.frequency,
  r.forecast_horizon_days,
  r.model_name,
  count(*) as num_runs,
  avg(r.mae_14day) as avg_mae,
  avg(r.execution_time_seconds) as avg_time,
  max(r.run_timestamp) as last_run
from model_runs as r
left anti join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
where (:commodity = '' or r.commodity = :commodity)
  and r.beats_baseline = false
  and r.status <> 'incomplete'
  and r.run_timestamp <= cast(:as_of as timestamp)
group by r.commodity, r.unique_id, r.frequency, r.forecast_horizon_days, r.model_name
having count(*) >= 3
order by r.commodity, r.unique_id, r.frequency, r.forecast_horizon_days, avg_mae desc nulls last, r.model_name
