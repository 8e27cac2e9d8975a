"""The command `score`: the rows of a table through a registered model."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from experiments.cli import render
from experiments.cli.options import json_option, ledger_options
from experiments.cli.registry import open_registry


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="TABLE")
@click.option("--output", metavar="FILE", help="A new .csv or .parquet file. [default: CSV on standard output]")
@click.option("--into", metavar="TABLE", help="A new Delta table: its folder; on Databricks its name.")
@click.option("--column", default="prediction", show_default=True, help="What the predictions are called.")
@ledger_options
@json_option
def score(  # noqa: PLR0913, PLR0917  a parameter an option
    model: str,
    table: str,
    output: str | None,
    into: str | None,
    column: str,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Score a TABLE with a MODEL of the registry: all its columns, and the predictions.

    MODEL is its id, NAME (its champion, else its highest version), NAME/1.0.2 or NAME@champion. TABLE is a .csv,
    .csv.gz, .parquet or .feather file, the folder of a Delta table or a table's name, with @v3 for its version 3.
    What is written is there whole, or not at all; nothing is overwritten.

    \b
    Example:
      experiments score spread@champion today.parquet --output scored.parquet
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.registry import scoring

    if output is not None and into is not None:
        msg = "--output and --into are two places: give one of them."
        raise click.UsageError(msg)
    with open_registry(path, engine) as models, tempfile.TemporaryDirectory(prefix="experiments-") as folder:
        found = models.get(model)
        here = None if output or into else Path(folder) / "scored.csv"
        if here is not None and as_json:
            render.as_json(scoring.score(models, found, table, column=column))
            return
        done = scoring.score_into(
            models, found, table, output=here or output, into=into, column=column, progress=not as_json
        )
        if here is not None:
            with here.open("rb") as rows:
                shutil.copyfileobj(rows, sys.stdout.buffer)
        elif as_json:
            told = {"table": done.source, "n_rows": done.n_rows, "target": done.target, "column": column}
            render.as_json({"model_id": found.model_id, "model": found.label} | told)
        else:
            click.echo(f"{done.n_rows:,} rows of {done.source} scored by {found.label}: {done.target}.")
