-- The column names people.
alter table decisions alter column decided_by set tags ('personal_data' = 'name')
