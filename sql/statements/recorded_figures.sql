-- The figures recorded of the evaluations of a source: those that follow from their windows and forecasts.
select
  r.experiment_id,
  r.n_windows,
  r.n_failed_windows,
  r.mae_1day,
  r.mae_7day,
  r.mae_14day,
  r.rmse_14day,
  r.mape_14day,
  r.mase_14day,
  r.mae_path,
  r.naive_mae_path,
  r.directional_accuracy,
  r.pt_pvalue,
  r.dm_test_vs_naive,
  r.dm_pvalue,
  r.beats_baseline,
  r.dm_n,
  r.coverage_80,
  r.pinball_loss
from model_runs as r
inner join {source} as s
  on r.experiment_id = s.experiment_id
where r.commodity = :commodity
