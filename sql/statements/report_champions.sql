-- The models in production at a time with the figures of their evaluations (NULL where one was removed), of one commodity or of all (an empty text).
select
  h.commodity,
  h.unique_id,
  h.model_name,
  h.model_version,
  h.champion_from,
  h.kind,
  h.forced,
  h.verdict,
  h.reason,
  h.decided_by,
  h.experiment_id,
  r.experiment_id is not null as is_recorded,
  r.model_type,
  r.metrics_source,
  r.frequency,
  r.forecast_horizon_days,
  r.n_windows,
  r.mae_14day,
  r.mae_path,
  r.directional_accuracy,
  r.dm_test_vs_naive,
  r.dm_pvalue,
  r.beats_baseline,
  r.evidence_note,
  r.data_as_of,
  r.run_month
from champion_history as h
left join model_runs as r
  on h.commodity = r.commodity and h.experiment_id = r.experiment_id
where (:commodity = '' or h.commodity = :commodity)
  and h.champion_from <= cast(:as_of as timestamp)
  and (h.champion_to is null or h.champion_to > cast(:as_of as timestamp))
order by h.commodity, h.unique_id
