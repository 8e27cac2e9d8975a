"""Leaderboards as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from experiments.cli import render
from experiments.definitions import BASELINE, METRICS, counted, known, series_name, step_name

if TYPE_CHECKING:
    import pandas as pd

_STEPS = {metric: step for metric, step in METRICS.items() if step is not None}


def print_leaderboard(board: pd.DataFrame) -> None:
    """The leaderboard of a backtest, two tables a series, and what their columns mean."""
    first = board.iloc[0]
    horizon, step = int(first["forecast_horizon_days"]), step_name(first["frequency"])
    at = _STEPS.get(first["metric"])
    steps = ", ".join(str(ahead) for ahead in _STEPS.values() if ahead <= horizon)
    for _, rows in board.groupby("unique_id"):
        first = rows.iloc[0]
        name = series_name(first["commodity"], first["unique_id"])
        whole = (rows["n_windows"].dropna() == first["n_shared"]).all()
        windows = (
            f"{counted(int(first['n_shared']), 'window' if whole else 'shared window')} of {counted(horizon, step)}"
        )
        last, over = rows["data_as_of"].dropna().max(), "" if at is None else f", errors at step {at}"
        click.echo(f"{name}: {counted(len(rows), 'model')}, {windows}, the last to {last}{over}")
        render.table(*evidence_table(rows))
        render.table(*accuracy_table(rows))
    click.echo(
        "MAE: mean absolute error on the windows all share. vs naive, vs leader: difference of the errors in percent "
        "of naive's, negative is better. p: Diebold-Mariano, two-sided; Holm: corrected for the models tested. "
        "set: may still be the best (model confidence set). won: share of windows with a smaller error than naive's, "
        "ties half.\n"
        f"MAE {steps}: at that {step}, on the model's own windows. direction: share of steps to the right side of the "
        "last price."
    )


def print_others(board: pd.DataFrame, backtests: pd.DataFrame) -> None:
    """The other backtests of the commodity, if there are any: their models are compared among themselves."""
    others = backtests[~backtests["backtest_id"].isin(board["backtest_id"])]
    for other in others.to_dict("records"):
        train = "all before" if known(other["train_size"]) is None else f"{int(other['train_size']):,}"
        click.echo(
            f"Another backtest: {counted(int(other['n_evaluations']), 'evaluation')} of "
            f"{counted(int(other['horizon']), step_name(other['frequency']))} ahead, step {int(other['step_size'])}, "
            f"trained on {train}, data to {other['data_as_of']}: --backtest {other['backtest_id']}"
        )


def evidence_table(board: pd.DataFrame) -> tuple[pd.DataFrame, render.Columns]:
    """What can be said of each model, with intervals and verdicts in words."""
    from experiments.services.answers import in_words

    naive = board["naive_loss"]
    ends = {
        other: [
            render.interval(*values)
            for values in zip(
                *(board[f"{other}_{name}"] / naive for name in ("difference", "lower", "upper")), strict=True
            )
        ]
        for other in ("naive", "leader")
    }
    told = [in_words(row) for _, row in board.iterrows()]
    rows = board.assign(to_naive=ends["naive"], to_leader=ends["leader"], told=told)
    hidden = {"to_leader"} if board["model_name"].iloc[0] == BASELINE else set()  # it would say the same twice
    return rows, {name: shown for name, shown in render.EVIDENCE.items() if name not in hidden}


def accuracy_table(board: pd.DataFrame) -> tuple[pd.DataFrame, render.Columns]:
    """Each model on its own windows, at the steps the horizon reaches, and what it cost; naive if it was logged."""
    horizon = int(board["forecast_horizon_days"].iloc[0])
    hidden = {name for name, step in _STEPS.items() if step > horizon}
    hidden |= {"mae_path"} if horizon in _STEPS.values() else set()
    hidden |= {"cost_estimate_usd"} if board["cost_estimate_usd"].isna().all() else set()
    rows = board[board["experiment_id"].notna()]
    return rows, {name: shown for name, shown in render.ACCURACY.items() if name not in hidden}
