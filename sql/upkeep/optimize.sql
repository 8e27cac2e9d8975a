-- Rewrites many small files as few, on Databricks.
optimize {table}{order}
