"""The command `models`: the variants that can be backtested."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from experiments.cli import render
from experiments.cli.options import json_option, model_file_option

MODELS: render.Columns = {
    "name": ("model", render.text),
    "type": ("type", render.text),
    "feature_set": ("features", render.text),
    "covariates": ("covariates", render.text),
    "complexity": ("complexity", render.text),
    "production_candidate": ("candidate", render.flag),
    "parameters": ("parameters", render.text),
}
"""Columns of the printed registry."""


@click.command()
@model_file_option
@json_option
def models(model_files: tuple[str, ...], as_json: bool) -> None:
    """List the models that can be backtested, with what each of them sees.

    A model whose covariates are not given to a backtest is left out of it, and said to be. Your own are in
    the list when a package brings them or their file is named, which runs it.

    \b
    Example:
      experiments models
      experiments models --model-file my_models.py --json
    """  # noqa: D301  \b keeps click from filling the paragraph
    import pandas as pd

    from experiments.services.models import describe, left_out, load_model_files

    load_model_files(model_files)
    rows = describe()
    if as_json:
        render.as_json(rows)
    else:
        render.table(pd.DataFrame([row | _in_words(row, rows) for row in rows]), MODELS)
        kinds = Counter(row["type"] for row in rows)
        click.echo(f"{len(rows)} models: " + ", ".join(f"{number} {kind}" for kind, number in kinds.items()))
        for row in rows:
            if row["lacks"] is not None:
                click.echo(f"{row['name']} cannot run here for want of {row['lacks']}.")
            if row["pruned_for"]:
                click.echo(f"{row['name']} is pruned for {', '.join(row['pruned_for'])}.")
    for problem in left_out():
        click.echo(f"note: {problem}", err=True)


def _in_words(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, str | None]:
    """Covariates, and the parameters in which a model differs from most of its function."""
    told = []
    for name, value in row["params"].items():
        usual = Counter(repr(other["params"].get(name)) for other in rows if other["function"] == row["function"])
        if repr(value) != usual.most_common(1)[0][0]:
            told.append(f"{name}={value}")
    return {"covariates": " ".join(row["covariates"]) or None, "parameters": " ".join(told) or None}
