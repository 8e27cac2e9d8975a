-- When a file was last added to each partition of a table, on Databricks.
select {partition}, max(_metadata.file_modification_time) as written_at
from {table}
group by {partition}
