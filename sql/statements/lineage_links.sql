-- Which version was made from which, one row a pair.
select model_id, explode(parents) as parent_id
from models
where parents is not null and saved_at is not null
