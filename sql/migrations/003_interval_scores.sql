-- How good the prediction intervals of an evaluation were.
alter table model_runs add columns (
  coverage_80 double comment 'Share [0, 1] of cells with quantiles whose actual lay between the 0.1 and the 0.9 quantile; 0.8 is right',
  pinball_loss double comment 'Mean pinball loss at the levels 0.1, 0.5 and 0.9 over cells with quantiles, unit of the series'
)
