-- The checkpoints a run registered, one row each, in that order; a run may go on into the months after its own; no episode as in run_points.
select
  model_id,
  checkpoint_path,
  sha256,
  size_bytes,
  coalesce(episode_num, -9223372036854775807) as episode_num,
  val_metric,
  is_best,
  registered_at
from checkpoints
where run_month >= :run_month and experiment_id = :experiment_id
order by registered_at, model_id
