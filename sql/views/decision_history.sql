-- One row per decision, every one ever taken: what, by whom, why and what the evidence said; the evidence itself is in decisions.
create or replace view decision_history as
select
  commodity,
  unique_id,
  decided_at,
  kind,
  model_name,
  model_version,
  decided_by,
  reason,
  rule,
  verdict,
  forced,
  experiment_id,
  evidence_digest,
  undoes,
  follows,
  decision_id
from decisions
