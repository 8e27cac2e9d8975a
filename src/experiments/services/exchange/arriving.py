"""Rows that arrive from another system: written in batches, counted where they are new."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.services.tracking.rows import KEYS, RUNNING, merge
from experiments.storage.table import merge_ended, select_among

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

BATCH = 100_000
"""Rows of a table that wait to be written together."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What an import found, and what of it was new to the ledger.

    `new` counts the rows written by table; of a dry run, those that would be at most. `ended` counts runs that were
    under way in the ledger and have ended since, `failed` says what could not be read and is tried again next time.
    """

    source: str
    runs: int
    new: Mapping[str, int]
    ended: int = 0
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(kw_only=True)
class Arrivals:
    """Rows on their way into the tables of run tracking."""

    engine: Engine
    new: Counter[str] = field(default_factory=Counter)
    _waiting: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, *rows: Row) -> None:
        """Take in rows; `write_full` decides when they are written."""
        self._waiting.setdefault(table, []).extend(rows)

    def write_full(self) -> None:
        """Write what waits, once it is a batch: asked between things that are to be written together."""
        if any(len(rows) >= BATCH for rows in self._waiting.values()):
            self.write()

    def write(self) -> None:
        """Write what waits, the runs last: one that is in the ledger has all that was there to import with it."""
        for table in sorted(KEYS, key=lambda name: name == "experiments"):
            if rows := self._waiting.pop(table, None):
                self.new[table] += merge(self.engine, table, rows)


def there(engine: Engine, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Which of these runs the ledger has: their `experiment_type` and `status` by id."""
    if not ids:
        return {}
    found = select_among(engine, "runs_with_id", "experiment_id", ids)
    return {
        str(row["experiment_id"]): {str(name): known(value) for name, value in row.items()}
        for row in found.to_dict("records")
    }


def settings_there(engine: Engine, ids: Sequence[str]) -> set[tuple[str, str]]:
    """The hyperparameters the ledger has of these runs, their models' left out: run and name."""
    if not ids:
        return set()
    found = select_among(engine, "settings_of_runs", "experiment_id", ids)
    return set(zip(found["experiment_id"], found["name"], strict=True))


def end_runs(engine: Engine, known: Mapping[str, Mapping[str, Any]], runs: Iterable[Row]) -> int:
    """Give runs that the ledger has as running the end they have had since; returns how many they were.

    Parameters
    ----------
    engine : Engine
    known : mapping
        As `there` found them before.
    runs : iterable of row
        Rows of `experiments` as they are now.
    """
    columns = ("experiment_id", "experiment_type", "status", "ended_at")
    ended = [
        # the partition is that of the row in the ledger
        {name: row[name] for name in columns} | {"experiment_type": has["experiment_type"]}
        for row in runs
        if row["status"] != RUNNING
        and (has := known.get(row["experiment_id"])) is not None
        and has["status"] == RUNNING
    ]
    if ended:
        merge_ended(engine, ended)
    return len(ended)
