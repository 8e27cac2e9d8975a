-- One row per backtest, series and metric: the leader, what it is expected to lose once selected, and the cheapest model that may be as good.
create or replace view selected_models as
with ranked as (
  select
    *,
    row_number() over (
      partition by family_id
      order by coalesce(in_confidence_set, false) desc, execution_time_seconds asc nulls last, place asc nulls last, model_name
    ) as cheapness,
    count(case when in_confidence_set then 1 end) over (partition by family_id) as n_in_confidence_set
  from leaderboard_history
  where is_latest
)
select
  l.commodity,
  l.unique_id,
  l.backtest_id,
  l.metric,
  l.frequency,
  l.forecast_horizon_days,
  l.model_name as leader_name,
  l.model_version as leader_version,
  l.verdict,
  l.loss,
  l.leader_loss_corrected as expected_loss,
  l.naive_loss,
  l.skill,
  case when l.naive_loss > 0 then 1 - l.leader_loss_corrected / l.naive_loss end as expected_skill,
  l.execution_time_seconds,
  l.cost_estimate_usd,
  c.n_in_confidence_set,
  case when c.in_confidence_set then c.model_name end as cheapest_name,
  case when c.in_confidence_set then c.model_version end as cheapest_version,
  case when c.in_confidence_set then c.loss end as cheapest_loss,
  case when c.in_confidence_set then c.execution_time_seconds end as cheapest_seconds,
  case when c.in_confidence_set then c.cost_estimate_usd end as cheapest_cost_usd,
  l.known_at,
  l.family_id
from ranked as l
inner join ranked as c
  on l.family_id = c.family_id and c.cheapness = 1
where l.place = 1
