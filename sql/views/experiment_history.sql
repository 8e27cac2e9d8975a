-- One row per commodity, frequency, horizon and model type: the scale of experimentation.
create or replace view experiment_history as
select
  commodity,
  frequency,
  forecast_horizon_days,
  model_type,
  count(*) as total_experiments,
  count(distinct model_name) as unique_models,
  avg(mae_14day) as avg_mae,
  min(mae_14day) as best_mae,
  sum(execution_time_seconds) / 3600 as total_hours
from model_runs
where status <> 'incomplete'
group by commodity, frequency, forecast_horizon_days, model_type
