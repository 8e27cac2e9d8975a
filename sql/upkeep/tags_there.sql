-- The tables and columns of the schema that carry a tag of ours, as the files of sql/databricks/tags are named, on Databricks.
select distinct table_name as tagged
from information_schema.table_tags
where schema_name = current_schema() and tag_name = 'holds'
union all
select concat(table_name, '.', column_name) as tagged
from information_schema.column_tags
where schema_name = current_schema() and tag_name = 'personal_data'
