-- RELY: every writer merges on this key within one partition, and Databricks refuses the second of two at once on a partitioned table.
alter table families add constraint families_key primary key (family_id) rely
