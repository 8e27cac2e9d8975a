-- Rows of models that are no versions: begun and never finished, or deleted and not removed yet.
with gone as (
  select distinct commodity, model_version
  from decisions
  where rule = 'registered' and kind = 'prune'
)
select
  m.model_id,
  m.model_name,
  m.version,
  m.file_path,
  m.created_at,
  g.model_version is not null as is_deleted
from models as m
left join gone as g
  on concat('registry:', m.model_name) = g.commodity and m.version = g.model_version
where m.saved_at is null or g.model_version is not null
order by m.model_id
