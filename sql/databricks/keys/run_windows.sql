-- RELY: every writer merges on this key within one partition, and Databricks refuses the second of two at once on a partitioned table.
alter table run_windows add constraint run_windows_key primary key (experiment_id, cutoff) rely
