-- The forecasts of one evaluation with their quantiles, in order of cutoff and step.
select
  cutoff,
  step,
  ds,
  y,
  y_hat,
  try_element_at(quantiles, '0.1') as q10,
  try_element_at(quantiles, '0.5') as q50,
  try_element_at(quantiles, '0.9') as q90
from forecasts
where experiment_id = :experiment_id
order by cutoff, step
