-- One backtest's leaderboard, best first.
select *
from leaderboard
where commodity = :commodity
  and backtest_id = :backtest_id
order by unique_id, place nulls last, model_name
