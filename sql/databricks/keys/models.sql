-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table models add constraint models_key primary key (model_id)
