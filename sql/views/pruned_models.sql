-- One row per commodity and model variant that is out of the active registry.
create or replace view pruned_models as
select
  commodity,
  model_name,
  model_version,
  pruned_from,
  rule,
  verdict,
  reason,
  decided_by,
  decision_id
from pruning_history
where pruned_to is null
