-- Show experimentation scale
SELECT
  model_type,
  COUNT(*) as total_experiments,
  COUNT(DISTINCT model_name) as unique_models,
  AVG(mae_14day) as avg_mae,
  MIN(mae_14day) as best_mae,
  SUM(execution_time_seconds) / 3600 as total_hours
FROM commodity.experiments.model_runs
WHERE commodity = 'Coffee'
GROUP BY model_type
ORDER BY total_experiments DESC;
