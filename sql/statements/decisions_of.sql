-- The decisions on a commodity (NULL: on all) taken by a time (NULL: up to now), in their order.
select *
from decisions
where (:commodity is null or commodity = :commodity)
  and (cast(:as_of as timestamp) is null or decided_at <= cast(:as_of as timestamp))
order by commodity, decision_id
