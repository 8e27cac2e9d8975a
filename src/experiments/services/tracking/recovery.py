"""What processes that have died left in their journals, brought into the tables at the next connect."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import EngineError, first_line
from experiments.identity import digest
from experiments.storage.journal import Damage, Place, claim_dead, finish, journals, read
from experiments.storage.journal import committed as noted
from experiments.storage.table import merge_ended

if TYPE_CHECKING:
    from experiments.storage.engine import Engine

log = logging.getLogger("experiments")

_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What was brought into the tables from the journal of a process that died.

    Attributes
    ----------
    journal : str
        Its name.
    n_records, n_points : int
        What was found in it that had not been noted as committed.
    crashed : tuple of str
        The runs it left without an end.
    damage : Damage
        What of it could not be read.
    """

    journal: str
    n_records: int
    n_points: int
    crashed: tuple[str, ...]
    damage: Damage

    def __str__(self) -> str:
        found = f"recovered {self.n_records:,} records and {self.n_points:,} points that a process left behind"
        if self.crashed:
            more = "" if len(self.crashed) <= _LISTED else f" and {len(self.crashed) - _LISTED:,} more"
            found += f"; crashed: {', '.join(self.crashed[:_LISTED])}{more}"
        if self.damage:
            found += (
                f"; {self.damage.records} records and {self.damage.points} points were damaged and are lost, "
                f"the journal is kept as damaged/{self.journal}"
            )
        return found


def journal_home(path: Path | None, *, where: str, schema: str) -> Path:
    """The folder of a ledger's journals: below EXPERIMENTS_JOURNAL, else in the ledger's own folder.

    On Databricks, where a ledger has no folder, a temporary one of the machine: it outlives the process, not the
    machine, so a cluster that comes and goes should have EXPERIMENTS_JOURNAL.

    Parameters
    ----------
    path : Path or None
        The folder of the ledger.
    where, schema : str
        The ledger, as it is called.
    """
    chosen = os.environ.get("EXPERIMENTS_JOURNAL")
    if not chosen and path is not None:
        return path / "journal"
    base = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"experiments-journal-{os.getuid()}"
    return base / digest([where if path is None else str(path.absolute()), schema])


def recover_left(engine: Engine, home: Path) -> tuple[Recovered, ...]:
    """As `recover`, where there is anything to recover and one may; what cannot be written is said, and stays."""
    if not journals(home) or not os.access(home, os.W_OK):
        return ()
    try:
        return tuple(recover(engine, home))
    except EngineError as error:
        log.warning("experiments: %s", error)
        return ()


def recover(engine: Engine, home: Path, parent: str | None = None) -> list[Recovered]:
    """Bring the journals of processes that have died into the tables; their runs end as crashed.

    A journal that is in use is left alone. Killed on the way, or run by two processes at once, the next call ends the
    same.

    Parameters
    ----------
    engine : Engine
    home : Path
        The folder of the journals.
    parent : str, optional
        The journal of this process: what children forked from it leave is nothing to speak of.

    Raises
    ------
    EngineError
        If the tables cannot be written; the journals stay.
    """
    found: list[Recovered] = []
    for folder in claim_dead(home):
        try:
            one = _recover(engine, folder)
        except Exception as error:
            msg = f"the journal {folder} of a process that died cannot be committed: {first_line(error)} It stays."
            raise EngineError(msg) from error
        finish(folder, damaged=bool(one.damage))
        if one.n_records or one.n_points or one.crashed or one.damage:
            if one.crashed or one.damage or parent is None or not one.journal.startswith(f"{parent}-"):
                log.warning("experiments: %s", one)
            found.append(one)
    return found


def _recover(engine: Engine, folder: Path) -> Recovered:
    """Commit what of a claimed journal is not noted as committed; the records before it say what the rest is about."""
    from experiments.services.tracking.batches import Known, end_of
    from experiments.services.tracking.committing import BATCH, write

    known, before = Known(), noted(folder)
    place = Place(points=before.points)
    lines = slots = n_records = n_points = last = 0
    while (batch := read(folder, place, limit=BATCH, verify=True)).upto != place:
        known.learn(batch.records)
        last = max([last, *(record["time"] for record in batch.records)])
        last = max(last, int(batch.points["time"].max(initial=0)))
        new = [record for record in batch.records if record["at"] >= before.records]
        lost = write(engine, replace(batch, records=new), folder.name, known)
        n_records += sum(record["kind"] != "word" for record in new)
        n_points += len(batch.points) - lost
        lines, slots = lines + batch.damage.records, slots + batch.damage.points + lost
        place = batch.upto
    crashed = [run for run in known.runs if run not in known.ended]
    merge_ended(engine, [end_of(run, known.runs[run], "crashed", last) for run in crashed])
    return Recovered(
        journal=folder.name,
        n_records=n_records,
        n_points=n_points,
        crashed=tuple(crashed),
        damage=Damage(records=lines, points=slots),
    )
