-- The column names people.
alter table models alter column created_by set tags ('personal_data' = 'name')
