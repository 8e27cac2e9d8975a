"""The command `report`: what the ledger knows, as a page, slides or text."""

from __future__ import annotations

import click

from experiments.cli.asking import open_ledger
from experiments.cli.options import commodity_option, ledger_options


@click.command()
@click.option(
    "--for",
    "purpose",
    required=True,
    type=click.Choice(("presentation", "pruning", "model")),
    help="What it is for: to show to others, to prune by, or one model.",
)
@click.argument("name", required=False)
@commodity_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("html", "pptx", "md")),
    help="What it is written as. [default: what the output ends with, else html]",
)
@click.option("--as-of", help="What was known at the end of this day, or at this time (UTC).")
@click.option("--output", metavar="FILE", help="Where it goes. [default: the purpose, in this folder]")
@ledger_options
def report(  # noqa: PLR0913, PLR0917  a parameter an option
    purpose: str,
    name: str | None,
    commodity: str | None,
    form: str | None,
    as_of: str | None,
    output: str | None,
    path: str,
    engine: str | None,
) -> None:
    """Write a report: a page that works offline, slides with real charts, or Markdown.

    Every figure is a column of a query that the report shows; NAME is the model of --for model.

    \b
    Example:
      experiments report --for presentation --format pptx
      experiments report --for pruning --commodity Coffee --as-of 2025-06-30
      experiments report --for model arima --output arima.html
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.reports.building import build, check_purpose
    from experiments.services.reports.model import said
    from experiments.services.reports.writing import check_target, prepare, write

    check_purpose(purpose, name)
    target, chosen = check_target(output, form, purpose, name)
    show = prepare(chosen)
    with open_ledger(path, engine) as ledger:
        made = build(ledger, purpose, name, commodity=commodity, as_of=as_of, show=show)
    written = write(made, target, chosen)
    click.echo(f"Written to {written}.")
    click.echo(said(made.headline))
