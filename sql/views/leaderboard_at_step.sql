-- One row per backtest, series, step (1, 7 or 14) and model: its place by the error at that step, as it is known now.
create or replace view leaderboard_at_step as
select
  *,
  case metric when 'mae_1day' then 1 when 'mae_7day' then 7 when 'mae_14day' then 14 end as step
from leaderboard_history
where is_latest
  and metric <> 'mae_path'
