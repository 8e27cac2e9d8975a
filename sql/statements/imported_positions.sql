-- One row per journal that runs of a source were imported through from SQLite: the last position in it.
select
  m.journal_id,
  max(m.position) as last_position
from metrics as m
left semi join {source} as s
  on m.experiment_id = s.experiment_id
where m.journal_id like 'sqlite:%'
group by m.journal_id
