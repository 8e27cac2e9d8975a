-- The computed evaluations of a commodity known at a time (NULL: now), of each variant of a backtest and series the one on the latest data.
with finished as (
  select
    r.experiment_id,
    r.backtest_id,
    r.unique_id,
    r.model_name,
    r.model_version,
    r.data_as_of,
    r.run_timestamp,
    coalesce(e.ended_at, r.run_timestamp) as known_at
  from model_runs as r
  left join experiments as e
    on r.experiment_id = e.experiment_id and e.experiment_type = 'backtest'
  where r.commodity = :commodity
    and r.metrics_source = 'computed'
    and r.status <> 'incomplete'
),
recent as (
  select
    *,
    row_number() over (
      partition by backtest_id, unique_id, model_name, model_version
      order by data_as_of desc nulls last, run_timestamp desc, experiment_id desc
    ) as recency
  from finished
  where cast(:as_of as timestamp) is null or known_at <= cast(:as_of as timestamp)
)
select
  n.experiment_id,
  n.backtest_id,
  n.unique_id,
  n.model_name,
  n.model_version,
  n.data_as_of,
  n.run_timestamp,
  n.known_at,
  b.frequency,
  b.horizon,
  b.step_size,
  b.n_windows,
  b.train_size
from recent as n
inner join backtests as b
  on n.backtest_id = b.backtest_id and b.commodity = :commodity
where n.recency = 1
order by n.backtest_id, n.unique_id, n.model_name, n.model_version
