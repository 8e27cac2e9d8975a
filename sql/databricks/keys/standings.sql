-- RELY: every writer merges on this key within one partition, and Databricks refuses the second of two at once on a partitioned table.
alter table standings add constraint standings_key primary key (family_id, model_name, model_version) rely
