-- One row per backtest, series and model variant: its latest computed evaluation, with the evidence against naive.
create or replace view leaderboard as
with computed as (
  select
    latest_runs.*,
    backtests.step_size,
    case when naive_mae_path > 0 then 1 - mae_path / naive_mae_path end as skill,
    count(dm_pvalue) over (partition by latest_runs.backtest_id, unique_id, is_current) as n_tested,
    rank() over (partition by latest_runs.backtest_id, unique_id, is_current order by dm_pvalue asc nulls last) as pvalue_rank
  from latest_runs
  inner join backtests
    on latest_runs.backtest_id = backtests.backtest_id
  where latest_runs.metrics_source = 'computed'
),
adjusted as (
  select
    *,
    -- Holm: the running maximum of (m - rank + 1) * p, at most 1; tied p-values share the lowest rank, so the largest factor
    case when dm_pvalue is not null then least(cast(1 as double), max((n_tested - pvalue_rank + 1) * dm_pvalue) over (
      partition by backtest_id, unique_id, is_current
      order by dm_pvalue asc nulls last
      range between unbounded preceding and current row
    )) end as dm_pvalue_holm,
    case when dm_test_vs_naive <> 0 and dm_pvalue >= 0.05 then
      -- windows at which a difference as large as the observed one would be found with 80 % power (1.96 + 0.84)
      cast(ceil(dm_n * 7.84 / (dm_test_vs_naive * dm_test_vs_naive)) as bigint)
    end as windows_to_tell
  from computed
)
select
  commodity,
  unique_id,
  backtest_id,
  frequency,
  forecast_horizon_days,
  step_size,
  case when is_current and status = 'completed' then
    row_number() over (partition by backtest_id, unique_id order by is_current desc, skill desc nulls last, execution_time_seconds asc, model_name)
  end as place,
  model_name,
  model_version,
  model_type,
  mae_1day,
  mae_7day,
  mae_14day,
  mae_path,
  skill,
  directional_accuracy,
  dm_test_vs_naive,
  dm_pvalue,
  dm_pvalue_holm,
  case
    when not is_current then 'evaluated on older data'
    when status = 'failed' then 'every window failed'
    when model_name = 'naive' then 'the baseline'
    when evidence_note = 'same forecasts as naive' then 'same forecasts as naive'
    when dm_pvalue is null then 'not enough evidence'
    when dm_pvalue_holm < 0.05 and dm_test_vs_naive < 0 then 'better than naive'
    when dm_pvalue_holm < 0.05 then 'worse than naive'
    when dm_pvalue < 0.05 and dm_test_vs_naive < 0 then 'better, but not after Holm'
    when dm_pvalue < 0.05 then 'worse, but not after Holm'
    else 'no evidence either way'
  end as verdict,
  windows_to_tell,
  n_tested,
  n_windows,
  n_failed_windows,
  execution_time_seconds,
  evidence_note,
  data_as_of,
  training_end_date,
  run_timestamp,
  experiment_id
from adjusted
