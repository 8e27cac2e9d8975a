-- The windows of the evaluations of a source with their forecasts, one row a window and step; no step where it failed.
select
  w.experiment_id,
  w.cutoff,
  w.status,
  w.day0,
  w.scale,
  w.level,
  w.mae_path,
  w.naive_mae_path,
  w.n_direction_hits,
  w.n_direction_moves,
  f.step,
  f.ds,
  f.y,
  f.y_hat,
  try_element_at(f.quantiles, '0.1') as q10,
  try_element_at(f.quantiles, '0.5') as q50,
  try_element_at(f.quantiles, '0.9') as q90
from run_windows as w
inner join {source} as s
  on w.experiment_id = s.experiment_id
left join forecasts as f
  on w.experiment_id = f.experiment_id
  and w.cutoff = f.cutoff
  and f.commodity = :commodity
where w.commodity = :commodity
order by w.experiment_id, w.cutoff, f.step
