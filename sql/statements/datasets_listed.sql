-- The versions of a dataset, or of all (NULL), each with its number among those of its name and how many runs read it.
with reads as (
  select dataset_id, count(distinct experiment_id) as n_runs
  from experiment_datasets
  group by dataset_id
)
select
  d.dataset_id,
  d.name,
  row_number() over (partition by d.name order by d.created_at, d.dataset_id) as version,
  d.created_at,
  d.created_by,
  d.source,
  d.format,
  d.table_version,
  d.n_rows,
  d.n_columns,
  d.time_column,
  d.splits,
  d.size_bytes,
  d.content_sha256,
  coalesce(r.n_runs, 0) as n_runs
from datasets as d
left join reads as r
  on d.dataset_id = r.dataset_id
where cast(:dataset as string) is null or d.name = cast(:dataset as string)
order by d.name, version
