-- The column names people.
alter table model_runs alter column run_by set tags ('personal_data' = 'name')
