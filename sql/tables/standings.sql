-- One row per family and model.
create table if not exists standings (
  family_id string not null comment 'The family, see families',
  commodity string not null comment 'What is forecast',
  model_name string not null comment 'Registry name of the variant',
  model_version string not null comment 'Version of the variant',
  experiment_id string comment 'The evaluation, see model_runs; NULL for a naive forecast nobody logged',
  place int comment 'Rank by loss, the smallest first; NULL for one not compared',
  n_windows int not null comment 'Windows of the family it has forecasts of',
  loss double comment 'Mean loss on the shared windows, unit of the series',
  skill double comment 'Share by which its loss is below that of naive',
  naive_difference double comment 'Mean loss minus that of naive on the shared windows, unit of the series: negative is better',
  naive_lower double comment 'Lower end of the 95 percent confidence interval of naive_difference',
  naive_upper double comment 'Upper end of it',
  dm_test_vs_naive double comment 'Diebold-Mariano statistic against naive: negative is better',
  dm_pvalue double comment 'Its two-sided p-value',
  dm_pvalue_holm double comment 'The same, adjusted by Holm for the models tested against naive',
  naive_win_share double comment 'Share [0, 1] of shared windows in which it loses less than naive; ties count half',
  leader_difference double comment 'Mean loss minus that of the leader, unit of the series; NULL for the leader',
  leader_lower double comment 'Lower end of the 95 percent confidence interval of leader_difference',
  leader_upper double comment 'Upper end of it',
  leader_pvalue double comment 'Two-sided Diebold-Mariano p-value against the leader',
  leader_pvalue_holm double comment 'The same, adjusted by Holm for the models tested against the leader',
  mcs_pvalue double comment 'P-value of the model confidence set',
  in_confidence_set boolean comment 'Whether the data leave it among the models that may be best',
  verdict string not null comment 'the baseline, same forecasts as naive, better than naive, worse than naive, equal to naive, not enough evidence, not compared',
  equal_within double comment 'What the 90 percent interval of naive_difference does not exceed, as a share of the loss of naive',
  detectable double comment 'Smallest difference to naive found with 80 percent power at these windows, as a share of the loss of naive',
  windows_to_tell int comment 'Windows at which a difference as large as the one seen is found with 80 percent power after the correction by Holm',
  note string comment 'Why it is not compared or not tested'
)
using delta
partitioned by (commodity)
comment 'One row per family and model: its place, its evidence against naive and the leader, and the verdict.'
tblproperties (
  'delta.constraints.shares_in_unit_interval' = "(dm_pvalue < 0 or dm_pvalue > 1 or dm_pvalue_holm > 1 or leader_pvalue < 0 or leader_pvalue > 1 or leader_pvalue_holm > 1 or naive_win_share < 0 or naive_win_share > 1 or mcs_pvalue < 0 or mcs_pvalue > 1) is not true",
  'delta.constraints.intervals_ordered' = "(naive_lower > naive_upper or leader_lower > leader_upper) is not true"
)
