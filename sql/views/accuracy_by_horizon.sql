-- One row per finished evaluation and step: accuracy at that step; naming the commodity, and the month, reads their files only.
create or replace view accuracy_by_horizon as
with cells as (
  select
    f.commodity,
    f.run_month,
    f.experiment_id,
    f.step,
    f.y,
    abs(f.y - f.y_hat) as absolute_error,
    case when abs(f.y - w.day0) <= 1e-6 * w.level then 0 else sign(f.y - w.day0) end as actual_move,
    case when abs(f.y_hat - w.day0) <= 1e-6 * w.level then 0 else sign(f.y_hat - w.day0) end as forecast_move
  from forecasts as f
  inner join run_windows as w
    on f.commodity = w.commodity and f.run_month = w.run_month and f.experiment_id = w.experiment_id and f.cutoff = w.cutoff
),
steps as (
  select
    commodity,
    run_month,
    experiment_id,
    step,
    count(*) as n_windows,
    avg(absolute_error) as mae,
    sqrt(avg(absolute_error * absolute_error)) as rmse,
    case when min(abs(y)) > 0 then 100 * avg(absolute_error / nullif(abs(y), 0)) end as mape,
    case when max(abs(forecast_move)) > 0 then
      avg(case when actual_move <> 0 then case when actual_move = forecast_move then 1e0 else 0e0 end end)
    end as directional_accuracy
  from cells
  group by commodity, run_month, experiment_id, step
)
select
  s.commodity,
  r.unique_id,
  r.backtest_id,
  r.frequency,
  r.forecast_horizon_days,
  r.model_name,
  r.model_version,
  s.step,
  s.n_windows,
  s.mae,
  s.rmse,
  s.mape,
  s.directional_accuracy,
  r.run_timestamp,
  s.run_month,
  s.experiment_id
from steps as s
inner join model_runs as r
  on s.commodity = r.commodity and s.run_month = r.run_month and s.experiment_id = r.experiment_id
where r.status <> 'incomplete'
