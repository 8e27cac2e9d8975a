-- The hyperparameters of runs of a source, one row each; those of their models left out.
select
  h.experiment_id,
  h.name
from hyperparameters as h
left semi join {source} as s
  on h.experiment_id = s.experiment_id
where h.model_id = ''
