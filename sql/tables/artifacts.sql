-- One row per artifact a run kept: a file, or a folder of files.
create table if not exists artifacts (
  artifact_id string not null comment 'Digest of run, name and content',
  experiment_id string not null comment 'The run, see experiments',
  name string not null comment 'Name of the artifact, a relative path',
  artifact_type string not null comment 'plot, log, config, report, model, data, code or other',
  sha256 string not null comment 'SHA-256 of the content; of a folder, of the list of its files',
  size_bytes bigint not null comment 'Size of all its files, bytes',
  n_files int not null comment 'Files in it: 1, or those of the folder',
  is_folder boolean not null comment 'Whether it is a folder; its content is then the list of its files',
  location string not null comment 'Where the content is kept, under the name of its SHA-256',
  metadata map<string, string> comment 'What the caller says of it',
  logged_at timestamp not null comment 'Wall time of the call, UTC',
  run_month string not null comment 'Month of the run, yyyy-MM, as in experiments'
)
using delta
partitioned by (run_month)
comment 'One row per artifact of a run; equal content is kept once.'
tblproperties (
  'delta.constraints.type_known' = "artifact_type in ('plot', 'log', 'config', 'report', 'model', 'data', 'code', 'other')"
)
