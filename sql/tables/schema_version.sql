-- One row per migration applied to the tables.
create table if not exists schema_version (
  version int not null comment 'Number of the migration: the tables are at the highest',
  name string not null comment 'File of the migration, without its ending',
  applied_at timestamp comment 'Wall time at which it was recorded, UTC',
  applied_by string comment 'Version of the program that recorded it'
)
using delta
comment 'One row per migration applied to the tables; a program meeting a higher version than it knows writes nothing.'
