-- The metrics of a run, one row a name: points that are NaN are counted, and may be the first or last, but are no least, most or mean; no last step as in run_points.
with logged as (
  select
    name,
    value,
    case when isnan(value) then null else value end as number,
    step,
    struct(logged_at, journal_id, position) as place
  from metrics
  where run_month = :run_month and experiment_id = :experiment_id
)
select
  name,
  count(*) as n,
  count(*) - count(number) as n_nan,
  min_by(value, place) as first,
  max_by(value, place) as last,
  min(number) as min,
  max(number) as max,
  avg(number) as mean,
  coalesce(max_by(step, place), -9223372036854775807) as last_step
from logged
group by name
order by name
