-- One row per family: the models of a backtest and series, compared by one loss on the windows they share.
create table if not exists families (
  family_id string not null comment 'known_at as yyyyMMddHHmmss, and a digest of the loss and the evaluations compared',
  commodity string not null comment 'What is forecast',
  unique_id string not null comment 'The series',
  backtest_id string not null comment 'The definition evaluated, see backtests',
  metric string not null comment 'Loss of a window: mae_path over all steps, or mae_1day, mae_7day, mae_14day at that step',
  frequency string not null comment 'Length of one step',
  forecast_horizon_days int not null comment 'Steps forecast from each cutoff, in steps of the series',
  step_size int not null comment 'Observations between two cutoffs',
  known_at timestamp not null comment 'When the last of its evaluations was finished, UTC: from then on this was known',
  data_as_of date comment 'Last date its evaluations could see',
  n_models int not null comment 'Models, those not compared and naive included',
  n_compared int not null comment 'Models compared, naive included',
  n_tested int not null comment 'Models tested against naive: what the adjusted p-values are adjusted for',
  n_windows int not null comment 'Windows of the latest evaluations',
  n_shared int not null comment 'Windows that all compared models have forecasts of',
  first_cutoff date comment 'First shared cutoff',
  last_cutoff date comment 'Last shared cutoff',
  overlap int not null comment 'Windows that one loss reaches into; 1 for none',
  naive_loss double comment 'Mean loss of naive on the shared windows, unit of the series',
  leader_name string comment 'Model with the smallest mean loss',
  leader_version string comment 'Its version',
  leader_loss double comment 'Its mean loss on the shared windows, unit of the series: flattered by having been selected',
  leader_loss_corrected double comment 'What the selected model is expected to lose on new windows, unit of the series; NULL where there are too few',
  confidence_level double not null comment 'Level of the model confidence set',
  confidence_method string not null comment 'How it was found: studentized, or arch for arch.bootstrap.MCS',
  bootstrap_reps int not null comment 'Resamples of the bootstraps',
  bootstrap_block int comment 'Windows in a block when the confidence set was resampled; NULL where nothing was',
  bootstrap_seed int not null comment 'Seed of the bootstraps',
  evidence_version int not null comment 'Version of the definitions of the evidence',
  note string comment 'Why there is no confidence set or corrected loss, where there is none',
  created_at timestamp comment 'Wall time at which the comparison was made, UTC'
)
using delta
partitioned by (commodity)
comment 'One row per family: the models of a backtest and series, compared by one loss on shared windows. Adding a model makes a new family.'
tblproperties (
  'delta.constraints.counts_ordered' = "n_tested < n_compared and n_compared <= n_models and n_shared <= n_windows and n_shared >= 0",
  'delta.constraints.metric_known' = "metric in ('mae_path', 'mae_1day', 'mae_7day', 'mae_14day')"
)
