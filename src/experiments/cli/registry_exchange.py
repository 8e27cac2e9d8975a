"""The command `registry publish`."""

from __future__ import annotations

import click

from experiments.cli import render
from experiments.cli.options import json_option, ledger_options
from experiments.cli.registry import open_registry


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--to", "uri", metavar="URI", help="MLflow's registry. [default: the one MLflow uses]")
@click.option("--name", help="Name of the model there, in Unity Catalog catalog.schema.model. [default: as here]")
@ledger_options
@json_option
def publish(model: str, uri: str | None, name: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Publish a version in MLflow's model registry, with its metrics, tags, alias and model card.

    URI is a server, a store such as sqlite:///mlflow.db, or databricks-uc for Unity Catalog. A version that is there
    already is brought up to date: publish it again when its alias or its card changed.

    \b
    Example:
      experiments registry publish spread@champion --to http://localhost:5000
      experiments registry publish spread --to databricks-uc --name main.models.spread

    \b
    To serve it over HTTP, with MLflow's own server, and to ask it:
      export MLFLOW_TRACKING_URI=http://localhost:5000
      mlflow models serve -m models:/spread@champion --env-manager local --port 5001
      curl http://localhost:5001/invocations -H "Content-Type: application/json" \\
           -d '{"dataframe_split": {"columns": ["a", "b"], "data": [[1.0, 2.0]]}}'
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.registry.publishing import publish as published

    with open_registry(path, engine) as models:
        done = published(models, models.get(model), uri, name=name)
    if as_json:
        render.as_json(vars(done))
        return
    how = "is now" if done.new else "was already"
    click.echo(f"{done.label} {how} version {done.version} of {done.name} in MLflow at {done.target}: {done.uri}")
    for change in done.changed:
        click.echo(f"It {change}.")
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
