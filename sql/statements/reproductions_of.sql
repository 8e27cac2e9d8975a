-- One row per run made by running another one again, which its tag names; the first made first.
select experiment_id, name, experiment_type, status, parent_id, started_at, random_seed, git_commit, git_dirty, environment_id
from experiments
where array_contains(tags, :tag)
order by started_at, experiment_id
