-- What the table holds, so that all of a ledger's tables are found by tag: data.
alter table experiment_datasets set tags ('ledger' = 'experiments', 'holds' = 'data')
