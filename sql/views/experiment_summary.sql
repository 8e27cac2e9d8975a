-- One row per run: what it was, how long it took and how much it logged.
create or replace view experiment_summary as
with named_metrics as (
  -- a name a row first: to count distinct names among all points takes longer
  select experiment_id, name, count(*) as n_points
  from metrics
  group by experiment_id, name
),
logged_metrics as (
  select experiment_id, count(*) as n_metrics, sum(n_points) as n_points
  from named_metrics
  group by experiment_id
),
logged_hyperparameters as (
  select experiment_id, count(*) as n_hyperparameters
  from hyperparameters
  group by experiment_id
),
kept_artifacts as (
  select experiment_id, count(*) as n_artifacts
  from artifacts
  group by experiment_id
),
read_datasets as (
  -- a dataset read in several roles counts once
  select experiment_id, count(distinct dataset_id) as n_datasets
  from experiment_datasets
  group by experiment_id
),
registered_checkpoints as (
  select experiment_id, count(*) as n_checkpoints
  from checkpoints
  group by experiment_id
)
-- every step has one row a run at most: no join multiplies
select
  e.experiment_id,
  e.name,
  e.experiment_type,
  e.status,
  e.tags,
  e.started_at,
  e.ended_at,
  (unix_micros(e.ended_at) - unix_micros(e.started_at)) / cast(1000000 as double) as duration_seconds,
  e.parent_id,
  e.run_by,
  e.random_seed,
  e.git_commit,
  e.git_dirty,
  coalesce(m.n_metrics, 0) as n_metrics,
  coalesce(m.n_points, 0) as n_points,
  coalesce(h.n_hyperparameters, 0) as n_hyperparameters,
  coalesce(a.n_artifacts, 0) as n_artifacts,
  coalesce(d.n_datasets, 0) as n_datasets,
  coalesce(r.n_checkpoints, 0) as n_checkpoints,
  b.checkpoint_path as best_checkpoint_path,
  b.episode_num as best_episode_num,
  b.val_metric as best_val_metric,
  e.imported_from,
  e.run_month
from experiments as e
left join logged_metrics as m
  on e.experiment_id = m.experiment_id
left join logged_hyperparameters as h
  on e.experiment_id = h.experiment_id
left join kept_artifacts as a
  on e.experiment_id = a.experiment_id
left join read_datasets as d
  on e.experiment_id = d.experiment_id
left join registered_checkpoints as r
  on e.experiment_id = r.experiment_id
left join best_checkpoints as b
  on e.experiment_id = b.experiment_id
