-- Not RELY: the table has no partitions, so Databricks lets two writers at once insert the same snapshot.
alter table environments add constraint environments_key primary key (environment_id)
