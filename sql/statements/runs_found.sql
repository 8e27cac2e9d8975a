-- The runs that pass every filter that is not NULL, the latest first, at most so many, one row a run.
select
  experiment_id,
  name,
  experiment_type,
  status,
  tags,
  started_at,
  ended_at,
  (unix_micros(ended_at) - unix_micros(started_at)) / cast(1000000 as double) as duration_seconds,
  parent_id,
  random_seed,
  git_commit,
  git_dirty,
  run_by,
  imported_from
from experiments
where (:experiment_type is null or experiment_type = :experiment_type)
  and (:status is null or status = :status)
  and (:tag is null or array_contains(tags, cast(:tag as string)))
  and (:part is null or instr(lower(name), lower(:part)) > 0)
  and (cast(:since as timestamp) is null or started_at >= cast(:since as timestamp))
order by started_at desc, experiment_id desc
limit :most
