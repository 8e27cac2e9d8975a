-- What the table holds, so that all of a ledger's tables are found by tag: evaluation.
alter table forecasts set tags ('ledger' = 'experiments', 'holds' = 'evaluation')
