-- The column names people.
alter table datasets alter column created_by set tags ('personal_data' = 'name')
