"""What became of each commodity of a file, told as soon as it is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.backtests import print_notes, record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.services.jobs import Outcome


def print_outcomes(outcomes: Iterable[Outcome], *, quiet: bool) -> list[Outcome]:
    """Tell of each commodity as soon as it is done."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        _say(outcome, quiet=quiet)
    return done


def conclude(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print them all as JSON where that is asked for; leave with exit code 1 if one failed."""
    if as_json:
        render.as_json([_record(outcome) for outcome in outcomes])
    if any(outcome.error for outcome in outcomes):
        sys.stdout.flush()
        sys.exit(FAILED)


def _say(outcome: Outcome, *, quiet: bool) -> None:
    """Tell of one commodity as soon as it is done."""
    what = outcome.commodity if outcome.as_of is None else f"{outcome.commodity} as of {outcome.as_of}"
    if outcome.error is not None:
        click.echo(f"error: {what}: {outcome.error}", err=True)
    if quiet or outcome.result is None:
        return
    print_notes(outcome.result)
    for choice in outcome.choices:
        click.echo(choice.reason)
    fitted = f"{outcome.result.n_fits} fits, {outcome.result.n_reused} forecasts recorded before"
    click.echo(f"{what}: {fitted}, {outcome.result.seconds:.0f} s.")


def _record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it."""
    done = {} if outcome.result is None else record(outcome.result, outcome.choices)
    return {"commodity": outcome.commodity, "as_of": outcome.as_of, "error": outcome.error} | done
