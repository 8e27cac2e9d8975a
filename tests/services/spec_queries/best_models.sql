-- Top 5 models by MAE for Coffee
SELECT
  model_name,
  model_version,
  mae_14day,
  directional_accuracy,
  execution_time_seconds,
  run_timestamp
FROM commodity.experiments.model_runs
WHERE commodity = 'Coffee'
  AND beats_baseline = TRUE
ORDER BY mae_14day ASC
LIMIT 5;
