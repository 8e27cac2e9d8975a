-- What the table holds, so that all of a ledger's tables are found by tag: administration.
alter table schema_version set tags ('ledger' = 'experiments', 'holds' = 'administration')
