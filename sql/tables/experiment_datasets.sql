-- One row per dataset and part of it that a run read.
create table if not exists experiment_datasets (
  experiment_id string not null comment 'The run, see experiments',
  dataset_id string not null comment 'The version of the dataset, see datasets',
  role string not null comment 'The split that was read: train, validation, test ...; all where it was read whole',
  linked_at timestamp not null comment 'Wall time of the first read, UTC',
  run_month string not null comment 'Month of the run, yyyy-MM, as in experiments'
)
using delta
partitioned by (run_month)
comment 'Which run read which version of which dataset.'
