-- The runs whose id begins with a text, one row a run, at most so many: first one that is the whole text, then the latest.
select experiment_id, name, experiment_type, started_at
from experiments
where startswith(experiment_id, :prefix)
order by case when experiment_id = :prefix then 0 else 1 end, started_at desc, experiment_id desc
limit :most
