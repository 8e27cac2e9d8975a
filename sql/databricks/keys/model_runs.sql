-- The specified key; computed evaluations are merged on evaluation_key, which is as unique. Not RELY, as for every table.
alter table model_runs add constraint model_runs_key primary key (experiment_id)
