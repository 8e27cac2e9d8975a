"""The command `check-model`: whether a model looks ahead."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from experiments.cli import FAILED, render
from experiments.cli.options import json_option, model_file_option, series_options
from experiments.definitions import counted, step_name

if TYPE_CHECKING:
    from experiments.services.model_check import ModelCheck

COLUMNS: render.Columns = {
    "check": ("check", render.text),
    "passed": ("", lambda passed: "passed" if passed else "FAILED"),
    "seen": ("what was seen", render.text),
}


@click.command("check-model")
@click.argument("name")
@click.argument("source", default="example:wti")
@series_options
@model_file_option
@json_option
def check_model(  # noqa: PLR0913  one argument an option
    *,
    name: str,
    source: str,
    model_files: tuple[str, ...],
    covariates: list[str],
    known_covariates: list[str],
    horizon: int,
    train_size: int | None,
    date_column: str,
    value_column: str,
    as_json: bool,
) -> None:
    """Check that a model does not look ahead.

    Everything after a cutoff is changed, and its forecast must stay the same to the last bit; what comes
    before is changed, and it must move; fits are repeated, in one order and the other, with one seed. Data
    the model holds by itself and files it reads are named. SOURCE is as in 'experiments backtest', by
    default example:wti. A covariate the model asks for and is not given is made up.

    Exit code 0 if all checks passed, 1 if one failed.

    \b
    Example:
      experiments check-model xgboost_vix_v1
      experiments check-model mine prices.csv --model-file mine.py --covariates weather.csv
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services import model_check

    checked = model_check.check_model(
        name,
        source,
        model_files=model_files,
        covariates=covariates,
        known_covariates=known_covariates,
        horizon=horizon,
        train_size=train_size,
        date_column=date_column,
        value_column=value_column,
    )
    if as_json:
        render.as_json(vars(checked) | {"findings": [vars(one) for one in checked.findings], "passed": checked.passed})
    else:
        _print(checked)
    if not checked.passed:
        sys.exit(FAILED)


def _print(checked: ModelCheck) -> None:
    import pandas as pd

    render.table(pd.DataFrame([vars(one) for one in checked.findings]), COLUMNS)
    for note in checked.notes:
        click.echo(f"Note: {note}.")
    failed = [one.check for one in checked.findings if not one.passed]
    steps = counted(checked.horizon, step_name(checked.frequency))
    where = f"on {checked.source}, {steps} ahead, {checked.seconds:.1f} s"
    told = f"failed: {', '.join(failed)}" if failed else "passed: these checks saw no look ahead"
    click.echo(f"{checked.model} {told} ({where}).")
