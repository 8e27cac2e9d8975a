-- RELY: the id is the digest of the definition, commodity included; every writer merges on it, and Databricks refuses the second of two at once on a partitioned table.
alter table backtests add constraint backtests_key primary key (backtest_id) rely
