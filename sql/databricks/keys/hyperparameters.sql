-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table hyperparameters add constraint hyperparameters_key primary key (experiment_id, model_id, name)
