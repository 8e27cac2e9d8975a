-- The points of a run, of one metric or of all (NULL), one row each, in the order in which they were logged; no step, episode or epoch is the least number there is, for a NULL would make a float of every one.
select
  name,
  value,
  coalesce(step, -9223372036854775807) as step,
  coalesce(episode, -9223372036854775807) as episode,
  coalesce(epoch, -9223372036854775807) as epoch,
  logged_at,
  edges,
  counts,
  summary
from metrics
where run_month = :run_month
  and experiment_id = :experiment_id
  and (:metric is null or name = :metric)
order by logged_at, journal_id, position
