-- The scale of experimentation, of one commodity or of all.
select *
from experiment_history
where :commodity is null or commodity = :commodity
order by commodity, frequency, forecast_horizon_days, total_experiments desc, model_type
