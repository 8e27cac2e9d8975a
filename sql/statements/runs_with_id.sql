-- The runs of a source that are in the ledger, one row each, with their type and status.
select
  e.experiment_id,
  e.experiment_type,
  e.status
from experiments as e
left semi join {source} as s
  on e.experiment_id = s.experiment_id
