-- The evaluations begun in or before a month of which there are forecasts and no row in model_runs, with how many forecasts.
select f.commodity, f.run_month, f.experiment_id, count(*) as n_rows
from forecasts as f
left anti join model_runs as r
  on f.experiment_id = r.experiment_id
where f.run_month <= :month
group by f.commodity, f.run_month, f.experiment_id
order by f.commodity, f.run_month, f.experiment_id
