-- What the table holds, so that all of a ledger's tables are found by tag: decision.
alter table decisions set tags ('ledger' = 'experiments', 'holds' = 'decision')
