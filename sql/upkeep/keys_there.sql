-- The tables of the schema that have a primary key, on Databricks.
select table_name
from information_schema.table_constraints
where table_schema = current_schema() and constraint_type = 'PRIMARY KEY'
