-- The column names people.
alter table experiments alter column run_by set tags ('personal_data' = 'name')
