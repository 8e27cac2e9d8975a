-- One row per commodity and series with a model in production: the model, and the figures of its evaluation (NULL where that was removed).
create or replace view champions as
select
  c.commodity,
  c.unique_id,
  c.model_name,
  c.model_version,
  r.model_type,
  c.champion_from,
  c.forced,
  c.verdict,
  r.mae_14day,
  r.mae_path,
  r.directional_accuracy,
  r.dm_test_vs_naive,
  r.dm_pvalue,
  r.beats_baseline,
  r.n_windows,
  r.forecast_horizon_days,
  r.frequency,
  r.data_as_of,
  c.experiment_id,
  c.decision_id
from champion_history as c
left join model_runs as r
  on c.commodity = r.commodity and c.experiment_id = r.experiment_id
where c.champion_to is null
