-- One row per backtest, series and model variant: its evaluation on the latest data.
create or replace view latest_runs as
with recent as (
  select
    *,
    row_number() over (
      partition by commodity, unique_id, backtest_id, frequency, forecast_horizon_days, model_name, model_version
      order by data_as_of desc nulls last, run_timestamp desc, experiment_id desc
    ) as recency,
    max(data_as_of) over (partition by commodity, unique_id, backtest_id) as latest_data_as_of
  from model_runs
  where status <> 'incomplete'
)
select
  *,
  coalesce(data_as_of = latest_data_as_of, true) as is_current
from recent
where recency = 1
