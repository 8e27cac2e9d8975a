-- Rows of models that are versions, oldest first, filtered by what is not NULL; min_f1 leaves out those without an f1 and those whose f1 is NaN. Those deleted just now are among them, see registered_turns.
select *
from models
where saved_at is not null
  and (cast(:model_id as bigint) is null or model_id = cast(:model_id as bigint))
  and (:model_name is null or model_name = :model_name)
  and (:model_type is null or model_type = :model_type)
  and (:version is null or version = :version)
  and (
    cast(:min_f1 as double) is null
    or (element_at(metrics, 'f1') >= cast(:min_f1 as double) and not isnan(element_at(metrics, 'f1')))
  )
order by model_id
