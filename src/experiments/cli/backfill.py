"""The command `backfill`: every model on every commodity, as it was known at several dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import click

from experiments.cli.options import json_option, ledger_options, model_file_option
from experiments.cli.outcomes import conclude, print_outcomes

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

Command = TypeVar("Command", bound=Callable[..., Any])


def _dates(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[dt.date]:
    try:
        return [dt.date.fromisoformat(text) for text in given]
    except ValueError as error:
        msg = f"{next(iter(error.args))}: give dates such as 2024-12-31."
        raise click.BadParameter(msg) from error


def as_of_option(command: Command) -> Command:
    """The dates a backfill is of."""
    return click.option(
        "--as-of",
        multiple=True,
        callback=_dates,
        metavar="DATE",
        help="As if nothing after this date had been observed; again for more dates. [default: all that is given]",
    )(command)


@click.command()
@click.argument("config", default="jobs/backfill.toml")
@as_of_option
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
    from experiments.services.ledger import connect

    run_backfill(config, as_of, model_files, lambda: connect(path, engine=engine), as_json=as_json)


def run_backfill(
    config: str,
    as_of: Sequence[dt.date],
    model_files: Sequence[str],
    open_ledger: Callable[[], Ledger],
    *,
    as_json: bool,
) -> None:
    """Backtest what a file says at the dates given, and leave with exit code 1 if a commodity failed."""
    from experiments.services.jobs import read_config, run_backtests
    from experiments.services.models import load_model_files

    sections = read_config(config)
    load_model_files(model_files)
    with ExitStack() as stack:
        ledger = cache(lambda: stack.enter_context(open_ledger()))  # what is refused leaves none behind
        outcomes = print_outcomes(run_backtests(sections, ledger, as_of=as_of), quiet=as_json)
    conclude(outcomes, as_json=as_json)
