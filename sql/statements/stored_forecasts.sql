-- The forecasts of one evaluation, in order of cutoff and step.
select cutoff, step, ds, y, y_hat
from forecasts
where experiment_id = :experiment_id
order by cutoff, step
