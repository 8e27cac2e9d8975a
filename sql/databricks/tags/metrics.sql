-- What the table holds, so that all of a ledger's tables are found by tag: tracking.
alter table metrics set tags ('ledger' = 'experiments', 'holds' = 'tracking')
