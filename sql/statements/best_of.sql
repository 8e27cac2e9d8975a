-- The variants of a commodity that beat naive, best first.
select *
from best_models
where commodity = :commodity
order by frequency, forecast_horizon_days, backtest_id, unique_id, place
