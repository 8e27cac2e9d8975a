-- A window says which evaluation it belongs to before that is finished, and where its quantiles come from.
alter table run_windows add columns (
  evaluation_key string comment 'The evaluation the window belongs to, see model_runs; known before that row is written',
  interval_method string comment 'Where the quantiles of its forecasts come from: model, or conformal from the errors of earlier windows; NULL where it has none'
)
