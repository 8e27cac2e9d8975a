-- One row per pruning of a model: from when it was out of the active registry, and until when (NULL: still).
create or replace view pruning_history as
with turns as (
  select
    *,
    lead(decided_at) over (partition by commodity, model_name, model_version order by decision_id) as pruned_to
  from decisions
  where kind in ('prune', 'restore') and rule <> 'registered'
)
select
  commodity,
  model_name,
  model_version,
  decided_at as pruned_from,
  pruned_to,
  rule,
  verdict,
  reason,
  decided_by,
  decision_id
from turns
where kind = 'prune'
