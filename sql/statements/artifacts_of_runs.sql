-- The artifacts of runs of a source, one row each.
select
  a.experiment_id,
  a.name,
  a.size_bytes
from artifacts as a
left semi join {source} as s
  on a.experiment_id = s.experiment_id
