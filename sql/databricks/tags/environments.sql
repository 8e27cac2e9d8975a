-- What the table holds, so that all of a ledger's tables are found by tag: provenance.
alter table environments set tags ('ledger' = 'experiments', 'holds' = 'provenance')
