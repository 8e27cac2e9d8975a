-- The groups of the specified pruning query of a commodity, with the version and the newest evaluations behind each.
select
  c.model_name,
  max_by(r.model_version, r.run_timestamp) as model_version,
  c.unique_id,
  c.frequency,
  c.forecast_horizon_days,
  c.num_runs,
  c.avg_mae,
  c.last_run,
  slice(sort_array(collect_list(r.experiment_id), false), 1, 20) as newest_runs
from pruning_candidates as c
inner join model_runs as r
  on c.commodity = r.commodity
  and c.unique_id = r.unique_id
  and c.model_name = r.model_name
  and c.frequency <=> r.frequency
  and c.forecast_horizon_days = r.forecast_horizon_days
  and r.beats_baseline = false
  and r.status <> 'incomplete'
where c.commodity = :commodity
group by c.model_name, c.unique_id, c.frequency, c.forecast_horizon_days, c.num_runs, c.avg_mae, c.last_run
order by c.avg_mae desc nulls last, c.model_name, c.unique_id
