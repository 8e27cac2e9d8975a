"""From the journal into the tables: in batches, by MERGE, so that what is merged twice is there once."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from experiments.errors import EngineError, first_line
from experiments.services.tracking.batches import Known, ends_of, points_of, rows_of
from experiments.services.tracking.rows import KEYS, PINS, RANGES, merge
from experiments.storage.journal import Batch, Journal, Place, note_committed, read
from experiments.storage.table import merge_arrow, merge_ended

if TYPE_CHECKING:
    from experiments.storage.engine import Engine

log = logging.getLogger("experiments")

BATCH = 500_000
"""Points committed at once, which bounds the memory it takes."""

_SYNC_SECONDS = 1.0
_COMMIT_SECONDS = 10.0
_GIVE_UP_SECONDS = 60.0


class Committer:
    """Commits what this process logs: in the background, at the end of runs, and when asked.

    Parameters
    ----------
    engine : Engine
    journal : Journal
    """

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine, self._journal = engine, journal
        self._known, self._done = Known(), Place()
        self._turn = threading.Lock()
        self._wanted, self._stopping = threading.Event(), threading.Event()
        self._failing: str | None = None
        self._thread = threading.Thread(target=self._work, name="experiments-commit", daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """Have the background commit without waiting for its interval."""
        self._wanted.set()

    @property
    def is_behind(self) -> bool:
        """Whether something logged is not in the tables yet."""
        return self._done != self._journal.end

    def commit(self) -> None:
        """Bring everything logged before this call onto the disk and into the tables.

        Raises
        ------
        EngineError
            If the tables cannot be written: what was logged stays in the journal and is tried again.
        """
        self._journal.sync()
        with self._turn:
            upto = self._journal.end
            try:
                while self._done != upto:
                    batch = read(self._journal.folder, self._done, limit=BATCH, verify=False, end=upto)
                    self._known.learn(batch.records)
                    write(self._engine, batch, self._journal.name, self._known)
                    self._done = batch.upto
                    note_committed(self._journal.folder, self._done)
            except Exception as error:
                if not self._journal.folder.is_dir():
                    msg = f"the journal {self._journal.folder} was removed: what was logged since is lost."
                    raise EngineError(msg) from error
                msg = (
                    f"what was logged cannot be committed: {first_line(error)} It is safe in the journal "
                    f"{self._journal.folder} and is tried again, at the latest when the ledger is opened next."
                )
                raise EngineError(msg) from error
            self._failing = None

    def close(self) -> None:
        """Stop the background and commit what is left; a journal that is wholly in the tables goes.

        Raises
        ------
        EngineError
            As `commit`.
        """
        self._stopping.set()
        self._wanted.set()
        self._thread.join(timeout=_GIVE_UP_SECONDS)
        try:
            self.commit()
        finally:
            self._journal.close(remove=not self.is_behind)

    def _work(self) -> None:
        due = time.monotonic() + _COMMIT_SECONDS
        while not self._stopping.is_set():
            wanted = self._wanted.wait(_SYNC_SECONDS)
            if self._stopping.is_set():
                return
            self._wanted.clear()
            self._journal.sync()
            if wanted or time.monotonic() >= due or self._journal.end.points - self._done.points >= BATCH:
                if self.is_behind:
                    self.settle()
                due = time.monotonic() + _COMMIT_SECONDS
                self._stopping.wait(_SYNC_SECONDS)  # many runs that end at once are committed together

    def settle(self) -> None:
        """Commit what can be; what cannot is said once, and tried again later."""
        try:
            self.commit()
        except EngineError as error:
            if str(error) != self._failing:
                log.warning("experiments: %s", error)
            self._failing = str(error)


def write(engine: Engine, batch: Batch, journal_id: str, known: Known) -> int:
    """Merge a batch, the runs themselves last; returns how many points belong to no run that could be read."""
    rows = rows_of(batch.records, journal_id)
    ends = {row["experiment_id"]: row for row in ends_of(batch.records, known)}
    begun = [row | ends.get(row["experiment_id"], {}) for row in rows.pop("experiments", ())]
    points, lost = points_of(batch, journal_id, known)
    for table in KEYS:
        if table in rows:
            merge(engine, table, rows[table])
        if table == "metrics":
            merge_arrow(engine, table, points, key=KEYS[table], pins=PINS[table], ranges=RANGES[table])
    inserted = merge(engine, "experiments", begun)
    new = {row["experiment_id"] for row in begun} if inserted == len(begun) else set()
    merge_ended(engine, [row for run, row in ends.items() if run not in new])
    return lost
