-- What an evaluation was made of: its parameters and the features it was given, one row each.
with own as (
  select hyperparameters, feature_config
  from model_runs
  where commodity = :commodity
    and run_month = :run_month
    and experiment_id = :experiment_id
),
settings as (
  select 'parameter' as kind, name, value from own lateral view explode(hyperparameters) as name, value
  union all
  select 'feature' as kind, name, case when value then 'used' else 'not used' end as value
  from own lateral view explode(feature_config) as name, value
)
select kind, name, value
from settings
order by kind desc, name
