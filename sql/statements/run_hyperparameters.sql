-- The hyperparameters of a run and of its models, one row each, those of the run first.
select model_id, name, value, value_type, number, logged_at
from hyperparameters
where run_month = :run_month and experiment_id = :experiment_id
order by model_id, name
