-- The evaluations of a commodity with the keys of a source that are in the ledger.
select r.evaluation_key, r.experiment_id
from model_runs as r
inner join {source} as s
  on r.evaluation_key = s.evaluation_key
where r.commodity = :commodity
