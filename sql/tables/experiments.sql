-- One row per run: a training run, or a backtest evaluation that also has a row in model_runs under the same id.
create table if not exists experiments (
  experiment_id string not null comment 'UUIDv7 of the run; its time is started_at',
  name string not null comment 'Name of the run; for an evaluation the model variant',
  experiment_type string not null comment 'backtest, rl, classification ...',
  status string not null comment 'running, completed, incomplete, failed or crashed',
  tags array<string> comment 'Free labels',
  started_at timestamp not null comment 'Wall time of the start, UTC',
  ended_at timestamp comment 'Wall time of the end, UTC',
  random_seed int comment 'Seed of the run',
  git_commit string comment 'Commit of the code that ran',
  git_branch string comment 'Branch checked out',
  git_dirty boolean comment 'Whether tracked files had changes not in git_commit',
  python_version string comment 'Version of Python',
  environment_id string comment 'Python, packages and machine, see environments',
  run_by string comment 'Who ran it',
  notes string comment 'Free text of the caller',
  parent_id string comment 'Run this one is a part of; NULL where it is none',
  command array<string> comment 'Command line that started it',
  working_folder string comment 'Folder it was started in, relative to the top of the repository',
  git_remote string comment 'Where the repository is fetched from, without credentials',
  seeded array<string> comment 'Libraries whose random numbers were seeded by the seed',
  imported_from string comment 'System and id the run was imported from; NULL for our own',
  run_month string generated always as (date_format(started_at, 'yyyy-MM')) comment 'Month of started_at, yyyy-MM'
)
using delta
partitioned by (experiment_type, run_month)
comment 'One row per run; an evaluation has one more row in model_runs under the same experiment_id.'
tblproperties (
  'delta.constraints.status_known' = "status in ('running', 'completed', 'incomplete', 'failed', 'crashed')",
  'delta.constraints.ends_after_start' = "(ended_at < started_at) is not true"
)
