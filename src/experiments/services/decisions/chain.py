"""The chain of decisions of a commodity: what they come to, and adding to it so that of two at once one wins."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text, known
from experiments.errors import ConflictError, InvalidInputError
from experiments.identity import uuid7
from experiments.services.decisions.rules import REGISTERED, Grounds, as_json
from experiments.services.provenance import user
from experiments.storage.table import correct, merge_together, records, select, select_among, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.storage.engine import Engine

PROMOTE, ROLLBACK, PRUNE, RESTORE = "promote", "rollback", "prune", "restore"
_FIRST = ""
_OWN = ("decision_id", "commodity", "decided_at", "follows")  # of each decision, also of one on earlier evidence
_EVIDENCE = ("model_runs", "run_windows", "forecasts", "families")
_NEXT = dt.timedelta(milliseconds=1)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A row of `decisions`; its columns are told there."""

    decision_id: str
    commodity: str
    unique_id: str | None
    kind: str
    model_name: str
    model_version: str
    experiment_id: str | None
    decided_at: dt.datetime
    decided_by: str
    reason: str | None
    forced: bool
    rule: str
    verdict: str
    policy: str
    evidence: str
    evidence_digest: str
    table_versions: str | None
    undoes: str | None
    follows: str

    @property
    def grounds(self) -> Grounds:
        """What it rests on."""
        return Grounds(rule=self.rule, policy=json.loads(self.policy), evidence=json.loads(self.evidence))

    @property
    def told(self) -> str:
        """Who decided what and when, in words."""
        done = {PROMOTE: "promoted", ROLLBACK: "rolled back to", PRUNE: "pruned", RESTORE: "restored"}[self.kind]
        model = f"{self.model_name} {self.model_version}" if self.rule == REGISTERED else self.model_name
        return f"{self.decided_by} {done} {model} on {self.decided_at:%Y-%m-%d at %H:%M:%S} UTC"


@dataclass(frozen=True, kw_only=True)
class State:
    """What the decisions on a commodity come to.

    Attributes
    ----------
    promotions : mapping of str to tuple of Decision
        By series the promotions not rolled back, the one in force last.
    champions : mapping of str to Decision
        By series the promotion or rollback that put the model in production there.
    pruned : mapping of (str, str) to Decision
        By name and version the prunings in force.
    newest : Decision or None
        What the next decision follows.
    """

    promotions: dict[str, tuple[Decision, ...]]
    champions: dict[str, Decision]
    pruned: dict[tuple[str, str], Decision]
    newest: Decision | None


def read_decisions(engine: Engine, commodity: str | None = None, *, as_of: dt.datetime | None = None) -> list[Decision]:
    """The decisions on a commodity, or on all, in their order."""
    found = select(engine, "decisions_of", commodity=commodity, as_of=None if as_of is None else as_of.isoformat())
    rows = [{str(name): known(value) for name, value in row.items()} for row in found.to_dict("records")]
    return [Decision(**row | {"decided_at": row["decided_at"].to_pydatetime().replace(tzinfo=dt.UTC)}) for row in rows]


def state_of(decisions: Sequence[Decision]) -> State:
    """What the decisions on one commodity, in their order, come to."""
    promotions: dict[str, tuple[Decision, ...]] = {}
    champions: dict[str, Decision] = {}
    pruned: dict[tuple[str, str], Decision] = {}
    for one in decisions:
        variant = one.model_name, one.model_version
        if one.unique_id is not None:
            before = promotions.get(one.unique_id, ())
            promotions[one.unique_id] = (*before, one) if one.kind == PROMOTE else before[:-1]
            champions[one.unique_id] = one
        elif one.kind == PRUNE:
            pruned[variant] = one
        else:
            pruned.pop(variant, None)
    newest = decisions[-1] if decisions else None
    return State(promotions=promotions, champions=champions, pruned=pruned, newest=newest)


def runs_there(engine: Engine, decisions: Iterable[Decision]) -> set[str]:
    """The evaluations that decisions put in production and that are in the ledger still."""
    ids = [one.experiment_id for one in decisions if one.experiment_id is not None and one.rule != REGISTERED]
    if not ids:
        return set()
    return set(select_among(engine, "runs_there", "experiment_id", ids)["experiment_id"])


