-- The latest evaluation of a model version for each commodity, series, frequency and horizon.
with ranked as (
  select
    *,
    row_number() over (
      partition by commodity, unique_id, frequency, forecast_horizon_days
      order by data_as_of desc nulls last, run_timestamp desc, experiment_id desc
    ) as recency
  from model_runs
  where status <> 'incomplete' and model_name = :model_name and model_version = :model_version
)
select
  experiment_id,
  run_timestamp,
  commodity,
  unique_id,
  frequency,
  forecast_horizon_days,
  n_windows,
  data_as_of,
  mae_path,
  mae_14day,
  mase_14day,
  directional_accuracy,
  dm_test_vs_naive,
  dm_pvalue,
  beats_baseline,
  evidence_note,
  metrics_source
from ranked
where recency = 1
order by commodity, unique_id, frequency, forecast_horizon_days
