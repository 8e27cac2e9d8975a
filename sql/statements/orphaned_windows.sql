-- The evaluations begun in or before a month of which there are windows and no row in model_runs, with how many windows.
select w.commodity, w.run_month, w.experiment_id, count(*) as n_rows
from run_windows as w
left anti join model_runs as r
  on w.experiment_id = r.experiment_id
where w.run_month <= :month
group by w.commodity, w.run_month, w.experiment_id
order by w.commodity, w.run_month, w.experiment_id
