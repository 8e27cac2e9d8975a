-- The forecasts of one evaluation in its last windows with the actual values, in order of cutoff and step.
with own as (
  select
    cutoff,
    step,
    ds,
    y,
    y_hat,
    try_element_at(quantiles, '0.1') as q10,
    try_element_at(quantiles, '0.9') as q90,
    dense_rank() over (order by cutoff desc) as recency
  from forecasts
  where commodity = :commodity
    and run_month = :run_month
    and experiment_id = :experiment_id
)
select cutoff, step, ds, y, y_hat, q10, q90, max(recency) over () as n_shown
from own
where recency <= cast(:windows as int)
order by cutoff, step
