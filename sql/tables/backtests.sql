-- One row per definition of a backtest.
create table if not exists backtests (
  backtest_id string not null comment 'Digest of the definition',
  commodity string not null comment 'What is forecast',
  frequency string not null comment 'Length of one step',
  horizon int not null comment 'Steps forecast from each cutoff',
  step_size int not null comment 'Observations between two cutoffs',
  n_windows int comment 'Cutoffs evaluated; NULL where a loop of the caller announced none',
  train_size int comment 'Observations a model may be trained on; NULL for all up to the cutoff',
  grid_origin date comment 'Observation the grid is counted from; NULL where a loop of the caller chose its cutoffs',
  covariates map<string, string> comment 'Covariates offered, and how each is known',
  metric_version int not null comment 'Version of the definitions of the metrics',
  created_at timestamp comment 'Wall time at which the definition was first used, UTC'
)
using delta
partitioned by (commodity)
comment 'One row per definition of a backtest: equal definitions have equal ids.'
tblproperties (
  'delta.constraints.counts_positive' = "(horizon < 1 or step_size < 1 or n_windows < 1 or train_size < 1) is not true"
)
