"""The command `experiments`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from experiments.cli import FAILED, INTERRUPTED, READER_LEFT, render
from experiments.cli.asking import choices_of, open_ledger
from experiments.cli.backfill import backfill
from experiments.cli.backtests import backtest_source, demo, told
from experiments.cli.boards import print_leaderboard, print_others
from experiments.cli.check_model import check_model
from experiments.cli.comparisons import compare
from experiments.cli.datasets import datasets
from experiments.cli.decisions import audit, promote, prune, restore, rollback
from experiments.cli.evaluate import evaluate
from experiments.cli.evolution import evolution
from experiments.cli.exchange import export, import_
from experiments.cli.jobs import job
from experiments.cli.models import models
from experiments.cli.options import commodity_option, json_option, ledger_options, param_option, plot_option
from experiments.cli.registry import registry
from experiments.cli.registry_exchange import publish
from experiments.cli.registry_views import card, lineage
from experiments.cli.registry_views import compare as compare_versions
from experiments.cli.report import report
from experiments.cli.reproduction import checklist, reproduce
from experiments.cli.runs import diff_runs, runs, show
from experiments.cli.score import score
from experiments.errors import ExperimentsError

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.answers import Choice
    from experiments.services.ledger import Ledger


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 refused or wrong, 2 not understood, 130 interrupted, 141 whoever read the output left.
    """
    output = sys.stdout
    try:
        _run()
    except (BrokenPipeError, SystemExit) as end:
        # of a pipe that broke, rich makes an exit, and so does click, having put another output in place
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError) and sys.stdout is output:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would break it again
        sys.exit(READER_LEFT)


def _run() -> None:
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort as abort:
        notes = getattr(abort.__cause__, "__notes__", [])
        click.echo(": ".join(["interrupted", *notes]), err=True)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # at once: the engine's client would wait for the query that was interrupted
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" See '{context.command_path} --help'." if context else ""
        click.echo(f"error: {' '.join(error.format_message().split())}{hint}", err=True)
        sys.exit(error.exit_code)
    except ExperimentsError as error:
        click.echo(f"error: {' '.join(str(error).splitlines())}", err=True)  # one line, whatever the message quotes
        sys.exit(FAILED)
    sys.stdout.flush()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="experiment-ledger", message="%(version)s")
def cli() -> None:
    """The experiment ledger for forecasting: every evaluation a row, skill told from luck.

    \b
    Start with:
      experiments demo          backtest the models on real oil prices
      experiments backtest prices.csv --commodity Coffee
      experiments best          which model to use
      experiments sql "select * from leaderboard"
    """


for command in (
    *(demo, backtest_source, backfill, models, check_model, compare, evaluate, evolution, job),
    *(promote, rollback, prune, restore, audit, report),
    *(runs, show, diff_runs, reproduce, checklist, datasets, registry, score, import_, export),
):
    cli.add_command(command)

for command in (lineage, compare_versions, card, publish):
    registry.add_command(command)


@cli.command()
@ledger_options
@json_option
def init(path: str, engine: str | None, as_json: bool) -> None:
    """Create schema, tables and views; what is there stays as it is.

    \b
    Example:
      experiments init --path /data/ledger
    """
    from experiments.services.ledger import connect

    with connect(path, engine=engine) as ledger:
        created = ledger.created
    if as_json:
        render.as_json({"path": ledger.where, "created": created})
    elif created:
        click.echo(f"Created {', '.join(created)} in {ledger.where}.")
    else:
        click.echo(f"The ledger in {ledger.where} is complete; nothing was changed.")


