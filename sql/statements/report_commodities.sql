-- The commodities evaluated by a time, of one commodity or of all (an empty text).
select
  r.commodity,
  count(*) as n_runs,
  count(distinct r.model_name) as n_models,
  count(distinct r.unique_id) as n_series,
  sum(r.n_windows) as n_windows,
  cast(max(r.data_as_of) as date) as data_as_of
from model_runs as r
left anti join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
where (:commodity = '' or r.commodity = :commodity)
  and r.status <> 'incomplete'
  and r.run_timestamp <= cast(:as_of as timestamp)
group by r.commodity
order by r.commodity
