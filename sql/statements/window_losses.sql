-- The windows of the evaluations of a source, none begun before a month: one row a window and step that a loss is taken at; no step where it failed.
select
  w.experiment_id,
  w.cutoff,
  w.level,
  w.mae_path,
  w.naive_mae_path,
  f.step,
  f.ds,
  abs(f.y - f.y_hat) as loss,
  abs(f.y - w.day0) as naive_loss
from run_windows as w
inner join {source} as s
  on w.experiment_id = s.experiment_id
left join forecasts as f
  on w.experiment_id = f.experiment_id
  and w.cutoff = f.cutoff
  and f.commodity = :commodity
  and f.run_month >= :first_month
  and (f.step in (1, 7, 14) or f.step = :horizon)
where w.commodity = :commodity
  and w.run_month >= :first_month
order by w.experiment_id, w.cutoff, f.step
