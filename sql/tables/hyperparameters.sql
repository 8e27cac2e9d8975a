-- One row per hyperparameter of a run, or of one of its checkpoints.
create table if not exists hyperparameters (
  experiment_id string not null comment 'The run, see experiments',
  model_id string not null comment 'The checkpoint it belongs to, see checkpoints; empty where it is of the whole run',
  name string not null comment 'Name of the hyperparameter',
  value string not null comment 'Its value as JSON',
  value_type string not null comment 'bool, int, float, str, list, dict or none',
  number double comment 'The value of a bool, int or float, to compare by; else NULL',
  logged_at timestamp not null comment 'Wall time of the call, UTC',
  run_month string not null comment 'Month of the run, yyyy-MM, as in experiments'
)
using delta
partitioned by (run_month)
comment 'One row per hyperparameter of a run, or of one of its checkpoints.'
tblproperties (
  'delta.constraints.type_known' = "value_type in ('bool', 'int', 'float', 'str', 'list', 'dict', 'none')"
)
