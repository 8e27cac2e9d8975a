-- What the table holds, so that all of a ledger's tables are found by tag: checkpoints.
alter table checkpoints set tags ('ledger' = 'experiments', 'holds' = 'checkpoints')
