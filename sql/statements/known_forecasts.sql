-- The forecasts of successful windows with the keys of a source, one row a window and step; equal windows may repeat.
select
  w.window_key,
  f.step,
  f.y_hat,
  f.quantiles,
  w.interval_method,
  w.warning,
  w.fit_seconds,
  w.predict_seconds
from run_windows as w
inner join {source} as s
  on w.window_key = s.window_key
inner join forecasts as f
  on w.experiment_id = f.experiment_id and w.cutoff = f.cutoff
where w.status = 'ok'
