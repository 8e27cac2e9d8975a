-- The names of a run's metrics, one row each.
select distinct name
from metrics
where run_month = :run_month and experiment_id = :experiment_id
order by name
