-- What the table holds, so that all of a ledger's tables are found by tag: data.
alter table datasets set tags ('ledger' = 'experiments', 'holds' = 'data')
