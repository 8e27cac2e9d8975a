-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table forecasts add constraint forecasts_key primary key (experiment_id, cutoff, step)
