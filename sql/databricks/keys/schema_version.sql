-- Not RELY: the table has no partitions, so Databricks lets two upgrades at once record the same migration.
alter table schema_version add constraint schema_version_key primary key (version)
