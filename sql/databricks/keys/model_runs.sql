-- Not RELY: reported figures are merged on an experiment_id that a caller brings, computed ones on this key.
alter table model_runs add constraint model_runs_key primary key (evaluation_key)
