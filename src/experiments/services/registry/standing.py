"""What the decisions on registered models come to: what is deployed, what was, and what is deleted.

The view `registered_models` says the same to SQL; it costs twice what reading the rows does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import REGISTRY
from experiments.services.decisions.chain import PRUNE, ROLLBACK
from experiments.services.registry.versions import CHAMPION
from experiments.storage.table import records, select, version_of

if TYPE_CHECKING:
    from experiments.storage.engine import Engine

Variant = tuple[str, str]
"""Name and version of a model."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What was decided on a version; as in `record.ModelVersion`."""

    alias: str | None = None
    deployment_status: str = "saved"
    deployed_at: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Standings:
    """What was decided on all versions.

    Attributes
    ----------
    by_variant : mapping of (str, str) to Standing
        Of versions that were ever deployed.
    deleted : mapping of (str, str) to str
        The `model_id` of those deleted, also where row and file are still to be removed.
    """

    by_variant: Mapping[Variant, Standing]
    deleted: Mapping[Variant, str]

    def of(self, model_name: str, version: str) -> Standing:
        """Of one version."""
        return self.by_variant.get((model_name, version), Standing())

    def version_of(self, model_name: str, alias: str) -> str | None:
        """The version of a model that has an alias."""
        held = (one for one, standing in self.by_variant.items() if one[0] == model_name and standing.alias == alias)
        return next((version for name, version in held if (name, version) not in self.deleted), None)


class StandingsReader:
    """Reads them, again only when the decisions have changed since."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._known = standings_in(())

    def read(self, engine: Engine) -> Standings:
        """What the decisions come to now."""
        newest = None if engine.location is None else version_of(engine, "decisions")
        if newest is None or newest != self._version:
            # the version of before the reading: what comes between is read again
            written = newest is None or newest > 0
            self._known = standings_in(records(select(engine, "registered_turns")) if written else ())
            self._version = newest
        return self._known


def standings_in(turns: Iterable[Mapping[str, Any]]) -> Standings:
    """What decisions come to, given in the order of each model's."""
    deleted: dict[Variant, str] = {}
    held: dict[tuple[str, str], tuple[Variant, int, dt.datetime]] = {}
    ended: dict[Variant, tuple[int, str]] = {}
    for number, turn in enumerate(turns):
        name = str(turn["commodity"]).removeprefix(REGISTRY)
        variant = name, str(turn["model_version"])
        if turn["kind"] == PRUNE:
            deleted[variant] = str(turn["experiment_id"])
            continue
        place = name, str(turn["alias"])
        if place in held:
            before, begun, _ = held[place]
            how = "rolled back" if turn["kind"] == ROLLBACK else "replaced"
            ended[before] = max(ended.get(before, (begun, how)), (begun, how))  # of two that ended, the one begun last
        held[place] = variant, number, turn["decided_at"].to_pydatetime()
    standings = {variant: Standing(deployment_status=how) for variant, (_, how) in ended.items()}
    # the champion last: a version that is both goes by it, and counts from the later of the two times
    for (_, alias), (variant, _, when) in sorted(held.items(), key=lambda one: one[0][1] == CHAMPION):
        if not variant[1]:  # an alias left without a version
            continue
        since = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
        other = standings.get(variant, Standing()).deployed_at
        standings[variant] = Standing(
            alias=alias, deployment_status="deployed", deployed_at=since if other is None else max(since, other)
        )
    return Standings(by_variant=standings, deleted=deleted)
