-- Where a run came from: the run it is part of, the command that started it, the system it was imported from.
alter table experiments add columns (
  parent_id string comment 'Run this one is a part of; NULL where it is none',
  command array<string> comment 'Command line that started it',
  working_folder string comment 'Folder it was started in, relative to the top of the repository',
  git_remote string comment 'Where the repository is fetched from, without credentials',
  seeded array<string> comment 'Libraries whose random numbers were seeded by the seed',
  imported_from string comment 'System and id the run was imported from; NULL for our own'
)
