-- The windows of the evaluations of a source, of one commodity or of all (NULL), one row a window that succeeded, with what tells its actuals and forecasts from others: means over its steps, plain and weighted by the step.
select
  w.experiment_id,
  w.cutoff,
  w.window_key,
  w.mae_path,
  coalesce(w.level, abs(w.day0)) as level,
  w.day0,
  avg(f.y) as mean_y,
  avg(f.y * f.step) / max(f.step) as weighted_y,
  avg(f.y_hat) as mean_y_hat,
  max(f.ds) as last_ds
from run_windows as w
inner join {source} as s
  on w.experiment_id = s.experiment_id
inner join forecasts as f
  on w.experiment_id = f.experiment_id and w.cutoff = f.cutoff and w.commodity = f.commodity
where (:commodity is null or w.commodity = :commodity)
  and (:commodity is null or f.commodity = :commodity)
  and w.status = 'ok'
group by w.experiment_id, w.cutoff, w.window_key, w.mae_path, w.level, w.day0
order by w.experiment_id, w.cutoff
