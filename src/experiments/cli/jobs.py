"""The command group `experiments job`: what a scheduler starts, on Databricks as on a laptop."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.backfill import as_of_option, run_backfill
from experiments.cli.options import (
    commodity_option,
    json_option,
    ledger_options,
    model_file_option,
    schema_options,
)
from experiments.cli.outcomes import conclude, print_outcomes
from experiments.definitions import counted, series_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.services.ledger import Ledger
    from experiments.services.promotion_check import Check

_CHECKS: render.Columns = {
    "series": ("series", render.text),
    "in_production": ("in production", render.text),
    "production_verdict": ("what the latest evidence says of it", render.text),
    "candidate": ("best other", render.text),
    "candidate_verdict": ("what it says of that", render.text),
}
"""Columns of a printed promotion check."""

_UPKEEP: render.Columns = {
    "table": ("table", render.text),
    "rows_swept": ("rows swept", render.number(0)),
    "files_before": ("files before", render.number(0)),
    "files_after": ("after", render.number(0)),
    "files_removed": ("files cleared away", render.number(0)),
    "bytes_freed": ("bytes freed", render.number(0)),
}
"""Columns of what was printed of a maintenance."""


@click.group()
def job() -> None:
    """Run what a scheduler runs.

    \b
    Example:
      experiments job backtest
    """  # noqa: D301  \b keeps click from filling the paragraph


@job.command("initialise")
@ledger_options
@schema_options
@json_option
def initialise_job(path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool) -> None:
    """Create the tables or bring them up to date; on Databricks add keys, tags and clustering too.

    What is there stays as it is: run again, nothing is to do.

    \b
    Example:
      experiments job initialise
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.initialise import initialise
    from experiments.services.ledger import connect

    done = initialise(lambda: connect(path, engine=engine, catalog=catalog, schema=schema))
    if as_json:
        render.as_json(vars(done))
        return
    for what, names in (("Created", done.created), ("Migrated", done.migrated), ("Applied", done.applied)):
        if names:
            click.echo(f"{what} {', '.join(names)} in {done.where}.")
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    if not (done.created or done.migrated or done.applied):
        click.echo(f"Nothing was to do: the ledger in {done.where} is complete.")


