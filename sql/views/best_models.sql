-- One row per backtest and rank up to 5: the variants that beat naive, by their error at step 14.
create or replace view best_models as
with ranked as (
  select
    *,
    row_number() over (
      partition by commodity, unique_id, backtest_id, frequency, forecast_horizon_days
      order by mae_14day asc nulls last, mae_path asc nulls last, model_name
    ) as place
  from latest_runs
  where beats_baseline = true and is_current
)
select
  commodity,
  unique_id,
  frequency,
  forecast_horizon_days,
  backtest_id,
  place,
  model_name,
  model_version,
  mae_14day,
  directional_accuracy,
  dm_pvalue,
  execution_time_seconds,
  run_timestamp,
  metrics_source
from ranked
where place <= 5
