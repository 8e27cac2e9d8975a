-- One row per run that called a checkpoint its best: the one it called so last; document 2 calls this view best_models.
create or replace view best_checkpoints as
with ranked as (
  select
    model_id,
    experiment_id,
    checkpoint_path,
    sha256,
    size_bytes,
    episode_num,
    val_metric,
    registered_at,
    -- of two registered at the same time the one with the later id
    row_number() over (partition by experiment_id order by registered_at desc, model_id desc) as recency
  from checkpoints
  where is_best and experiment_id is not null
)
select
  r.experiment_id,
  e.name,
  e.experiment_type,
  e.status,
  r.model_id,
  r.checkpoint_path,
  r.sha256,
  r.size_bytes,
  r.episode_num,
  r.val_metric,
  r.registered_at
from ranked as r
left join experiments as e
  on r.experiment_id = e.experiment_id
where r.recency = 1
