-- The evaluations of a commodity with the keys of a source of which windows are stored: those not in model_runs were interrupted.
select w.evaluation_key, min(w.experiment_id) as experiment_id
from run_windows as w
inner join {source} as s
  on w.evaluation_key = s.evaluation_key
where w.commodity = :commodity
group by w.evaluation_key
