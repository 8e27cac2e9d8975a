-- What the table holds, so that all of a ledger's tables are found by tag: tracking.
alter table hyperparameters set tags ('ledger' = 'experiments', 'holds' = 'tracking')
