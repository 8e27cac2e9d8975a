-- RELY: every writer merges on this key within one partition, and Databricks refuses the second of two at once on a partitioned table.
alter table comparisons add constraint comparisons_key primary key (family_id, model_name, model_version, other_name, other_version) rely
