-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table run_windows add constraint run_windows_key primary key (experiment_id, cutoff)
