-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table standings add constraint standings_key primary key (family_id, model_name, model_version)
