-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table comparisons add constraint comparisons_key primary key (family_id, model_name, model_version, other_name, other_version)
