"""The commands `registry lineage`, `compare` and `card`: where a version came from, two side by side, and its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.options import json_option, ledger_options, plot_option
from experiments.cli.registry import open_registry
from experiments.cli.runs import figure, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.registry.comparing import VersionComparison
    from experiments.services.tracking.comparing import Section

_MOST = 50
"""Rows of a section; all are in its JSON."""

MEASURED: render.Columns = {
    "name": ("", line),
    "a": ("a", figure),
    "b": ("b", figure),
    "difference": ("b - a", figure),
    "better": ("better", render.text),
}
"""Columns of printed metrics of two versions."""

BESIDE: render.Columns = {"name": ("", line), "a": ("a", line), "b": ("b", line)}
"""Columns of what else is printed of two versions."""


@click.command()
@click.argument("model", metavar="MODEL")
@plot_option("it")
@ledger_options
@json_option
def lineage(model: str, plot: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Show where a version came from and where it went.

    The run that made it with its data, code and environment; what it was made from, up to the roots, and what was made
    from it; its evaluations and deployments.

    \b
    Example:
      experiments registry lineage spread/1.0.3
      experiments registry lineage spread@champion --plot lineage.svg
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.plots import check_target
    from experiments.services.registry.lineage import lineage as lineage_of

    target = None if plot is None else check_target(plot)
    with open_registry(path, engine) as models:
        found = lineage_of(models, models.get(model))
    if target is not None:
        from experiments.services.registry.drawing import plot_lineage

        plot_lineage(found, target)
    if as_json:
        render.as_json(found.info)
        return
    click.echo("\n".join(map(line, found.text.splitlines())))
    if target is not None:
        click.echo(f"Drawn in {target}.")


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--all", "everything", is_flag=True, help="Also what is the same.")
@plot_option("both side by side")
@ledger_options
@json_option
def compare(  # noqa: PLR0913, PLR0917  a parameter an option
    a: str, b: str, everything: bool, plot: str | None, path: str, engine: str | None, as_json: bool
) -> None:
    """Compare two versions, of one model or of two: metrics, evaluations, settings, data, code and environment.

    \b
    Example:
      experiments registry compare spread@champion spread@challenger
      experiments registry compare spread/1.0.0 spread/1.0.3 --plot versions.png
    """  # noqa: D301
    from experiments.services.plots import check_target
    from experiments.services.registry.comparing import compare_versions

    target = None if plot is None else check_target(plot)
    with open_registry(path, engine) as models:
        found = compare_versions(models, models.get(a), models.get(b))
    if target is not None:
        from experiments.services.registry.drawing import plot_version_comparison

        plot_version_comparison(found, target)
    if as_json:
        render.as_json(found.info)
        return
    _print_comparison(found, everything=everything)
    if target is not None:
        click.echo(f"Drawn in {target}.")


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--output", metavar="FILE", help="Write it to a .md or .html file.  [default: print it as Markdown]")
@ledger_options
def card(model: str, output: str | None, path: str, engine: str | None) -> None:
    """Show the model card of a version, made from what is recorded of it.

    \b
    Example:
      experiments registry card spread@champion
      experiments registry card spread/1.0.3 --output spread.html
    """  # noqa: D301
    from experiments.services.registry.card import card_of, check_target

    target = None if output is None else check_target(output)
    with open_registry(path, engine) as models:
        made = card_of(models, models.get(model))
    if target is None:
        click.echo(made.markdown, nl=False)
        return
    made.write(target)
    click.echo(f"Wrote the card of {line(made.title)} to {target}.")


def _print_comparison(found: VersionComparison, *, everything: bool) -> None:
    """What is better, then each section as a table: all metrics and evaluations, of the others what differs."""
    for side, one in (("a", found.a), ("b", found.b)):
        alias = f", {one.alias}" if one.alias else ""
        click.echo(f"{side}  {line(one.label)} (model {one.model_id}){alias}")
    click.echo(f"\n{line(found.verdict)}")
    for section in found.sections:
        is_measured = section.name in ("metrics", "evaluations")
        if not section.rows:
            if is_measured:
                click.echo(f"\n{section.name}: none is recorded of either")
            continue
        rows = section.rows if everything or is_measured else section.differing
        n_differ = len(section.differing)
        click.echo(f"\n{section.name}: {n_differ} of {len(section.rows)} differ" if n_differ else
                   f"\n{section.name}: the same ({len(section.rows)} compared)")  # fmt: skip
        if rows:
            _print_section(section, rows[:_MOST])
        if len(rows) > _MOST:
            click.echo(f"... and {len(rows) - _MOST:,} more: --json has them all.")


def _print_section(section: Section, rows: Sequence[Any]) -> None:
    import pandas as pd

    from experiments.services.registry.comparing import cell

    if section.name == "metrics":
        told = [
            {"name": row.name, "a": row.a, "b": row.b, "difference": _difference(row.a, row.b), "better": row.better}
            for row in rows
        ]
        render.table(pd.DataFrame(told, dtype=object), MEASURED)
        return
    measured = {"better": ("smaller error", render.text)} if section.name == "evaluations" else {}
    told = [
        {"name": row.name, "a": cell(row, "a"), "b": cell(row, "b"), "better": getattr(row, "better", None)}
        for row in rows
    ]
    render.table(pd.DataFrame(told, dtype=object), {**BESIDE, **measured})


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else b - a
