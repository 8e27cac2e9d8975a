"""The commands `datasets list`, `show`, `diff` and `register`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.asking import open_ledger
from experiments.cli.options import json_option, ledger_options, split_names

if TYPE_CHECKING:
    from experiments.services.datasets.record import Dataset

LISTED: render.Columns = {
    "dataset_id": ("dataset", render.text),
    "name": ("name", render.text),
    "version": ("version", render.number(0)),
    "created_at": ("registered (UTC)", render.text),
    "created_by": ("by", render.text),
    "source": ("source", render.text),
    "n_rows": ("rows", render.number(0)),
    "n_columns": ("columns", render.number(0)),
    "n_runs": ("runs", render.number(0)),
}
"""Columns of printed datasets."""

COLUMNS: render.Columns = {
    "column": ("column", render.text),
    "type": ("type", render.text),
    "role": ("role", render.text),
    "minimum": ("smallest", render.text),
    "maximum": ("largest", render.text),
    "missing": ("missing", render.number(0)),
}
"""Columns of the printed columns of a dataset."""

CHANGES: render.Columns = {
    "what": ("what", render.text),
    "name": ("of", render.text),
    "before": ("before", render.text),
    "after": ("after", render.text),
}
"""Columns of printed differences."""

_SPLIT_ENDS = ".."


@click.group()
def datasets() -> None:
    """Versions of data: what is in them, what differs, and which runs read them.

    \b
    Example:
      experiments datasets register coffee.csv --name coffee --time-column ds
      experiments datasets list
    """  # noqa: D301  \b keeps click from filling the paragraph


@datasets.command("list")
@click.option("--name", help="Only the versions of this dataset.")
@ledger_options
@json_option
def list_(name: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """List the versions of all datasets.

    \b
    Example:
      experiments datasets list --name coffee --json
    """  # noqa: D301
    from experiments.services.datasets.manager import DatasetManager

    with open_ledger(path, engine) as ledger:
        found = DatasetManager(ledger).list_datasets(name)
    if as_json:
        render.as_json(found)
    elif found.empty:
        click.echo("The ledger has no datasets: make one with 'experiments datasets register'.")
    else:
        render.table(found, LISTED)


@datasets.command()
@click.argument("dataset_id", metavar="ID")
@ledger_options
@json_option
def show(dataset_id: str, path: str, engine: str | None, as_json: bool) -> None:
    """Show all that is known of a version. The first characters of its ID will do.

    \b
    Example:
      experiments datasets show 4f1c
    """  # noqa: D301
    from experiments.services.datasets.manager import DatasetManager

    with open_ledger(path, engine) as ledger:
        found = DatasetManager(ledger).get_dataset(dataset_id)
    if as_json:
        render.as_json(vars(found))
    else:
        _print_dataset(found)


@datasets.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@ledger_options
@json_option
def diff(before: str, after: str, path: str, engine: str | None, as_json: bool) -> None:
    """Show what differs between the versions A and B: columns, ranges, roles, splits and rows.

    Rows are known by the time column where both have the same one and no time stands twice, else by all their values.

    \b
    Example:
      experiments datasets diff 4f1c 9a02 --json
    """  # noqa: D301
    from experiments.services.datasets.differences import difference
    from experiments.services.datasets.manager import DatasetManager

    with open_ledger(path, engine) as ledger:
        found = difference(DatasetManager(ledger), before, after)
    changes = [vars(change) for change in found.changes]
    rows = None if found.rows is None else vars(found.rows)
    if as_json:
        ids = {"before": found.before.dataset_id, "after": found.after.dataset_id}
        told = {"same_content": found.same_content, "changes": changes, "rows": rows, "reason": found.reason}
        render.as_json(ids | told)
        return
    click.echo(f"{_title(found.before)} -> {_title(found.after)}")
    if changes:
        _print_table(changes, CHANGES)
    if rows is None:
        click.echo(f"Their rows cannot be compared: {found.reason}")
    elif found.same_content:
        click.echo("Their content is the same.")
    else:
        by = f" by {rows['by']}" if rows["by"] else ""
        counts = ", ".join(f"{rows[f'n_{what}']:,} {what}" for what in ("same", "changed", "new", "gone"))
        click.echo(f"Rows{by}: {counts}.")


@datasets.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", required=True, help="What the versions of the dataset have in common.")
@click.option("--time-column", help="Column of dates, times or numbers that orders the rows.")
@click.option("--features", multiple=True, callback=split_names, help="Columns a model learns from.")
@click.option("--targets", multiple=True, callback=split_names, help="Columns to be forecast.")
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="NAME=PART",
    help="A share, train=0.7, or the first and last time, train=2015-01-01..2020-12-31. Again for more.",
)
@ledger_options
@json_option
def register(  # noqa: PLR0913, PLR0917  a parameter an option
    file: str,
    name: str,
    time_column: str | None,
    features: list[str],
    targets: list[str],
    splits: tuple[str, ...],
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Keep FILE, a .csv, .csv.gz, .parquet or .feather file, as a version of a dataset; the same again changes nothing.

    \b
    Example:
      experiments datasets register coffee.csv --name coffee --time-column ds --targets y \\
        --split train=0.7 --split validation=0.15 --split test=0.15
    """  # noqa: D301
    from experiments.services.datasets.manager import DatasetManager
    from experiments.services.ledger import connect

    parts = _parts(splits)
    with connect(path, engine=engine) as ledger:
        manager = DatasetManager(ledger)
        dataset_id = manager.register_dataset(
            file,
            name,
            time_column=time_column,
            feature_columns=features or None,
            target_columns=targets or None,
            splits=parts or None,
        )
        found = manager.get_dataset(dataset_id)
    if as_json:
        render.as_json(vars(found))
    else:
        _print_dataset(found)


