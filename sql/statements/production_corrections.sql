-- The evaluations whose is_production is not what the decisions say, with what it should be.
select
  r.experiment_id,
  r.commodity,
  r.run_month,
  c.experiment_id is not null as is_production
from model_runs as r
left join champion_history as c
  on r.commodity = c.commodity and r.experiment_id = c.experiment_id and c.champion_to is null
where coalesce(r.is_production, false) <> (c.experiment_id is not null)
