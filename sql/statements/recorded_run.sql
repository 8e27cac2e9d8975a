-- The evaluation with this key, if it is in the ledger.
select experiment_id
from model_runs
where commodity = :commodity
  and evaluation_key = :evaluation_key
