-- One row per family and model, of all families ever compared: what was known, and from when on.
create or replace view leaderboard_history as
with dated as (
  select
    *,
    row_number() over (
      partition by commodity, unique_id, backtest_id, metric
      order by known_at desc, created_at desc nulls last, family_id desc
    ) = 1 as is_latest
  from families
)
select
  f.commodity,
  f.unique_id,
  f.backtest_id,
  f.metric,
  f.frequency,
  f.forecast_horizon_days,
  f.step_size,
  s.place,
  s.model_name,
  s.model_version,
  r.model_type,
  r.mae_1day,
  r.mae_7day,
  r.mae_14day,
  r.mae_path,
  s.loss,
  s.skill,
  r.directional_accuracy,
  s.naive_difference,
  s.naive_lower,
  s.naive_upper,
  s.dm_test_vs_naive,
  s.dm_pvalue,
  s.dm_pvalue_holm,
  s.naive_win_share,
  s.leader_difference,
  s.leader_lower,
  s.leader_upper,
  s.leader_pvalue,
  s.leader_pvalue_holm,
  s.mcs_pvalue,
  s.in_confidence_set,
  s.verdict,
  s.equal_within,
  s.detectable,
  s.windows_to_tell,
  f.n_tested,
  f.n_shared,
  r.n_windows,
  r.n_failed_windows,
  r.execution_time_seconds,
  r.cost_estimate_usd,
  s.note as evidence_note,
  f.naive_loss,
  f.leader_loss_corrected,
  r.data_as_of,
  r.training_end_date,
  r.run_timestamp,
  s.experiment_id,
  f.family_id,
  f.known_at,
  f.is_latest
from dated as f
inner join standings as s
  on f.commodity = s.commodity and f.family_id = s.family_id
left join model_runs as r
  on s.commodity = r.commodity and s.experiment_id = r.experiment_id
