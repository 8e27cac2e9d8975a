"""Options that several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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


def param_option(command: Command) -> Command:
    """Texts for the named parameters of a query."""
    return click.option(
        "--param",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_parameters,
        help="The text that :NAME in the query stands for. Again for more.",
    )(command)


def _parameters(context: click.Context, option: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """The parameters given, by name."""
    named = [text.partition("=") for text in given]
    for text, (name, equals, _) in zip(given, named, strict=True):
        if not equals or not name:
            msg = f"{text!r} is no parameter: give NAME=VALUE."
            raise click.BadParameter(msg)
    return {name: value for name, _, value in named}


def split_names(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[str]:
    """The names in an option that takes several, with commas between them or given again."""
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    if given and not names:
        msg = f"{given[0]!r} names nothing: give names with commas between them."
        raise click.BadParameter(msg)
    return names


def _train_size(context: click.Context, option: click.Parameter, given: str) -> int | None:
    """How many observations to train on; None for all."""
    if given.casefold() == "all":
        return None
    if not re.fullmatch("0*[1-9][0-9]{0,8}", given):
        msg = f"{given!r} is neither a whole number from 1 to 999999999 nor 'all'."
        raise click.BadParameter(msg)
    return int(given)


def series_options(command: Command) -> Command:
    """How a series is read, what is known beside it, how far it is forecast and from how much."""
    added = (
        click.option("--horizon", type=click.IntRange(min=1), default=14, show_default=True, help="Steps forecast."),
        click.option(
            "--covariates",
            multiple=True,
            callback=split_names,
            help="Sources whose columns are known up to each cutoff only.",
        ),
        click.option(
            "--known-covariates",
            multiple=True,
            callback=split_names,
            help="Sources known in advance, such as a calendar.",
        ),
        click.option(
            "--train-size",
            default="1000",
            show_default=True,
            callback=_train_size,
            help="Rows to train on, or 'all'.",
        ),
        click.option("--date-column", default="ds", show_default=True, help="Column of the dates."),
        click.option("--value-column", default="y", show_default=True, help="Column of the values to forecast."),
    )
    for option in reversed(added):
        command = option(command)
    return command
