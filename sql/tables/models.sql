-- One row per version of a registered model.
create table if not exists models (
  model_id bigint not null comment 'Number of the version, counted over all models of the registry; never given twice',
  model_name string not null comment 'What its versions have in common',
  model_type string not null comment 'Kind of the model, as the caller named it: XGBClassifier, Ridge',
  version string not null comment 'major.minor.patch, the first 1.0.0',
  metrics map<string, double> not null comment 'What the caller measured it by; NaN is kept as such and is never best',
  hyperparameters string comment 'JSON',
  file_path string not null comment 'Its file: a path, or a URL that fsspec knows',
  file_format string not null comment 'joblib, xgboost, lightgbm or skops',
  sha256 string not null comment 'SHA-256 of the file: only one that still has it is loaded',
  size_bytes bigint not null comment 'Size of the file, bytes',
  created_at timestamp not null comment 'Wall time of the save, UTC',
  saved_at timestamp comment 'When its file was in place, UTC; NULL while it is saved: views leave such rows out',
  created_by string not null comment 'Who saved it',
  description string comment 'In the words of who saved it',
  intended_use string comment 'What it is for, in the words of who saved it',
  limitations string comment 'What it is not for, in the words of who saved it',
  input_schema string comment 'Names and types of the features it was fitted on, in order, JSON',
  experiment_id string comment 'The run that made it, see experiments',
  parents array<bigint> comment 'model_id of the versions it was made from',
  parentage string comment 'How: fine-tuned (of one) or ensemble (of several)',
  git_commit string comment 'Commit of the code that saved it',
  git_dirty boolean comment 'Whether that code differed from the commit',
  environment_id string not null comment 'Packages and machine that saved it, see environments'
)
using delta
comment 'One row per version of a registered model.'
tblproperties (
  'delta.constraints.format_known' = "file_format in ('joblib', 'xgboost', 'lightgbm', 'skops')",
  'delta.constraints.parentage_known' = "parentage is null or parentage in ('fine-tuned', 'ensemble')"
)
