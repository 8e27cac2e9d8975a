-- The models to consider for pruning, of one commodity or of all, worst first.
select *
from pruning_candidates
where :commodity is null or commodity = :commodity
order by commodity, frequency, forecast_horizon_days, avg_mae desc nulls last, model_name
