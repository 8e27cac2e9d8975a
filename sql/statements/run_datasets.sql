-- What a run read of which dataset, one row a role of a dataset; of a dataset that is not registered the id only.
select
  l.role,
  l.linked_at,
  l.dataset_id,
  d.name,
  d.content_sha256,
  d.source,
  d.format,
  d.location,
  d.table_version,
  d.n_rows,
  d.n_columns,
  d.created_at
from experiment_datasets as l
left join datasets as d
  on l.dataset_id = d.dataset_id
where l.run_month = :run_month and l.experiment_id = :experiment_id
order by d.name nulls last, l.role, l.dataset_id
