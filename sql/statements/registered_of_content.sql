-- Versions of registered models whose file has this content, oldest first.
select *
from registered_models
where sha256 = :sha256
order by model_id
