-- The decisions on registered models, in the order of each model's: what is deployed and deleted follows from them.
select
  commodity,
  unique_id as alias,
  kind,
  model_version,
  experiment_id,
  decided_at
from decisions
where rule = 'registered'
order by commodity, decision_id
