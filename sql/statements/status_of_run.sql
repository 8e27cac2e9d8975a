-- The status of one run; none where the id is not known.
select status
from experiments
where experiment_id = :experiment_id
