"""The commands `reproduce` and `checklist`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from experiments.cli import FAILED, render
from experiments.cli.asking import open_ledger
from experiments.cli.options import json_option, ledger_options
from experiments.definitions import counted

if TYPE_CHECKING:
    from experiments.services.reproduction.checklist import Checklist
    from experiments.services.reproduction.reproduce import Reproduction

DIFFERENCES: render.Columns = {
    "name": ("", render.text),
    "stored": ("then", render.text),
    "now": ("now", render.text),
}

METRICS: render.Columns = {"name": ("metric", render.text), "told": ("run again", render.text)}

ITEMS: render.Columns = {
    "answer": ("", render.text),
    "item": ("item", render.text),
    "seen": ("what was seen", render.text),
}


@click.command()
@click.argument("experiment_id", metavar="ID")
@click.option(
    "--repository",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False),
    help="Repository with the code of the run; by default the one of the current folder.",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds after which to end it.")
@click.option("--keep", is_flag=True, help="Leave the checked out code where it was run.")
@ledger_options
@json_option
def reproduce(  # noqa: PLR0913  one argument an option
    *,
    experiment_id: str,
    repository: str | None,
    timeout: float | None,
    keep: bool,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Run a run again and say whether it logs the same.

    This runs the command that is recorded, as you. Its commit is checked out beside your repository, which
    stays as it is, with the changes it had; the repetition is recorded in the same ledger and tagged
    reproduces=ID. ID is the run's, or the beginning of it.

    Exit code 0 if every metric is the same to the bit, 1 if one is not or the command failed.

    \b
    Example:
      experiments reproduce 019a9e3c
      experiments reproduce 019a9e3c --repository ~/code/agent --timeout 600
    """  # noqa: D301  \b keeps click from filling the paragraph
    from pathlib import Path

    from experiments.services.reproduction.reproduce import reproduce as run_again

    with open_ledger(path, engine) as ledger:
        result = run_again(
            ledger,
            experiment_id,
            folder=None if repository is None else Path(repository),
            keep=keep,
            timeout=timeout,
            progress=lambda line: click.echo(line, err=True),
        )
    if as_json:
        render.as_json(
            vars(result)
            | {"environment": [vars(one) for one in result.environment]}
            | {"metrics": [vars(one) | {"same": one.same, "told": one.told} for one in result.metrics]}
        )
    else:
        _print(result)
    if result.verdict != "same":
        sys.exit(FAILED)


@click.command()
@click.argument("experiment_id", metavar="ID")
@ledger_options
@json_option
def checklist(experiment_id: str, path: str, engine: str | None, as_json: bool) -> None:
    """Answer the reproducibility checklist for a run.

    Every item is answered from what is recorded: yes, no, unknown, or that it does not apply to the run. ID
    is the run's, or the beginning of it.

    \b
    Example:
      experiments checklist 019a9e3c
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.reproduction.checklist import checklist as answer

    with open_ledger(path, engine) as ledger:
        result = answer(ledger, experiment_id)
    if as_json:
        render.as_json(vars(result) | {"items": [vars(one) for one in result.items], "counts": result.counts})
    else:
        _print_items(result)


def _print(result: Reproduction) -> None:
    import pandas as pd

    if result.environment:
        matter = [vars(one) for one in result.environment if one.matters]
        others = len(result.environment) - len(matter)
        if matter:
            click.echo("What it runs on is not as it was, and that can change results:")
            render.table(pd.DataFrame(matter), DIFFERENCES)
        if others:
            click.echo(f"Note: {counted(others, 'difference')} of packages and machine that should not (see --json).")
    if result.metrics:
        render.table(pd.DataFrame([{"name": one.name, "told": one.told} for one in result.metrics]), METRICS)
    for line in result.output if result.verdict == "failed" else ():
        click.echo(f"| {line}")
    for note in result.notes:
        click.echo(f"Note: {note}.")
    if result.worktree:
        click.echo(f"The code is left in {result.worktree}: 'git worktree remove --force' takes it away.")
    made = f" as {result.again}" if result.again else ""
    click.echo(f"Run {result.experiment_id}{made} ({result.seconds:.1f} s): {result.told}.")


def _print_items(result: Checklist) -> None:
    import pandas as pd

    frame = pd.DataFrame([vars(one) for one in result.items])
    for section, items in frame.groupby("section", sort=False):
        click.echo(section)
        render.table(items, ITEMS)
    counts = ", ".join(f"{count} {answer}" for answer, count in result.counts.items())
    click.echo(f"{result.name} ({result.experiment_id}): {counts}.")
