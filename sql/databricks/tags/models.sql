-- What the table holds, so that all of a ledger's tables are found by tag: registered models.
alter table models set tags ('ledger' = 'experiments', 'holds' = 'models')