@job.command("backtest")
@click.option(
    "--config",
    default="jobs/weekly_backtest.toml",
    show_default=True,
    help="File that says what to backtest, one [[backtest]] a commodity.",
)
@ledger_options
@schema_options
@json_option
def backtest_job(
    config: str, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Backtest every commodity of a file and say which model to use for each.

    One that fails does not stop the others: exit code 1, and a line on standard error for each. Running it
    again fits only what is new.

    \b
    Example:
      experiments job backtest --config jobs/weekly_backtest.toml
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.jobs import read_config, run_backtests
    from experiments.services.ledger import connect

    sections = read_config(config)
    with connect(path, engine=engine, catalog=catalog, schema=schema) as ledger:
        outcomes = print_outcomes(run_backtests(sections, ledger), quiet=as_json)
    conclude(outcomes, as_json=as_json)


@job.command("backfill")
@click.option(
    "--config",
    default="jobs/backfill.toml",
    show_default=True,
    help="File that says what to backtest, one [[backtest]] a commodity.",
)
@as_of_option
@model_file_option
@ledger_options
@schema_options
@json_option
def backfill_job(  # noqa: PLR0913, PLR0917  a parameter an option
    config: str,
    as_of: list[dt.date],
    model_files: tuple[str, ...],
    path: str,
    engine: str | None,
    catalog: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Backtest every model on every commodity of a file, at one date or several.

    The same as the command backfill. Killed or retried it goes on where it was.

    \b
    Example:
      experiments job backfill --config jobs/backfill.toml --as-of 2024-12-31
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.ledger import connect

    def opened() -> Ledger:
        return connect(path, engine=engine, catalog=catalog, schema=schema)

    run_backfill(config, as_of, model_files, opened, as_json=as_json)


@job.command("refresh")
@commodity_option
@ledger_options
@schema_options
@json_option
def refresh_job(
    commodity: str | None, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Compare what was evaluated since the last time, so that views and dashboards show it.

    A backtest does this itself; a loop of your own that calls the hook does not. Run again, it does nothing.

    \b
    Example:
      experiments job refresh
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.ledger import connect

    with connect(path, engine=engine, catalog=catalog, schema=schema, create=False) as ledger:
        made = ledger.refresh(commodity)
    if as_json:
        render.as_json({"families": made})
    else:
        click.echo(f"{counted(made, 'comparison')} made." if made else "Nothing is new.")


_output_dir = click.option(
    "--output-dir", default="reports", show_default=True, metavar="DIR", help="Folder of the reports, made if missing."
)


@job.command("pruning-report")
@_output_dir
@ledger_options
@schema_options
@json_option
def pruning_report_job(
    output_dir: str, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Write which models could be pruned and which are, as a page and as slides, named after the day.

    \b
    Example:
      experiments job pruning-report --output-dir reports
    """  # noqa: D301  \b keeps click from filling the paragraph
    where = {"engine": engine, "catalog": catalog, "schema": schema}
    _write_reports("pruning", output_dir, path, where, as_json=as_json)


@job.command("presentation-report")
@_output_dir
@ledger_options
@schema_options
@json_option
def presentation_report_job(
    output_dir: str, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Write what to show to others, as a page and as slides, named after the day.

    \b
    Example:
      experiments job presentation-report --output-dir reports
    """  # noqa: D301  \b keeps click from filling the paragraph
    where = {"engine": engine, "catalog": catalog, "schema": schema}
    _write_reports("presentation", output_dir, path, where, as_json=as_json)


def _write_reports(purpose: str, output_dir: str, path: str, where: Mapping[str, Any], *, as_json: bool) -> None:
    from experiments.services.ledger import connect
    from experiments.services.reporting import prepare_folder, write_reports
    from experiments.services.reports.model import said

    folder, show = prepare_folder(output_dir)
    with connect(path, **where, create=False) as ledger:
        made, written = write_reports(ledger, purpose, folder, show)
    headline = said(made.headline)
    if as_json:
        render.as_json({"written": [str(one) for one in written], "headline": headline})
        return
    for one in written:
        click.echo(f"Written to {one}.")
    click.echo(headline)


@job.command("promotion-check")
@commodity_option
@ledger_options
@schema_options
@json_option
def promotion_check_job(
    commodity: str | None, path: str, engine: str | None, catalog: str | None, schema: str | None, as_json: bool
) -> None:
    """Hold what is in production, and the best other model, against the latest evidence; decide nothing.

    Exit code 0 whatever it says, 1 where something could not be checked.

    \b
    Example:
      experiments job promotion-check --commodity Coffee
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.ledger import connect
    from experiments.services.promotion_check import check_promotions

    with connect(path, engine=engine, catalog=catalog, schema=schema, create=False) as ledger:
        checked = check_promotions(ledger, commodity)
    if as_json:
        render.as_json([vars(one) for one in checked])
    else:
        _print_checks([one for one in checked if one.error is None])
    _fail_of([f"{one.commodity}: {one.error}" for one in checked if one.error is not None])


def _print_checks(checked: Sequence[Check]) -> None:
    import pandas as pd

    if not checked:
        click.echo("There is nothing to check.")
        return
    named = [vars(one) | {"series": series_name(one.commodity, one.unique_id)} for one in checked]
    render.table(pd.DataFrame(named), _CHECKS)
    for one in named:
        by = f", by `{one['command']}`" if one["command"] else ""
        click.echo(f"{one['series']}: {one['words']}{by}.")


def _fail_of(errors: Sequence[str]) -> None:
    """Tell what went wrong, a line each, and leave with exit code 1 if anything did."""
    for error in errors:
        click.echo(f"error: {error}", err=True)
    if errors:
        sys.stdout.flush()
        sys.exit(FAILED)


@job.command("maintenance")
@click.option(
    "--retain-hours",
    type=int,
    default=168,
    show_default=True,
    help="Hours a file stays that the table needs no more: at least 1, on Databricks 168.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@ledger_options
@schema_options
@json_option
def maintenance_job(  # noqa: PLR0913, PLR0917  a parameter an option
    retain_hours: int,
    dry_run: bool,
    path: str,
    engine: str | None,
    catalog: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Compact the tables, clear away files nobody needs, and remove rows of what was never finished.

    On this machine a table's earlier versions can be read for ten minutes at least, whatever the hours; on
    Databricks for the hours. An evaluation that was interrupted can be gone on with for 21 days; after 30 its
    rows are removed. Two at once take turns; one that fails on a table leaves with exit code 1.

    \b
    Example:
      experiments job maintenance --dry-run
    """  # noqa: D301  \b keeps click from filling the paragraph
    import pandas as pd

    from experiments.services.ledger import connect
    from experiments.services.maintenance import maintain

    with connect(path, engine=engine, catalog=catalog, schema=schema, create=False) as ledger:
        done = maintain(ledger, retain_hours=retain_hours, dry_run=dry_run)
    if as_json:
        render.as_json({"dry_run": dry_run, "tables": [vars(one) for one in done]})
    else:
        render.table(pd.DataFrame([vars(one) for one in done]), _UPKEEP)
        if dry_run:
            click.echo("Nothing was changed: this is what would be removed.")
    _fail_of([one.error for one in done if one.error is not None])
