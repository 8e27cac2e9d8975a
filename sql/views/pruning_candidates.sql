-- One row per commodity, series, frequency, horizon and model that failed to beat naive in at least three evaluations.
create or replace view pruning_candidates as
select
  commodity,
  unique_id,
  frequency,
  forecast_horizon_days,
  model_name,
  count(*) as num_runs,
  avg(mae_14day) as avg_mae,
  avg(execution_time_seconds) as avg_time,
  max(run_timestamp) as last_run
from model_runs
where beats_baseline = false
  and status <> 'incomplete'
group by commodity, unique_id, frequency, forecast_horizon_days, model_name
having count(*) >= 3
