-- One row per backtest, series, metric and compared model: its loss against what it costs, and whether another is both better and cheaper.
create or replace view accuracy_by_cost as
with ordered as (
  select
    *,
    min(loss) over (
      partition by family_id
      order by execution_time_seconds asc
      range between unbounded preceding and current row
    ) as best_loss_at_cost
  from leaderboard_history
  where is_latest
    and place is not null
    and execution_time_seconds is not null
)
select
  commodity,
  unique_id,
  backtest_id,
  metric,
  frequency,
  forecast_horizon_days,
  model_name,
  model_version,
  loss,
  skill,
  execution_time_seconds,
  cost_estimate_usd,
  in_confidence_set,
  verdict,
  loss <= best_loss_at_cost as is_efficient,
  family_id
from ordered
