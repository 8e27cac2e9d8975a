"""The command `backfill`: every model on every commodity, as it was known at several dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache

import click

from experiments.cli.jobs import conclude, print_outcomes
from experiments.cli.options import json_option, ledger_options, model_file_option


def _dates(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[dt.date]:
    try:
        return [dt.date.fromisoformat(text) for text in given]
    except ValueError as error:
        msg = f"{next(iter(error.args))}: give dates such as 2024-12-31."
        raise click.BadParameter(msg) from error


@click.command()
@click.argument("config", default="jobs/backfill.toml")
@click.option(
    "--as-of",
    multiple=True,
    callback=_dates,
    metavar="DATE",
    help="As if nothing after this date had been observed; again for more dates. [default: all that is given]",
)
@model_file_option
@ledger_options
@json_option
def backfill(
    config: str, as_of: list[dt.date], model_files: tuple[str, ...], path: str, engine: str | None, as_json: bool
) -> None:
    """Backtest every model on every commodity of a file, at one date or several.

    CONFIG says what to backtest, one [[backtest]] a commodity, as for the weekly job. Interrupt it at any
    time: what was fitted is kept, and run again it goes on from there. A finished one fits nothing; on
    newer data only the new windows are fitted, and after a change of a model only that model.

    \b
    Example:
      experiments backfill jobs/backfill.toml
      experiments backfill my_commodities.toml --as-of 2023-12-29 --as-of 2024-12-31
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.jobs import read_config, run_backtests
    from experiments.services.ledger import connect
    from experiments.services.models import load_model_files

    sections = read_config(config)
    load_model_files(model_files)
    with ExitStack() as stack:
        ledger = cache(lambda: stack.enter_context(connect(path, engine=engine)))  # what is refused leaves none behind
        outcomes = print_outcomes(run_backtests(sections, ledger, as_of=as_of), quiet=as_json)
    conclude(outcomes, as_json=as_json)
