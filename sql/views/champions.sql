-- One row per commodity and series with a model in production: the model, the figures of its evaluation (NULL where that was removed), and what the latest backtest says of it.
create or replace view champions as
with recent as (
  select
    *,
    max(data_as_of) over (partition by commodity, backtest_id) as backtest_as_of,
    max(run_timestamp) over (partition by commodity, backtest_id) as backtest_run
  from leaderboard
),
latest as (
  select
    commodity,
    unique_id,
    model_name,
    model_version,
    verdict,
    dense_rank() over (partition by commodity order by backtest_as_of desc nulls last, backtest_run desc, backtest_id) as recency
  from recent
)
select
  c.commodity,
  c.unique_id,
  c.model_name,
  c.model_version,
  r.model_type,
  c.champion_from,
  c.forced,
  c.verdict,
  l.verdict as latest_verdict,
  r.mae_14day,
  r.mae_path,
  r.directional_accuracy,
  r.dm_test_vs_naive,
  r.dm_pvalue,
  r.beats_baseline,
  r.n_windows,
  r.forecast_horizon_days,
  r.frequency,
  r.data_as_of,
  c.experiment_id,
  c.decision_id
from champion_history as c
left join model_runs as r
  on c.commodity = r.commodity and c.experiment_id = r.experiment_id
left join latest as l
  on c.commodity = l.commodity
  and c.unique_id = l.unique_id
  and c.model_name = l.model_name
  and c.model_version = l.model_version
  and l.recency = 1
where c.champion_to is null
