-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table metrics add constraint metrics_key primary key (experiment_id, journal_id, position)