def row_of(
    engine: Engine, kind: str, variant: tuple[str, str], grounds: Grounds, *, reason: str | None
) -> dict[str, Any]:
    """The row of a decision on a model and version, but for what `append` adds; unforced, of no series."""
    versions = {table: version_of(engine, table) for table in _EVIDENCE}
    return {
        "unique_id": None,
        "kind": kind,
        "model_name": variant[0],
        "model_version": variant[1],
        "experiment_id": None,
        "decided_by": user(),
        "reason": reason,
        "forced": False,
        "rule": grounds.rule,
        "verdict": grounds.verdict.words,
        "policy": as_json(grounds.policy),
        "evidence": as_json(grounds.evidence),
        "evidence_digest": grounds.digest,
        "table_versions": as_json(versions),
        "undoes": None,
    }


def taken_again(kind: str, earlier: Decision, *, undoes: Decision, reason: str | None) -> dict[str, Any]:
    """The row of a decision that rests on the evidence of an earlier one."""
    kept = {name: value for name, value in vars(earlier).items() if name not in _OWN}
    return kept | {"kind": kind, "decided_by": user(), "reason": reason, "forced": False, "undoes": undoes.decision_id}


def check_reason(reason: str | None, *, needed: bool = False) -> str | None:
    """Return the reason for a decision, if it is one.

    Raises
    ------
    InvalidInputError
        If it is needed and there is none, or it is no text.
    """
    if reason is None and not needed:
        return None
    if reason is None:
        msg = "a forced promotion needs a reason: say why with --reason, in a few words."
        raise InvalidInputError(msg)
    return check_text("the reason", reason, "why, in a few words")


def append(engine: Engine, commodity: str, after: Decision | None, rows: Sequence[dict[str, Any]]) -> list[Decision]:
    """Record decisions that were made knowing the chain up to `after`: all of them, or none where it has gone on.

    The condition is part of the commit, so it holds at each retry of it.

    Raises
    ------
    ConflictError
        If another decision on the commodity was taken meanwhile; nothing was recorded.
    """
    now = dt.datetime.now(dt.UTC)
    if after is not None and now <= after.decided_at:  # another machine's clock is ahead
        now = after.decided_at + _NEXT
    stamp = {
        "commodity": commodity,
        "decided_at": now,
        "follows": _FIRST if after is None else after.decision_id,
    }
    # ids of one millisecond are in no order: each its own
    decisions = [
        Decision(**row | stamp | {"decision_id": uuid7(now + position * _NEXT)}) for position, row in enumerate(rows)
    ]
    given = [asdict(one) for one in decisions]
    if merge_together(engine, "decisions", given, key=("commodity", "follows"), pins=("commodity",)):
        return decisions
    chain = read_decisions(engine, commodity)
    if decisions[0].decision_id in {
        one.decision_id for one in chain
    }:  # recorded all the same: the answer to the first try was lost
        return decisions
    other = next(one for one in chain if one.follows == stamp["follows"])
    msg = f"another decision on {commodity} was taken meanwhile: {other.told}. Nothing was recorded; look again."
    raise ConflictError(msg)


def project(engine: Engine) -> int:
    """Make `is_production` what the decisions say; returns how many evaluations it was otherwise of."""
    return correct(
        engine,
        "model_runs",
        "is_production",
        lambda: _otherwise(engine),
        key=("experiment_id",),
        pins=("commodity", "run_month"),
    )


def _otherwise(engine: Engine) -> list[dict[str, Any]]:
    """The evaluations whose `is_production` is not what the decisions say."""
    return records(select(engine, "production_corrections"))


def repair(engine: Engine) -> None:
    """Put `is_production` right where a process died before it had, or somebody changed it; as far as one may write."""
    if engine.location is not None and (version_of(engine, "decisions") or 0) < 1:
        return  # made and never written to: looking at the log alone tells
    if _otherwise(engine):
        with suppress(Exception):  # whatever the engine says to who may only read
            project(engine)
