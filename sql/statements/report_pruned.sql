-- The models that were out of the active registry at a time, of one commodity or of all (an empty text).
select commodity, model_name, model_version, pruned_from, rule, verdict, reason, decided_by
from pruning_history
where (:commodity = '' or commodity = :commodity)
  and pruned_from <= cast(:as_of as timestamp)
  and (pruned_to is null or pruned_to > cast(:as_of as timestamp))
order by commodity, pruned_from, model_name, model_version
