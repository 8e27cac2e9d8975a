-- One row per evaluation, cutoff and step.
create table if not exists forecasts (
  experiment_id string not null comment 'The evaluation, see model_runs',
  commodity string not null comment 'What is forecast',
  unique_id string not null comment 'The series',
  cutoff date not null comment 'Last date the model could see',
  step int not null comment 'Steps after the cutoff, 1 to H',
  ds date not null comment 'Date of the step: the step-th date of the series after the cutoff',
  y double not null comment 'Actual value, unit of the series',
  y_hat double not null comment 'Point forecast, unit of the series',
  quantiles map<string, double> comment 'Quantile forecasts at the levels 0.1, 0.5 and 0.9, unit of the series; where they come from is in run_windows',
  run_month string not null comment 'Month of the run_timestamp of the evaluation, yyyy-MM'
)
using delta
partitioned by (commodity, run_month)
comment 'One row per evaluation, cutoff and step: with run_windows, what every metric is recomputed from.'
tblproperties (
  'delta.constraints.step_positive' = "step > 0",
  'delta.constraints.after_cutoff' = "ds > cutoff"
)
