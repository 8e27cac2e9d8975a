-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table datasets add constraint datasets_key primary key (dataset_id)
