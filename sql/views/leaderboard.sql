-- One row per backtest, series and model: its place by the loss over all steps, with the evidence as it is known now.
create or replace view leaderboard as
select *
from leaderboard_history
where is_latest
  and metric = 'mae_path'
