-- The backtests of a commodity, the one evaluated on the latest data first.
select
  b.backtest_id,
  b.frequency,
  b.horizon,
  b.step_size,
  b.n_windows,
  b.train_size,
  count(*) as n_evaluations,
  max(r.data_as_of) as data_as_of,
  max(r.run_timestamp) as last_run
from backtests as b
inner join model_runs as r
  on b.backtest_id = r.backtest_id and b.commodity = r.commodity
where b.commodity = :commodity
group by b.backtest_id, b.frequency, b.horizon, b.step_size, b.n_windows, b.train_size
order by data_as_of desc nulls last, last_run desc
