"""The command `evolution`: one model over its evaluations."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.asking import open_ledger
from experiments.cli.options import commodity_option, json_option, ledger_options
from experiments.definitions import counted, series_name, step_name

if TYPE_CHECKING:
    from experiments.services.evolution import Change, Evaluated

EVOLUTION: render.Columns = {
    "number": ("", render.number(0)),
    "finished_at": ("when", render.text),
    "model_version": ("version", render.text),
    "data_as_of": ("data as of", render.text),
    "n_windows": ("windows", render.number(0)),
    "n_failed_windows": ("failed", render.number(0)),
    "mae_path": ("MAE all", render.number(3)),
    "naive_mae_path": ("naive", render.number(3)),
    "total": ("change", render.percent),
    "on_shared": ("on shared windows [95 %]", render.text),
    "pvalue_holm": ("p Holm", render.pvalue),
}
"""Columns of a printed evolution."""


@click.command()
@click.argument("name")
@commodity_option
@ledger_options
@json_option
def evolution(name: str, commodity: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Follow a model over its evaluations.

    Each is compared with the one before it on the windows of the same actuals: whether the error changed
    beyond luck, whether the windows became harder, and what else changed, from parameters to packages.

    \b
    Example:
      experiments evolution arima --commodity WTI
    """  # noqa: D301  \b keeps click from filling the paragraph
    with open_ledger(path, engine) as ledger:
        found = ledger.evolution(name, commodity)
    if as_json:
        render.as_json(asdict(found))
        return
    for _, evaluations in groupby(
        found.evaluations, lambda one: (one.commodity, one.unique_id, one.frequency, one.horizon)
    ):
        _print_series(name, [*evaluations])
    if found.evaluations:
        click.echo(
            "MAE all: mean absolute error over all steps of its own windows; naive: of the last observed value there. "
            "change: of MAE all since the evaluation before; on shared windows: where both forecast the same actuals, "
            "positive is worse. p Holm: Diebold-Mariano, two-sided, corrected for the changes tested."
        )
    click.echo(found.in_words)


def _print_series(name: str, evaluations: list[Evaluated]) -> None:
    """The evaluations of one series as a table, and beneath it what each change was."""
    import pandas as pd

    first = evaluations[0]
    series = series_name(first.commodity, first.unique_id)
    click.echo(
        f"{name} on {series}: {counted(len(evaluations), 'evaluation')}, windows of "
        f"{counted(first.horizon, step_name(first.frequency))}"
    )
    render.table(pd.DataFrame([_row(number, one) for number, one in enumerate(evaluations, 1)]), EVOLUTION)
    for number, one in enumerate(evaluations, 1):
        if one.change is not None:
            click.echo(f"{number}: {one.change.in_words}")
            click.echo(f"   changed: {_changed(one.change)}")
    click.echo()


def _row(number: int, one: Evaluated) -> dict[str, Any]:
    change = one.change
    if change is None:
        return asdict(one) | {"number": number, "total": None, "on_shared": None, "pvalue_holm": None}
    ends = (math.nan if end is None else end for end in (change.difference, change.lower, change.upper))
    shown = {"total": change.total, "on_shared": render.interval(*ends), "pvalue_holm": change.pvalue_holm}
    return asdict(one) | shown | {"number": number}


def _changed(change: Change) -> str:
    """What else changed, in one line."""
    return ", ".join(one.in_words for one in change.changed) or "nothing that is recorded"
