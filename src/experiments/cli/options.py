"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from experiments.definitions import ENGINES

Command = TypeVar("Command", bound=Callable[..., Any])


def ledger_options(command: Command) -> Command:
    """Where the ledger is, and which engine reads and writes it."""
    engine = click.option(
        "--engine",
        envvar="EXPERIMENTS_ENGINE",
        type=click.Choice(ENGINES),
        help="Engine that reads and writes the tables; by default databricks on Databricks, elsewhere sail.",
    )
    path = click.option(
        "--path", envvar="EXPERIMENTS_PATH", default="ledger", show_default=True, help="Folder of the ledger."
    )
    return path(engine(command))


def schema_options(command: Command) -> Command:
    """In which schema of which catalog the tables are: what a scheduler sets."""
    catalog = click.option(
        "--catalog", help="Catalog of the ledger's schema. [default: $EXPERIMENTS_CATALOG, else commodity]"
    )
    schema = click.option(
        "--schema", help="Schema of the ledger's tables. [default: $EXPERIMENTS_SCHEMA, else experiments]"
    )
    return catalog(schema(command))


def json_option(command: Command) -> Command:
    """Whether to print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def model_file_option(command: Command) -> Command:
    """Python files that define models of the user's own."""
    return click.option(
        "--model-file",
        "model_files",
        multiple=True,
        metavar="FILE",
        help="A Python file that registers models of yours; it is run. Again for more.",
    )(command)


def commodity_option(command: Command) -> Command:
    """Which commodity is asked about."""
    return click.option("--commodity", help="Only this commodity, such as WTI; by default all of them.")(command)


def plot_option(of: str) -> Callable[[Command], Command]:
    """Which file a picture goes to."""
    return click.option("--plot", metavar="FILE", help=f"Draw {of}: a .png, .svg or .pdf file.")
