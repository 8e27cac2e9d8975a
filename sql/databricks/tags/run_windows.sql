-- What the table holds, so that all of a ledger's tables are found by tag: evaluation.
alter table run_windows set tags ('ledger' = 'experiments', 'holds' = 'evaluation')
