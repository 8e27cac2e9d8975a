-- What the table holds, so that all of a ledger's tables are found by tag: definition.
alter table backtests set tags ('ledger' = 'experiments', 'holds' = 'definition')
