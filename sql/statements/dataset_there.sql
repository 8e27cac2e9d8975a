-- The id of one dataset; none where it is not known.
select dataset_id
from datasets
where dataset_id = :dataset_id
