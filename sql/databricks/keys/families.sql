-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table families add constraint families_key primary key (family_id)