@cli.command()
@commodity_option
@ledger_options
@json_option
def best(commodity: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Say which model to use, and how sure one can be.

    \b
    Example:
      experiments best --commodity WTI --json
    """
    with open_ledger(path, engine) as ledger:
        choices = choices_of(ledger, commodity)
        listed = [_best_of(ledger, choice) for choice in choices]
    if as_json:
        render.as_json([told(one) | {"best_models": best} for one, best in zip(choices, listed, strict=True)])
        return
    for choice, frame in zip(choices, listed, strict=True):
        click.echo(choice.reason)
        if not frame.empty:
            render.table(frame, render.BEST)


@cli.command()
@commodity_option
@click.option("--horizon", type=int, help="Compare the errors at step 1, 7 or 14. [default: the mean over all steps]")
@click.option("--backtest", "backtest_id", metavar="ID", help="Which backtest. [default: that on the latest data]")
@click.option("--as-of", help="What was known at the end of this day, or at this time (UTC).")
@plot_option("the differences to naive, and accuracy against cost")
@ledger_options
@json_option
def leaderboard(  # noqa: PLR0913, PLR0917  a parameter an option
    commodity: str | None,
    horizon: int | None,
    backtest_id: str | None,
    as_of: str | None,
    plot: str | None,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Show the models of the latest backtest, best first, with the evidence against naive and the leader.

    \b
    Example:
      experiments leaderboard --commodity WTI
      experiments leaderboard --horizon 1 --as-of 2024-12-31 --plot board.png
    """
    from experiments.services.answers import in_words
    from experiments.services.plots import check_target, plot_leaderboard

    target = None if plot is None else check_target(plot)
    with open_ledger(path, engine) as ledger:
        choices = choices_of(ledger, commodity, backtest_id=backtest_id, horizon=horizon, as_of=as_of)
        others = {name: ledger.backtests(name) for name in {choice.commodity for choice in choices}}
    boards = [choice.leaderboard for choice in choices if choice.leaderboard is not None]
    if target is not None and boards:
        plot_leaderboard(boards, target)
    if as_json:
        rows = [row for board in boards for _, row in board.iterrows()]
        render.as_json([row.to_dict() | {"in_words": in_words(row)} for row in rows])
        return
    for choice in choices:
        if choice.leaderboard is not None:
            print_leaderboard(choice.leaderboard)
            print_others(choice.leaderboard, others[choice.commodity])
        click.echo(f"{choice.reason}\n")
    if target is not None and boards:
        click.echo(f"Drawn in {target}.")


@cli.command()
@commodity_option
@ledger_options
@json_option
def history(commodity: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Show the scale of experimentation, by commodity and model type.

    \b
    Example:
      experiments history --commodity WTI
    """
    with open_ledger(path, engine) as ledger:
        frame = ledger.history(commodity)
        choices = choices_of(ledger, commodity)
    _answer(frame, render.HISTORY, choices, as_json=as_json)


@cli.command(context_settings={"ignore_unknown_options": True})  # a query may begin with a comment: "-- ..."
@click.argument("query")
@param_option
@ledger_options
@json_option
def sql(query: str, parameters: dict[str, str], path: str, engine: str | None, as_json: bool) -> None:
    """Run a query over the tables and views; nothing but queries is run.

    \b
    Example:
      experiments sql "select model_name, mae_14day from commodity.experiments.model_runs"
      experiments sql "select * from leaderboard where commodity = :c" --param c=WTI
    """
    with open_ledger(path, engine) as ledger:
        frame = ledger.sql(query, parameters)
    if as_json:
        render.as_json(frame)
    else:
        render.table(frame)
        click.echo(f"{len(frame)} row{'' if len(frame) == 1 else 's'}")


@cli.command()
@ledger_options
@json_option
def doctor(path: str, engine: str | None, as_json: bool) -> None:
    """Say what engine, versions, paths and Java there are, and what is wrong.

    Exit code 1 if something is wrong.

    \b
    Example:
      experiments doctor --path /data/ledger
    """
    from experiments.services.doctor import examine

    findings = examine(path, engine=engine)
    if as_json:
        render.as_json([vars(finding) for finding in findings])
    else:
        width = max(len(finding.what) for finding in findings)
        marks = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
        for finding in findings:
            click.echo(f"{marks[finding.state]}  {finding.what:<{width}}  {finding.detail}")
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(FAILED)


def _best_of(ledger: Ledger, choice: Choice) -> pd.DataFrame:
    """The rows of `best_models` for one series."""
    frame = ledger.best(choice.commodity)
    return frame[frame["unique_id"] == choice.unique_id]


def _answer(frame: pd.DataFrame, columns: render.Columns, choices: list[Choice], *, as_json: bool) -> None:
    """A view's rows, and beneath them which model they leave as the choice."""
    if as_json:
        render.as_json({"rows": frame, "choices": [told(choice) for choice in choices]})
        return
    if not frame.empty:
        render.table(frame, columns)
    for choice in choices:
        click.echo(choice.reason)
