-- One row per distinct snapshot of the machine, Python and packages.
create table if not exists environments (
  environment_id string not null comment 'Digest of the snapshot',
  captured_at timestamp comment 'Wall time at which the snapshot was first seen, UTC',
  python_version string not null comment 'Version of Python',
  platform string not null comment 'Operating system and machine type',
  hardware_config string not null comment 'Cores, memory and machine type',
  packages map<string, string> comment 'Versions of the packages that can change a result',
  variables map<string, string> comment 'Environment variables on the allow-list'
)
using delta
comment 'One row per distinct snapshot of the machine, Python and packages.'
