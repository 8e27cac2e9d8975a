-- The values of a metric of a run, one row a point, in any order; no step, episode or epoch as in run_points.
select
  value,
  coalesce(step, -9223372036854775807) as step,
  coalesce(episode, -9223372036854775807) as episode,
  coalesce(epoch, -9223372036854775807) as epoch
from metrics
where run_month = :run_month
  and experiment_id = :experiment_id
  and name = :metric
