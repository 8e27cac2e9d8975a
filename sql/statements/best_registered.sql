-- The version that is best by a metric, of those that have it and where it is no NaN; of equal ones the newest.
with measured as (
  select
    *,
    case when :mode = 'min' then -element_at(metrics, :metric) else element_at(metrics, :metric) end as merit
  from registered_models
  where (:model_name is null or model_name = :model_name)
    and (:model_type is null or model_type = :model_type)
)
select *
from measured
where merit is not null and not isnan(merit)
order by merit desc, model_id desc
limit 1
