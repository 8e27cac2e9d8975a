-- The figures of one evaluation, for the evidence of a decision on it.
select
  n_windows,
  n_failed_windows,
  mae_1day,
  mae_7day,
  mae_14day,
  mae_path,
  naive_mae_path,
  directional_accuracy,
  dm_test_vs_naive,
  dm_pvalue,
  beats_baseline
from model_runs
where commodity = :commodity
  and run_month = :run_month
  and experiment_id = :experiment_id
