-- Windows that one loss over all steps reaches into, the most seen in a backtest.
select max(overlap) as overlap
from families
where commodity = :commodity
  and backtest_id = :backtest_id
  and metric = 'mae_path'
