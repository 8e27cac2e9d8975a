-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table artifacts add constraint artifacts_key primary key (experiment_id, artifact_id)
