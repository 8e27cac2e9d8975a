-- One row per version of a registered model: what was saved, the alias it has, and how far it is deployed.
create or replace view registered_models as
with turns as (
  select
    commodity,
    unique_id as alias,
    model_version,
    kind,
    decided_at,
    decision_id,
    lead(kind) over (partition by commodity, unique_id order by decision_id) as next_kind
  from decisions
  where rule = 'registered'
),
deployments as (
  select
    commodity,
    model_version,
    -- of both, champion
    max(case when kind <> 'prune' and next_kind is null then alias end) as alias,
    max(case when kind <> 'prune' and next_kind is null then decided_at end) as deployed_at,
    -- behind a UUID of 36 characters: what ended the latest deployment that has ended
    substr(max(case when kind <> 'prune' and next_kind is not null then concat(decision_id, next_kind) end), 37) as ended_by,
    max(case when kind = 'prune' then 1 else 0 end) = 1 as is_deleted
  from turns
  group by commodity, model_version
)
select
  m.model_id,
  m.model_name,
  m.model_type,
  m.version,
  d.alias,
  case
    when d.alias is not null then 'deployed'
    when d.ended_by = 'rollback' then 'rolled back'
    when d.ended_by is not null then 'replaced'
    else 'saved'
  end as deployment_status,
  d.deployed_at,
  m.metrics,
  m.hyperparameters,
  m.file_path,
  m.file_format,
  m.sha256,
  m.size_bytes,
  m.created_at,
  m.created_by,
  m.description,
  m.intended_use,
  m.limitations,
  m.input_schema,
  m.experiment_id,
  m.parents,
  m.parentage,
  m.git_commit,
  m.git_dirty,
  m.environment_id
from models as m
left join deployments as d
  on concat('registry:', m.model_name) = d.commodity and m.version = d.model_version
where m.saved_at is not null and not coalesce(d.is_deleted, false)
