-- The windows of one evaluation, in order of cutoff.
select cutoff, training_start_date, n_training, day0, scale, level, status, error, warning, mae_path, naive_mae_path, fit_seconds, predict_seconds
from run_windows
where experiment_id = :experiment_id
order by cutoff
