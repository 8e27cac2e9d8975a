-- One row per promotion and rollback: the model in production from then on, and until when (NULL: still).
create or replace view champion_history as
select
  d.commodity,
  d.unique_id,
  d.model_name,
  d.model_version,
  d.decided_at as champion_from,
  lead(d.decided_at) over (partition by d.commodity, d.unique_id order by d.decision_id) as champion_to,
  d.kind,
  d.forced,
  d.verdict,
  d.reason,
  d.decided_by,
  d.experiment_id,
  d.decision_id
from decisions as d
where d.kind in ('promote', 'rollback') and d.rule <> 'registered'
