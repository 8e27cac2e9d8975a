"""The command group `experiments job`: what a scheduler starts, on Databricks as on a laptop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.backtests import print_notes, record
from experiments.cli.options import commodity_option, json_option, ledger_options, schema_options
from experiments.definitions import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.services.jobs import Outcome


@click.group()
def job() -> None:
    """Run what a scheduler runs.

    \b
    Example:
      experiments job backtest
    """  # noqa: D301  \b keeps click from filling the paragraph


@job.command("backtest")
@click.option(
    "--config",
    default="jobs/weekly_backtest.toml",
    show_default=True,
    help="File that says what to backtest, one [[backtest]] a commodity.",
)
@ledger_options
@schema_options
@json_option
def backtest_job(
    config: str, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Backtest every commodity of a file and say which model to use for each.

    One that fails does not stop the others: exit code 1, and a line on standard error for each. Running it
    again fits only what is new.

    \b
    Example:
      experiments job backtest --config jobs/weekly_backtest.toml
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.jobs import read_config, run_backtests
    from experiments.services.ledger import connect

    sections = read_config(config)
    with connect(path, engine=engine, catalog=catalog, schema=schema) as ledger:
        outcomes = print_outcomes(run_backtests(sections, ledger), quiet=as_json)
    conclude(outcomes, as_json=as_json)


@job.command("refresh")
@commodity_option
@ledger_options
@schema_options
@json_option
def refresh_job(
    commodity: str | None, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Compare what was evaluated since the last time, so that views and dashboards show it.

    A backtest does this itself; a loop of your own that calls the hook does not. Run again, it does nothing.

    \b
    Example:
      experiments job refresh
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.ledger import connect

    with connect(path, engine=engine, catalog=catalog, schema=schema, create=False) as ledger:
        made = ledger.refresh(commodity)
    if as_json:
        render.as_json({"families": made})
    else:
        click.echo(f"{counted(made, 'comparison')} made." if made else "Nothing is new.")


def print_outcomes(outcomes: Iterable[Outcome], *, quiet: bool) -> list[Outcome]:
    """Tell of each commodity as soon as it is done."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        _say(outcome, quiet=quiet)
    return done


def conclude(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print them all as JSON where that is asked for; leave with exit code 1 if one failed."""
    if as_json:
        render.as_json([_record(outcome) for outcome in outcomes])
    if any(outcome.error for outcome in outcomes):
        sys.stdout.flush()
        sys.exit(FAILED)


def _say(outcome: Outcome, *, quiet: bool) -> None:
    """Tell of one commodity as soon as it is done."""
    what = outcome.commodity if outcome.as_of is None else f"{outcome.commodity} as of {outcome.as_of}"
    if outcome.error is not None:
        click.echo(f"error: {what}: {outcome.error}", err=True)
    if quiet or outcome.result is None:
        return
    print_notes(outcome.result)
    for choice in outcome.choices:
        click.echo(choice.reason)
    fitted = f"{outcome.result.n_fits} fits, {outcome.result.n_reused} forecasts recorded before"
    click.echo(f"{what}: {fitted}, {outcome.result.seconds:.0f} s.")


def _record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it."""
    done = {} if outcome.result is None else record(outcome.result, outcome.choices)
    return {"commodity": outcome.commodity, "as_of": outcome.as_of, "error": outcome.error} | done
