-- One row per checkpoint that a run registered; document 2 calls this table models.
create table if not exists checkpoints (
  model_id string not null comment 'UUIDv7 of the checkpoint',
  experiment_id string comment 'The run that made it, see experiments',
  checkpoint_path string not null comment 'Its file, as the caller named it',
  sha256 string comment 'SHA-256 of the file when it was registered; NULL where there was none',
  size_bytes bigint comment 'Size of the file then, bytes; NULL where there was none',
  episode_num bigint comment 'Episode after which it was saved',
  val_metric double comment 'What the caller measured it by',
  is_best boolean not null comment 'Whether the caller called it the best of the run so far',
  registered_at timestamp not null comment 'Wall time of the registration, UTC',
  run_month string not null comment 'Month of registered_at, yyyy-MM'
)
using delta
partitioned by (run_month)
comment 'One row per checkpoint that a run registered.'
