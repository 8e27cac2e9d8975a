"""The commands `import sqlite`, `import mlflow` and `export mlflow`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.asking import open_ledger
from experiments.cli.options import json_option, ledger_options
from experiments.definitions import counted
from experiments.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.services.exchange.arriving import Arrived

NOUNS = {
    "experiments": "run",
    "runs": "run",
    "metrics": "metric point",
    "hyperparameters": "hyperparameter",
    "params": "param",
    "tags": "tag",
    "artifacts": "artifact",
}
"""What rows of each table are called."""


@click.group(name="import")
def import_() -> None:
    """Bring runs from another system into the ledger.

    \b
    Example:
      experiments import sqlite experiments.db
    """  # noqa: D301


@click.group(name="export")
def export() -> None:
    """Bring runs of the ledger to another system.

    \b
    Example:
      experiments export mlflow http://localhost:5000
    """  # noqa: D301


@import_.command(name="sqlite")
@click.argument("file", type=click.Path())
@click.option("--map", "mapping", metavar="FILE", help="TOML file that says which tables and columns hold what.")
@click.option("--dry-run", is_flag=True, help="Check the file and count what is new; write nothing.")
@ledger_options
@json_option
def import_sqlite(file: str, mapping: str | None, dry_run: bool, path: str, engine: str | None, as_json: bool) -> None:
    """Import the runs of a legacy experiments.db, or what is new in it since the last import.

    FILE is only read. Scripts that still write to it may go on: import it again, and queries see both.

    \b
    Example:
      experiments import sqlite experiments.db --dry-run
      experiments import sqlite experiments.db
      experiments import sqlite other.db --map other.toml
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.exchange.sqlite import import_sqlite as imported
    from experiments.services.ledger import connect

    try:
        opened = open_ledger(path, engine)
    except NotFoundError:
        tried = imported(None, file, mapping, dry_run=True)  # what is refused leaves no ledger behind
        if dry_run:
            _print_arrived(tried, as_json=as_json)
            return
        opened = connect(path, engine=engine)
    with opened as ledger:
        _print_arrived(imported(ledger, file, mapping, dry_run=dry_run), as_json=as_json)


@import_.command(name="mlflow")
@click.argument("uri")
@click.option("--experiment", "experiments", multiple=True, help="Only runs of this MLflow experiment. Again for more.")
@ledger_options
@json_option
def import_mlflow(uri: str, experiments: tuple[str, ...], path: str, engine: str | None, as_json: bool) -> None:
    """Import the runs of an MLflow server or store, or what is new in them since the last import.

    \b
    Example:
      experiments import mlflow http://localhost:5000
      experiments import mlflow sqlite:///mlflow.db --experiment PPO
    """  # noqa: D301
    from experiments.services.exchange.local_store import check_store
    from experiments.services.exchange.mlflow_import import import_mlflow as imported
    from experiments.services.ledger import connect

    check_store(uri)  # what is refused leaves no ledger behind
    with connect(path, engine=engine) as ledger:
        _print_arrived(imported(ledger, uri, experiments=experiments or None), as_json=as_json)


@export.command(name="mlflow")
@click.argument("uri")
@click.option(
    "--experiment", help="MLflow experiment that new runs go to. [default: where they came from, or the type]"
)
@click.option("--run", "ids", multiple=True, metavar="ID", help="Only this run. Again for more.")
@ledger_options
@json_option
def export_mlflow(
    uri: str, experiment: str | None, ids: tuple[str, ...], path: str, engine: str | None, as_json: bool
) -> None:
    """Export runs to an MLflow server or store, or what is new in them since the last export.

    A store on this machine is made where there is none, in a folder that is there.

    \b
    Example:
      experiments export mlflow http://localhost:5000
      experiments export mlflow http://localhost:5000 --experiment PPO --run 0195c2a1
    """  # noqa: D301
    from experiments.services.exchange.mlflow_export import export_mlflow as exported

    with open_ledger(path, engine) as ledger:
        done = exported(ledger, uri, experiment=experiment, ids=ids or None)
    if as_json:
        render.as_json(vars(done))
        return
    origin = f" {counted(done.origin, 'run')} came from there." if done.origin else ""
    click.echo(f"{counted(done.runs, 'run')} to {done.target}; new there: {_in_words(done.new)}.{origin}")
    for note in done.notes:
        click.echo(f"note: {note}", err=True)


def _print_arrived(arrived: Arrived, *, as_json: bool) -> None:
    """What an import brought; exits with 1 where something could not be read."""
    if as_json:
        render.as_json(vars(arrived))
    else:
        ended = f"; {counted(arrived.ended, 'run')} ended since" if arrived.ended else ""
        new = "would be new" if arrived.dry_run else "new here"
        click.echo(f"{counted(arrived.runs, 'run')} in {arrived.source}; {new}: {_in_words(arrived.new)}{ended}.")
        for note in arrived.notes:
            click.echo(f"note: {note}", err=True)
    for failure in arrived.failed:
        click.echo(f"error: {failure}; the rest is imported, import again for them.", err=True)
    if arrived.failed:
        sys.exit(FAILED)


def _in_words(new: Mapping[str, Any]) -> str:
    """What was new, in the order of `NOUNS`."""
    told = [counted(new[name], noun) for name, noun in NOUNS.items() if new.get(name)]
    return ", ".join(told) or "nothing"
