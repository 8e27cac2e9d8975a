-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table experiment_datasets add constraint experiment_datasets_key primary key (experiment_id, dataset_id, role)
