"""The command `experiments`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from experiments.cli import render
from experiments.errors import ExperimentsError, NotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.answers import Choice
    from experiments.services.ledger import Ledger

Command = TypeVar("Command", bound=Callable[..., Any])

FAILED, INTERRUPTED = 1, 130


def main() -> None:
    """Run the command line: exit code 0 done, 1 refused or wrong, 2 not understood, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.stdout.flush()
        os._exit(INTERRUPTED)  # at once: the engine's client would wait for the query that was interrupted
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ExperimentsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(FAILED)
    sys.stdout.flush()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="experiment-ledger", message="%(version)s")
def cli() -> None:
    """The experiment ledger for forecasting: every evaluation a row, skill told from luck.

    \b
    Start with:
      experiments demo          backtest nine models on real oil prices
      experiments best          which model to use
      experiments sql "select * from leaderboard"
    """


def path_option(command: Command) -> Command:
    """The folder of the ledger."""
    return click.option(
        "--path", envvar="EXPERIMENTS_PATH", default="ledger", show_default=True, help="Folder of the ledger."
    )(command)


def json_option(command: Command) -> Command:
    """Whether to print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def commodity_option(command: Command) -> Command:
    """Which commodity is asked about."""
    return click.option("--commodity", help="Only this commodity, such as WTI; by default all of them.")(command)


@cli.command()
@path_option
@json_option
def demo(path: str, as_json: bool) -> None:
    """Backtest nine models on real oil prices and print who beats naive.

    WTI crude, daily, with the VIX as covariate: 40 windows of 14 trading days; under a minute on two
    cores. Running it again fits nothing that is recorded already.

    \b
    Example:
      experiments demo --path other
    """
    from experiments.services.answers import choose
    from experiments.services.demo import COMMODITY, run_demo
    from experiments.services.ledger import connect

    with connect(path) as ledger:
        result = run_demo(ledger)
        choice = choose(ledger, COMMODITY)
    if as_json:
        render.as_json(_choice(choice) | {"seconds": result.seconds, "n_fits": result.n_fits, "notes": result.notes})
        return
    _print_leaderboard(result.leaderboard)
    for note in result.notes:
        click.echo(f"Note: {note}.")
    fitted = f"{result.n_fits} fits" + (f", {result.n_reused} forecasts recorded before" if result.n_reused else "")
    click.echo(f"\n{choice.reason}\n\n{fitted}, {result.seconds:.0f} s, recorded in {path}. Ask it again:")
    where = "" if path == "ledger" else f" --path {path}"
    for command in ("best", "history", "leaderboard", "prune", 'sql "select * from accuracy_by_horizon"'):
        click.echo(f"  experiments {command}{where}")


@cli.command()
@path_option
@json_option
def init(path: str, as_json: bool) -> None:
    """Create schema, tables and views; what is there stays as it is.

    \b
    Example:
      experiments init --path /data/ledger
    """
    from experiments.services.ledger import connect

    with connect(path) as ledger:
        created = ledger.created
    if as_json:
        render.as_json({"path": path, "created": created})
    elif created:
        click.echo(f"Created {', '.join(created)} in {path}.")
    else:
        click.echo(f"The ledger in {path} is complete; nothing was changed.")


@cli.command()
@commodity_option
@path_option
@json_option
def best(commodity: str | None, path: str, as_json: bool) -> None:
    """Say which model to use, and how sure one can be.

    \b
    Example:
      experiments best --commodity WTI --json
    """
    with _open(path) as ledger:
        choices = _choices(ledger, commodity)
        listed = [_best_of(ledger, choice) for choice in choices]
    if as_json:
        render.as_json([_choice(one) | {"best_models": best} for one, best in zip(choices, listed, strict=True)])
        return
    for choice, frame in zip(choices, listed, strict=True):
        click.echo(choice.reason)
        if not frame.empty:
            render.table(frame, render.BEST)


@cli.command()
@commodity_option
@path_option
@json_option
def leaderboard(commodity: str | None, path: str, as_json: bool) -> None:
    """Show the models of the latest backtest, best first, with the evidence against naive.

    \b
    Example:
      experiments leaderboard --commodity WTI
    """
    with _open(path) as ledger:
        choices = _choices(ledger, commodity)
    boards = [choice.leaderboard for choice in choices]
    if as_json:
        render.as_json([row for board in boards if board is not None for row in board.to_dict("records")])
        return
    for choice, board in zip(choices, boards, strict=True):
        if board is not None:
            _print_leaderboard(board)
        click.echo(f"{choice.reason}\n")


@cli.command()
@commodity_option
@path_option
@json_option
def history(commodity: str | None, path: str, as_json: bool) -> None:
    """Show the scale of experimentation, by commodity and model type.

    \b
    Example:
      experiments history --commodity WTI
    """
    with _open(path) as ledger:
        frame = ledger.history(commodity)
        choices = _choices(ledger, commodity)
    _answer(frame, render.HISTORY, choices, as_json=as_json)


@cli.command()
@commodity_option
@path_option
@json_option
def prune(commodity: str | None, path: str, as_json: bool) -> None:
    """List models that failed to beat naive in at least three evaluations.

    Failing to beat naive is not yet being worse: look at the leaderboard before you remove one.

    \b
    Example:
      experiments prune --commodity WTI --json
    """
    with _open(path) as ledger:
        frame = ledger.pruning_candidates(commodity)
        choices = _choices(ledger, commodity)
    if frame.empty and not as_json:
        click.echo("No candidates yet: a model is one once three of its evaluations did not beat naive.")
    _answer(frame, render.CANDIDATES, choices, as_json=as_json)


@cli.command(context_settings={"ignore_unknown_options": True})  # a query may begin with a comment: "-- ..."
@click.argument("query")
@path_option
@json_option
def sql(query: str, path: str, as_json: bool) -> None:
    """Run a query over the tables and views; nothing but queries is run.

    \b
    Example:
      experiments sql "select model_name, mae_14day from commodity.experiments.model_runs"
    """
    with _open(path) as ledger:
        frame = ledger.sql(query)
    if as_json:
        render.as_json(frame)
    else:
        render.table(frame)
        click.echo(f"{len(frame)} row{'' if len(frame) == 1 else 's'}")


@cli.command()
@path_option
@json_option
def doctor(path: str, as_json: bool) -> None:
    """Say what engine, versions, paths and Java there are, and what is wrong.

    Exit code 1 if something is wrong.

    \b
    Example:
      experiments doctor --path /data/ledger
    """
    from experiments.services.doctor import examine

    findings = examine(path)
    if as_json:
        render.as_json([vars(finding) for finding in findings])
    else:
        width = max(len(finding.what) for finding in findings)
        marks = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}
        for finding in findings:
            click.echo(f"{marks[finding.state]}  {finding.what:<{width}}  {finding.detail}")
    if any(finding.state == "wrong" for finding in findings):
        sys.exit(FAILED)


def _open(path: str) -> Ledger:
    """The ledger to ask; one that is not there is not made by asking."""
    from experiments.services.ledger import connect

    return connect(path, create=False)


def _asked(ledger: Ledger, commodity: str | None) -> list[str]:
    """The commodities a question is about."""
    if commodity is not None:
        return [commodity]
    known = ledger.commodities()
    if not known:
        msg = "the ledger is empty: run 'experiments demo', or experiments.backtest on your own prices."
        raise NotFoundError(msg)
    return known


def _choices(ledger: Ledger, commodity: str | None) -> list[Choice]:
    from experiments.services.answers import choices

    return [choice for name in _asked(ledger, commodity) for choice in choices(ledger, name)]


def _best_of(ledger: Ledger, choice: Choice) -> pd.DataFrame:
    """The rows of `best_models` for one series."""
    frame = ledger.best(choice.commodity)
    return frame[frame["unique_id"] == choice.unique_id]


def _choice(choice: Choice) -> dict[str, Any]:
    told = {"commodity": choice.commodity, "unique_id": choice.unique_id}
    return told | {"choice": choice.model, "reason": choice.reason}


def _answer(frame: pd.DataFrame, columns: render.Columns, choices: list[Choice], *, as_json: bool) -> None:
    """A view's rows, and beneath them which model they leave as the choice."""
    if as_json:
        render.as_json({"rows": frame, "choices": [_choice(choice) for choice in choices]})
        return
    if not frame.empty:
        render.table(frame, columns)
    for choice in choices:
        click.echo(choice.reason)


def _print_leaderboard(board: pd.DataFrame) -> None:
    first = board.iloc[0]
    unit = f"{first['frequency']}s"
    series = "" if first["unique_id"] == first["commodity"] else f" {first['unique_id']}"
    models = f"{len(board)} model{'' if len(board) == 1 else 's'}"
    click.echo(
        f"{first['commodity']}{series}: {models}, {int(first['n_windows'])} windows of "
        f"{int(first['forecast_horizon_days'])} {unit}, data to {first['data_as_of']}"
    )
    render.table(board, render.LEADERBOARD)
    click.echo(
        f"MAE 1, 7, 14: mean absolute error that many {unit} ahead, in the unit of the series. vs naive: error over "
        "all steps below naive's.\nDM: Diebold-Mariano statistic against naive, negative is better; p: two-sided. "
        "The verdict is corrected for the number of models (Holm)."
    )
