-- The types of models tried by a time, with the names of each, of one commodity or of all (an empty text).
select
  r.model_type,
  count(distinct r.model_name) as n_models,
  count(*) as n_runs,
  concat_ws(', ', sort_array(collect_set(r.model_name))) as model_names
from model_runs as r
left anti join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
where (:commodity = '' or r.commodity = :commodity)
  and r.status <> 'incomplete'
  and r.run_timestamp <= cast(:as_of as timestamp)
group by r.model_type
order by n_models desc, r.model_type
