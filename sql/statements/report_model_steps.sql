-- The accuracy of one evaluation at every step, as in the view accuracy_by_horizon, with that of naive in the same windows.
with cells as (
  select
    f.step,
    f.y,
    abs(f.y - f.y_hat) as absolute_error,
    abs(f.y - w.day0) as naive_absolute_error,
    case when abs(f.y - w.day0) <= 1e-6 * w.level then 0 else sign(f.y - w.day0) end as actual_move,
    case when abs(f.y_hat - w.day0) <= 1e-6 * w.level then 0 else sign(f.y_hat - w.day0) end as forecast_move
  from forecasts as f
  inner join run_windows as w
    on f.cutoff = w.cutoff
  where f.commodity = :commodity
    and f.run_month = :run_month
    and f.experiment_id = :experiment_id
    and w.commodity = :commodity
    and w.run_month = :run_month
    and w.experiment_id = :experiment_id
)
select
  step,
  count(*) as n_windows,
  avg(absolute_error) as mae,
  avg(naive_absolute_error) as naive_mae,
  sqrt(avg(absolute_error * absolute_error)) as rmse,
  case when min(abs(y)) > 0 then 100 * avg(absolute_error / nullif(abs(y), 0)) end as mape,
  case when max(abs(forecast_move)) > 0 then
    avg(case when actual_move <> 0 then case when actual_move = forecast_move then 1e0 else 0e0 end end)
  end as directional_accuracy
from cells
group by step
order by step
