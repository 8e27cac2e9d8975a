-- What every writer merges on. Not RELY: a wrong one gives wrong answers, and no workspace has proved it.
alter table backtests add constraint backtests_key primary key (backtest_id)
