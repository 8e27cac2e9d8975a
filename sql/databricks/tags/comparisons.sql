-- What the table holds, so that all of a ledger's tables are found by tag: evidence.
alter table comparisons set tags ('ledger' = 'experiments', 'holds' = 'evidence')
