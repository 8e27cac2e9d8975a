"""Candidates for pruning: models held against a rule, and which of those that stay is the nearest to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.services.decisions.rules import Grounds


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model held against a rule for pruning, and why it is kept whatever the rule says, if it is."""

    commodity: str
    model_name: str
    model_version: str
    grounds: Grounds
    kept: str | None


def nearest(judged: Iterable[Candidate]) -> Candidate | None:
    """Of the models not shown to be worse than naive, the one whose error is furthest above naive's."""
    others = [one for one in judged if not one.grounds.verdict.met and "excess" in one.grounds.verdict.figures]
    return max(others, key=lambda one: one.grounds.verdict.figures["excess"], default=None)
