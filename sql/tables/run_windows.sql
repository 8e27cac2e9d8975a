-- One row per evaluation and cutoff.
create table if not exists run_windows (
  experiment_id string not null comment 'The evaluation, see model_runs',
  commodity string not null comment 'What is forecast',
  unique_id string not null comment 'The series',
  cutoff date not null comment 'Last date the model could see',
  training_start_date date comment 'First training date of the window',
  window_key string comment 'Digest of what the model was given: function, parameters, seed and training window; equal keys have equal forecasts',
  n_training int comment 'Observations the model was trained on',
  day0 double not null comment 'Last observed value, unit of the series',
  scale double comment 'Mean absolute one-step change of the whole series up to the cutoff; the denominator of MASE',
  level double comment 'Mean absolute value of the whole series up to the cutoff; a millionth of it is equality',
  status string not null comment 'ok or failed',
  error string comment 'Why the window failed',
  warning string comment 'First warning of the fit, e.g. no convergence',
  mae_path double comment 'Mean absolute error over steps 1 to H, unit of the series',
  naive_mae_path double comment 'The same of the naive forecast, unit of the series',
  n_direction_hits int comment 'Steps forecast to the side of day 0 the actual moved to',
  n_direction_moves int comment 'Steps whose actual moved away from day 0',
  fit_seconds double comment 'Seconds to fit, in the evaluation that did',
  predict_seconds double comment 'Seconds to forecast, in the evaluation that did',
  evaluation_key string comment 'The evaluation the window belongs to, see model_runs; known before that row is written',
  interval_method string comment 'Where the quantiles of its forecasts come from: model, or conformal from the errors of earlier windows; NULL where it has none',
  run_month string not null comment 'Month of the run_timestamp of the evaluation, yyyy-MM'
)
using delta
partitioned by (commodity, run_month)
comment 'One row per evaluation and cutoff; a failed window is a row with its error.'
tblproperties (
  'delta.constraints.status_known' = "status in ('ok', 'failed')",
  'delta.constraints.failure_explained' = "status <> 'failed' or error is not null",
  'delta.constraints.direction_counted' = "(n_direction_hits < 0 or n_direction_hits > n_direction_moves) is not true"
)
