-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table checkpoints add constraint checkpoints_key primary key (model_id)
