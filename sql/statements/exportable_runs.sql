-- The runs that are no evaluations, one row each, the oldest first: a parent before its children.
select e.*
from experiments as e
left anti join model_runs as r
  on e.experiment_id = r.experiment_id
order by e.started_at, e.experiment_id
