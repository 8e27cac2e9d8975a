-- The models of one family with the evidence on the windows they share, best first; differences as shares of the error of naive.
with members as (
  select
    s.*,
    f.backtest_id,
    f.metric,
    f.frequency,
    f.forecast_horizon_days,
    f.step_size,
    f.n_models,
    f.n_compared,
    f.n_tested,
    f.n_shared,
    f.first_cutoff,
    f.last_cutoff,
    f.confidence_level,
    f.naive_loss,
    f.leader_loss_corrected,
    f.data_as_of as family_data_as_of
  from families as f
  inner join standings as s
    on f.commodity = s.commodity and f.family_id = s.family_id
  where f.commodity = :commodity
    and f.family_id = :family_id
    and s.commodity = :commodity
    and s.family_id = :family_id
),
evaluated as (
  select
    m.*,
    r.model_type,
    r.mae_14day,
    r.mae_path,
    r.directional_accuracy,
    r.n_failed_windows,
    r.execution_time_seconds,
    r.cost_estimate_usd,
    r.coverage_80,
    r.run_month,
    min(case when m.place is not null and r.execution_time_seconds is not null then m.loss end) over (
      order by r.execution_time_seconds asc nulls last
      range between unbounded preceding and current row
    ) as best_loss_at_cost
  from members as m
  left join model_runs as r
    on m.experiment_id = r.experiment_id and r.commodity = :commodity
)
select
  place,
  case when count(*) over (partition by model_name) > 1 then concat(model_name, ' ', model_version) else model_name end as label,
  model_name,
  model_version,
  model_type,
  loss,
  skill,
  naive_loss,
  naive_difference,
  naive_lower,
  naive_upper,
  naive_difference / nullif(naive_loss, 0) as naive_difference_share,
  naive_lower / nullif(naive_loss, 0) as naive_lower_share,
  naive_upper / nullif(naive_loss, 0) as naive_upper_share,
  leader_difference / nullif(naive_loss, 0) as leader_difference_share,
  dm_test_vs_naive,
  dm_pvalue,
  dm_pvalue_holm,
  naive_win_share,
  mcs_pvalue,
  in_confidence_set,
  verdict,
  equal_within,
  windows_to_tell,
  note as evidence_note,
  leader_loss_corrected,
  n_compared,
  n_tested,
  count(case when in_confidence_set then 1 end) over () as n_in_confidence_set,
  n_shared,
  n_windows,
  n_failed_windows,
  first_cutoff,
  last_cutoff,
  confidence_level,
  backtest_id,
  metric,
  frequency,
  forecast_horizon_days,
  step_size,
  mae_14day,
  mae_path,
  directional_accuracy,
  coverage_80,
  execution_time_seconds,
  cost_estimate_usd,
  case when place is not null and execution_time_seconds is not null then loss <= best_loss_at_cost end as is_efficient,
  family_data_as_of as data_as_of,
  run_month,
  experiment_id
from evaluated
order by place nulls last, model_name, model_version
