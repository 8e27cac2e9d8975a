-- Models that should be removed from registry
SELECT
  model_name,
  COUNT(*) as num_runs,
  AVG(mae_14day) as avg_mae,
  AVG(execution_time_seconds) as avg_time,
  MAX(run_timestamp) as last_run
FROM commodity.experiments.model_runs
WHERE beats_baseline = FALSE
GROUP BY model_name
HAVING COUNT(*) >= 3  -- Consistently poor
ORDER BY avg_mae DESC;
