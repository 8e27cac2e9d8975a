-- The versions made from a version: fine-tuned from it, or an ensemble it is part of.
select *
from registered_models
where array_contains(parents, cast(:model_id as bigint))
order by model_id
