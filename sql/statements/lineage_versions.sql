-- The versions of these numbers (with commas between them); of those deleted since what their deletion says.
with wanted as (
  select cast(given.id as bigint) as model_id
  from (select explode(split(:ids, ',')) as id) as given
),
versions as (
  select
    model_id,
    model_name,
    version,
    model_type,
    alias,
    parents,
    parentage,
    created_at,
    cast(null as timestamp) as deleted_at,
    cast(null as string) as deleted_by,
    cast(null as string) as deleted_because
  from registered_models
  union all
  select
    cast(experiment_id as bigint) as model_id,
    model_name,
    model_version as version,
    cast(null as string) as model_type,
    cast(null as string) as alias,
    cast(null as array<bigint>) as parents,
    cast(null as string) as parentage,
    cast(null as timestamp) as created_at,
    decided_at as deleted_at,
    decided_by as deleted_by,
    reason as deleted_because
  from decisions
  where rule = 'registered' and kind = 'prune'
)
select
  v.model_id,
  v.model_name,
  v.version,
  v.model_type,
  v.alias,
  v.parents,
  v.parentage,
  v.created_at,
  v.deleted_at,
  v.deleted_by,
  v.deleted_because
from versions as v
left semi join wanted as w
  on v.model_id = w.model_id
order by v.model_id
