-- The dates the windows of a commodity can be counted from, in the order to try: of each grid, the one recorded first
-- before the others, its origin (of every series: NULL) and then the cutoffs of each series.
with grids as (
  select grid_origin, min(created_at) as recorded_at
  from backtests
  where commodity = :commodity
    and frequency = :frequency
    and step_size = :step_size
    and grid_origin is not null
  group by grid_origin
),
cutoffs as (
  select distinct
    backtests.grid_origin as grid_origin,
    run_windows.unique_id as unique_id,
    run_windows.cutoff as cutoff
  from run_windows
  join model_runs on model_runs.experiment_id = run_windows.experiment_id
  join backtests on backtests.backtest_id = model_runs.backtest_id
  where run_windows.commodity = :commodity
    and model_runs.commodity = :commodity
    and backtests.commodity = :commodity
    and backtests.frequency = :frequency
    and backtests.step_size = :step_size
    and backtests.grid_origin is not null
),
final as (
  select grid_origin, cast(null as string) as unique_id, grid_origin as counted_from, recorded_at from grids
  union all
  select
    cutoffs.grid_origin as grid_origin,
    cutoffs.unique_id as unique_id,
    cutoffs.cutoff as counted_from,
    grids.recorded_at as recorded_at
  from cutoffs
  join grids on grids.grid_origin = cutoffs.grid_origin
)
select grid_origin, unique_id, counted_from from final
order by recorded_at, grid_origin, unique_id nulls first, counted_from
