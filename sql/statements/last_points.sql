-- One row per run of a source that has points: the last position of those imported from MLflow, -1 where none was.
select
  m.experiment_id,
  max(case when m.journal_id like 'mlflow:%' then m.position else -1 end) as last_position
from metrics as m
left semi join {source} as s
  on m.experiment_id = s.experiment_id
group by m.experiment_id
