-- The version that is best by a metric, of those that have it and where it is no NaN; of equal ones the newest. Left out are those deleted, by their numbers with commas between.
with measured as (
  select
    *,
    case when :mode = 'min' then -element_at(metrics, :metric) else element_at(metrics, :metric) end as merit
  from models
  where saved_at is not null
    and (:model_name is null or model_name = :model_name)
    and (:model_type is null or model_type = :model_type)
    and not array_contains(split(:deleted, ','), cast(model_id as string))
)
select *
from measured
where merit is not null and not isnan(merit)
order by merit desc, model_id desc
limit 1
