-- The commodities in the ledger.
select distinct commodity
from model_runs
order by commodity
