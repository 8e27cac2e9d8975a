-- The models of a commodity, or of all (NULL), with how many of their runs were reported by callers and how many never finished.
select
  model_name,
  count(*) as n_runs,
  count_if(metrics_source = 'reported') as n_reported,
  count_if(status = 'incomplete') as n_incomplete
from model_runs
where :commodity is null or commodity = :commodity
group by model_name
order by model_name
