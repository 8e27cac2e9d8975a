-- Which evaluations of a source are in the ledger.
select r.experiment_id
from model_runs as r
left semi join {source} as s
  on r.experiment_id = s.experiment_id
