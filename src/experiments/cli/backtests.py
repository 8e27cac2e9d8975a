"""The commands that backtest, `demo` and `backtest`, and how a leaderboard is printed."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.boards import print_leaderboard
from experiments.cli.options import json_option, ledger_options, model_file_option, series_options, split_names
from experiments.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.answers import Choice
    from experiments.services.backtest import BacktestResult
    from experiments.services.ledger import Ledger


@click.command()
@ledger_options
@json_option
def demo(path: str, engine: str | None, as_json: bool) -> None:
    """Backtest the models on real oil prices and print who beats naive.

    WTI crude, daily, with the VIX as covariate: 40 windows of 14 trading days; about a minute on two
    cores. Running it again fits nothing that is recorded already.

    \b
    Example:
      experiments demo --path other
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.demo import run_demo
    from experiments.services.ledger import connect

    with connect(path, engine=engine) as ledger:
        result = run_demo(ledger)
        _print_result(ledger, result, path=path, engine=engine, as_json=as_json)


@click.command("backtest")
@click.argument("source")
@click.option("--commodity", required=True, help="What is forecast, such as Coffee.")
@click.option("--windows", type=click.IntRange(min=1), default=40, show_default=True, help="Cutoffs evaluated.")
@click.option("--step", type=click.IntRange(min=1), help="Rows from one cutoff to the next; by default the horizon.")
@click.option(
    "--models", multiple=True, callback=split_names, help="Names, as in naive,arima; by default all that can be run."
)
@series_options
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=300,
    show_default=True,
    help="Seconds a fit may take.",
)
@model_file_option
@ledger_options
@json_option
def backtest_source(  # noqa: PLR0913  one argument an option
    *,
    source: str,
    commodity: str,
    horizon: int,
    windows: int,
    step: int | None,
    models: list[str],
    covariates: list[str],
    known_covariates: list[str],
    train_size: int | None,
    date_column: str,
    value_column: str,
    time_limit: float,
    model_files: tuple[str, ...],
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Backtest models on your own prices and print who beats naive.

    SOURCE is a .csv, .csv.gz or .parquet file; the folder of a Delta table, with @v3 after it for its
    version 3; the name of a table the engine knows; or example:wti, example:vix. It has a date and a
    value in each row, and unique_id where there are several series. Covariates are sources too: each
    column but the date is one, under its own name. Running it again fits only what is new.

    \b
    Example:
      experiments backtest prices.csv --commodity Coffee --covariates vix.csv,weather.csv
      experiments backtest example:wti --commodity WTI --models naive,arima
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.backtest import backtest
    from experiments.services.ledger import connect
    from experiments.services.models import load_model_files
    from experiments.services.sources import names_table, read_covariates, read_prices

    def read(ledger: Ledger | None) -> dict[str, Any]:
        prices = read_prices(source, ledger=ledger, date_column=date_column, value_column=value_column)
        return {
            "data": prices.frame,
            "data_version": prices.version,
            "covariates": read_covariates(covariates, ledger=ledger, date_column=date_column),
            "known_covariates": read_covariates(known_covariates, ledger=ledger, date_column=date_column),
        }

    load_model_files(model_files)
    with ExitStack() as stack:

        @cache
        def ledger() -> Ledger:
            """Open it when it is needed first: a mistake in a file or a setting leaves no empty ledger behind."""
            try:
                return stack.enter_context(connect(path, engine=engine, create=not asks_engine))
            except NotFoundError as error:
                if not asks_engine:
                    raise
                asked = next(one for one in (source, *covariates, *known_covariates) if names_table(one))
                msg = f"there is no file {asked!r}, and to ask for a table of that name {error}"
                raise NotFoundError(msg) from error

        # a table is asked of a ledger that is there: what was meant as a file makes none
        asks_engine = any(names_table(one) for one in (source, *covariates, *known_covariates))
        result = backtest(
            **read(ledger() if asks_engine else None),
            commodity=commodity,
            models=models or None,
            horizon=horizon,
            n_windows=windows,
            step_size=step,
            train_size=train_size,
            time_limit=time_limit,
            ledger=ledger,
        )
        _print_result(ledger(), result, path=path, engine=engine, as_json=as_json)


def told(choice: Choice) -> dict[str, Any]:
    """A choice as JSON has it."""
    series = {"commodity": choice.commodity, "unique_id": choice.unique_id}
    return series | {"choice": choice.model, "reason": choice.reason}


def record(result: BacktestResult, chosen: Sequence[Choice]) -> dict[str, Any]:
    """What a backtest did and which models it leaves as the choice, as JSON has it."""
    counts = {"n_fits": result.n_fits, "n_reused": result.n_reused, "seconds": result.seconds}
    return {"choices": [told(one) for one in chosen], "notes": result.notes} | counts


def print_notes(result: BacktestResult) -> None:
    """A line for each thing to know of the data."""
    for note in result.notes:
        click.echo(f"Note: {note}.")


def _print_result(ledger: Ledger, result: BacktestResult, *, path: str, engine: str | None, as_json: bool) -> None:
    """What a backtest found, the choice for each series, and how to ask for it again."""
    from experiments.services.answers import choices

    own = result.definition.backtest_id
    commodity = result.definition.commodity
    chosen = choices(ledger, commodity, own)
    latest = ledger.backtests(commodity).iloc[0]
    if as_json:
        render.as_json({"backtest_id": own, "leaderboard": result.leaderboard} | record(result, chosen))
        return
    print_leaderboard(result.leaderboard)
    print_notes(result)
    for one in chosen:
        click.echo(f"\n{one.reason}")
    fitted = f"{result.n_fits} fits" + (f", {result.n_reused} forecasts recorded before" if result.n_reused else "")
    click.echo(f"\n{fitted}, {result.seconds:.0f} s, recorded in {ledger.where}. Ask it again:")
    if latest["backtest_id"] != own:
        click.echo(f"(They answer from another backtest of {commodity}, the one on data to {latest['data_as_of']}.)")
    named = shlex.quote(commodity)
    where = "" if path == "ledger" else f" --path {shlex.quote(path)}"
    where += "" if engine is None else f" --engine {engine}"
    asked = [f"{name} --commodity {named}" for name in ("best", "leaderboard", "history", "prune")]
    for command in (*asked, 'sql "select * from accuracy_by_horizon"'):
        click.echo(f"  experiments {command}{where}")
