-- Runs by the month in which they began, by a time, of one commodity or of all (an empty text).
select
  r.run_month,
  count(*) as n_runs,
  count(distinct r.model_name) as n_models
from model_runs as r
left anti join experiments as e
  on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest' and e.ended_at > cast(:as_of as timestamp)
where (:commodity = '' or r.commodity = :commodity)
  and r.status <> 'incomplete'
  and r.run_timestamp <= cast(:as_of as timestamp)
group by r.run_month
order by r.run_month
