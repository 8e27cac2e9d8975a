"""`experiments evaluate`: any metric at any step from stored forecasts, and whether the recorded figures follow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.asking import only_one, open_ledger
from experiments.cli.options import json_option, ledger_options
from experiments.definitions import counted, step_name

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.recompute import Recomputed

METRICS: render.Columns = {
    "mae": ("MAE", render.number(3)),
    "mae_path": ("MAE path", render.number(3)),
    "naive_mae_path": ("naive", render.number(3)),
    "rmse": ("RMSE", render.number(3)),
    "mape": ("MAPE", render.number(2)),
    "smape": ("sMAPE", render.number(2)),
    "mase": ("MASE", render.number(3)),
    "bias": ("bias", render.number(3)),
    "directional_accuracy": ("direction", render.rounded_share),
    "dm_test_vs_naive": ("DM", render.number(2)),
    "dm_pvalue": ("p", render.pvalue),
    "coverage_80": ("in 80 %", render.rounded_share),
    "pinball_loss": ("pinball", render.number(3)),
}
"""The metrics one can sort by, as columns."""

SHOWN = 20
"""Differences that are listed one by one."""


@click.command()
@click.argument("model", required=False)
@click.option("--commodity", help="Commodity to ask about. [default: the only one there is]")
@click.option("--horizon", type=click.IntRange(min=1), help="Step of the figures. [default: the last of the windows]")
@click.option(
    "--metric",
    type=click.Choice([*METRICS]),
    default="mae_path",
    show_default=True,
    metavar="NAME",
    help=f"Sort by {', '.join(METRICS)}.",
)
@ledger_options
@json_option
def evaluate(  # noqa: PLR0913, PLR0917  a parameter an option
    model: str | None,
    commodity: str | None,
    horizon: int | None,
    metric: str,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Recompute any metric at any step from the stored forecasts of the latest backtest: nothing is fitted.

    Of all its models, or of MODEL with naive beside it. The figures recorded are recomputed too: where one
    does not follow from the stored rows, it is named and the exit code is 1.

    \b
    Example:
      experiments evaluate --commodity WTI --horizon 5 --metric smape
      experiments evaluate arima --json
    """  # noqa: D301  \b keeps click from filling the paragraph
    with open_ledger(path, engine) as ledger:
        found = ledger.recompute(only_one(ledger, commodity), model, horizon=horizon, metric=metric)
    if as_json:
        render.as_json(_record(found))
    else:
        _print(found)
    if found.differences:
        sys.exit(FAILED)


def _print(found: Recomputed) -> None:
    """The figures as a table, what its columns mean, and whether what is recorded follows."""
    step = step_name(found.frequency)
    models = counted(found.figures["model"].nunique(), "model")
    click.echo(f"{found.commodity}: {models} at {step} {found.step} of {found.horizon}, each on its own windows")
    if not found.figures.empty:
        render.table(*_table(found.figures))
        told = (
            f"At {step} {found.step}, in the unit of the series: MAE, RMSE, bias (positive: forecasts too high); in "
            "percent: MAPE, sMAPE; MASE: in mean one-step changes. "
            f"MAE path: mean over steps 1 to {found.step}; DM, p: Diebold-Mariano test of it against naive, negative "
            "is better. direction: share of windows to the right side of the last price."
        )
        if found.figures["coverage_80"].notna().any():
            told += (
                " in 80 %: share of actuals within the 80 % interval; pinball: mean loss of the quantiles; both on the "
                "windows that have them, for models without quantiles of their own from the tenth on."
            )
        click.echo(told)
    if not found.differences:
        click.echo(f"Recorded figures: all {found.n_recorded:,} agree with the stored forecasts.")
        return
    click.echo(f"Recorded figures: {len(found.differences):,} do not agree with the stored forecasts:")
    for difference in found.differences[:SHOWN]:
        click.echo(f"  {difference.in_words}")
    if len(found.differences) > SHOWN:
        click.echo(f"  and {len(found.differences) - SHOWN:,} more: --json lists them all")


def _table(figures: pd.DataFrame) -> tuple[pd.DataFrame, render.Columns]:
    """The figures as they are printed: without the columns that would say nothing."""
    columns: dict[str, Any] = {
        "unique_id": ("series", render.text),
        "model": ("model", render.text),
        "data_as_of": ("data to", render.text),
        "n_windows": ("windows", render.number(0)),
        "n_failed_windows": ("failed", render.number(0)),
        **METRICS,
    }
    hidden = {name for name in ("unique_id", "data_as_of") if figures[name].nunique() == 1}
    hidden |= {"n_failed_windows"} if not figures["n_failed_windows"].any() else set()
    # on equal windows it is the figure of naive's own row
    hidden |= {"naive_mae_path"} if (figures.groupby("unique_id")["naive_mae_path"].nunique() <= 1).all() else set()
    hidden |= {name for name in ("coverage_80", "pinball_loss") if figures[name].isna().all()}
    return figures, {name: shown for name, shown in columns.items() if name not in hidden}


def _record(found: Recomputed) -> dict[str, Any]:
    """What was recomputed, as JSON has it."""
    named = {name: getattr(found, name) for name in ("commodity", "backtest_id", "frequency", "horizon", "step")}
    differences = [vars(one) | {"in_words": one.in_words} for one in found.differences]
    recorded = {"n_recorded": found.n_recorded, "agree": not found.differences, "differences": differences}
    return named | {"figures": found.figures} | recorded
