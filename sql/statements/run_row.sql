-- The row of a run.
select *
from experiments
where experiment_id = :experiment_id
