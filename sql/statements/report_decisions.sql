-- The decisions taken by a time, the newest first, of one commodity and model or of all (empty texts).
select
  commodity,
  decided_at,
  kind,
  model_name,
  model_version,
  decided_by,
  forced,
  rule,
  verdict,
  reason,
  decision_id
from decisions
where (:commodity = '' or commodity = :commodity)
  and (:model_name = '' or model_name = :model_name)
  and decided_at <= cast(:as_of as timestamp)
order by commodity, decision_id desc
