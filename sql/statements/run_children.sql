-- The runs that are part of a run, one row each, in the order in which they began.
select experiment_id, name, experiment_type, status, started_at, ended_at
from experiments
where parent_id = :experiment_id
order by started_at, experiment_id
