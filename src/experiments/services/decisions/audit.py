"""The audit: every decision replayed from the evidence recorded with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.services.decisions.chain import Decision, read_decisions, runs_there
from experiments.services.decisions.rules import REGISTERED
from experiments.services.evidence import as_of_time

if TYPE_CHECKING:
    import datetime as dt

    from experiments.storage.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A decision, and what is wrong with it: nothing, where its evidence is whole and gives its verdict again."""

    decision: Decision
    problems: tuple[str, ...]


def audit(engine: Engine, *, as_of: dt.date | str | None = None) -> list[Audited]:
    """Every decision taken by a time, each replayed.

    Raises
    ------
    InvalidInputError
        If `as_of` is no date.
    """
    decisions = read_decisions(engine, as_of=as_of_time(as_of))
    ids = {one.decision_id for one in decisions}
    there = runs_there(engine, decisions)
    audited = []
    for one in decisions:
        problems = _replayed(one)
        if one.follows and one.follows not in ids:
            problems.append("the decision it follows is gone")
        if one.experiment_id is not None and one.rule != REGISTERED and one.experiment_id not in there:
            problems.append("its evaluation is no longer in the ledger")
        audited.append(Audited(decision=one, problems=tuple(problems)))
    return audited


def _replayed(one: Decision) -> list[str]:
    """What is wrong with the evidence of a decision, or with what it was said to say."""
    try:
        grounds = one.grounds
        words = grounds.verdict.words
    except (ValueError, LookupError, TypeError) as error:
        return [f"its evidence cannot be read: {error}"]
    problems = []
    if grounds.digest != one.evidence_digest:
        problems.append("its evidence is not what it was taken on: the digest differs")
    if words != one.verdict:
        problems.append(f"replayed, its evidence says: {words}")
    return problems
