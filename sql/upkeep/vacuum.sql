-- Removes the files that no version of the last hours needs, on Databricks.
vacuum {table} retain {hours} hours{dry_run}