def _parts(given: Sequence[str]) -> dict[str, Any]:
    """The splits given: shares, or first and last times."""
    found: dict[str, Any] = {}
    for text in given:
        name, _, part = text.partition("=")
        if not name or not part or name in found:
            why = "is there twice" if name in found else "is none"
            msg = f"the split {text!r} {why}: give NAME=0.7 or NAME=2015-01-01..2020-12-31, each name once."
            raise click.BadParameter(msg)
        first, ends, last = part.partition(_SPLIT_ENDS)
        try:
            found[name] = (first, last) if ends else float(part)
        except ValueError as error:
            msg = f"the split {text!r} is none: give NAME=0.7 or NAME=2015-01-01..2020-12-31."
            raise click.BadParameter(msg) from error
    return found


def _title(dataset: Dataset) -> str:
    return f"{dataset.name} {dataset.dataset_id}"


def _print_dataset(dataset: Dataset) -> None:
    from experiments.services.datasets.splits import told

    click.echo(f"{_title(dataset)}: {dataset.n_rows:,} rows from {dataset.source}")
    click.echo(f"registered {render.text(dataset.created_at)} UTC by {dataset.created_by}, kept at {dataset.location}")
    rows = [
        {
            "column": name,
            "type": kind,
            "role": ", ".join(_roles(dataset, name)) or None,
            "minimum": dataset.minimums.get(name),
            "maximum": dataset.maximums.get(name),
            "missing": dataset.missing[name],
        }
        for name, kind in dataset.column_types.items()
    ]
    _print_table(rows, COLUMNS)
    for name, part in (dataset.splits or {}).items():
        click.echo(f"{name}: {told(part)}")
    for name, value in (dataset.metadata or {}).items():
        click.echo(f"{name}: {value}")


def _roles(dataset: Dataset, column: str) -> list[str]:
    roles = {
        "time": [dataset.time_column],
        "feature": dataset.feature_columns or (),
        "target": dataset.target_columns or (),
    }
    return [role for role, columns in roles.items() if column in columns]


def _print_table(rows: Sequence[dict[str, Any]], columns: render.Columns) -> None:
    import pandas as pd

    render.table(pd.DataFrame(rows), columns)
