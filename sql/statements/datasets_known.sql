-- Ids and names of all versions of datasets, the latest first.
select dataset_id, name
from datasets
order by created_at desc, dataset_id
