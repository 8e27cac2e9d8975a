-- What the table holds, so that all of a ledger's tables are found by tag: evidence.
alter table families set tags ('ledger' = 'experiments', 'holds' = 'evidence')
