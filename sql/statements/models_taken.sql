-- What numbers are taken, also by versions that were deleted: the highest of the registry, the highest version of a model as text that sorts, and how often it has a given version.
with taken as (
  select model_id, model_name, version
  from models
  union all
  select cast(experiment_id as bigint) as model_id, substr(commodity, 10) as model_name, model_version as version
  from decisions
  where rule = 'registered' and model_version <> ''
)
select
  coalesce(max(model_id), 0) as highest_id,
  max(case when model_name = :model_name then concat_ws('.', lpad(split_part(version, '.', 1), 9, '0'), lpad(split_part(version, '.', 2), 9, '0'), lpad(split_part(version, '.', 3), 9, '0')) end) as highest_version,
  count(case when model_name = :model_name and version = :version then 1 end) as n_same
from taken
