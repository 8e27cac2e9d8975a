-- One row per family and pair of compared models.
create table if not exists comparisons (
  family_id string not null comment 'The family, see families',
  commodity string not null comment 'What is forecast',
  model_name string not null comment 'The model with the larger loss, or the one compared with naive',
  model_version string not null comment 'Version of the variant',
  other_name string not null comment 'Naive, or the model with the smaller loss',
  other_version string not null comment 'Version of the other variant',
  difference double comment 'Mean loss of the model minus that of the other on the shared windows, unit of the series',
  lower double comment 'Lower end of the 95 percent confidence interval of difference',
  upper double comment 'Upper end of it',
  statistic double comment 'Diebold-Mariano statistic: negative where the model loses less',
  pvalue double comment 'Two-sided p-value',
  pvalue_holm double comment 'The same, adjusted by Holm for all pairs of the family',
  method string not null comment 'How the p-value was made',
  n int not null comment 'Shared windows',
  win_share double comment 'Share [0, 1] of windows in which the model loses less than the other; ties count half',
  first_half_difference double comment 'Mean difference in the earlier half of the windows, unit of the series',
  second_half_difference double comment 'Mean difference in the later half of the windows, unit of the series',
  note string comment 'Why nothing was tested, or what to know about the test'
)
using delta
partitioned by (commodity)
comment 'One row per family and pair of compared models: the test of equal accuracy on the windows all share.'
tblproperties (
  'delta.constraints.shares_in_unit_interval' = "(pvalue < 0 or pvalue > 1 or pvalue_holm < 0 or pvalue_holm > 1 or win_share < 0 or win_share > 1) is not true",
  'delta.constraints.interval_ordered' = "(lower > upper) is not true"
)
