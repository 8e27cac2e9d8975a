"""What this process tracks: its journal, what commits it, and the runs that are under way."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import ConflictError, ExperimentsError, InvalidInputError, NotFoundError
from experiments.identity import digest, time_of, uuid7
from experiments.services import provenance
from experiments.services.reproduction import code, seeds
from experiments.services.reproduction.command import is_script
from experiments.services.tracking.artifacts import store_of
from experiments.services.tracking.committing import Committer, log
from experiments.services.tracking.recovery import Recovered, journal_home, recover
from experiments.services.tracking.rows import DIFF, ENDS, MASK, RUNNING, reproduces
from experiments.storage.journal import Journal, journals, records_of
from experiments.storage.table import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.ledger import Ledger
    from experiments.services.tracking.artifacts import Kept
    from experiments.storage.engine import Engine

REPRODUCES = "EXPERIMENTS_REPRODUCES"
"""The environment variable that names the run a process runs again."""

_CODE_SECONDS = 5.0  # within which the code of a process is not looked at again
_SECRET = re.compile(
    r"(?i)pass(word|wd|phrase)?\b|pwd\b|secret|token|auth\b|authorization|bearer|credential|(api|access|private)[-_]?key"
)
_LOGIN = re.compile(r"(://)[^/@\s]+@")


@dataclass(kw_only=True)
class Run:
    """A run that this process logs to."""

    experiment_id: str
    name: str
    mine: bool
    names: set[str] = field(default_factory=set)
    parameters: dict[tuple[str, str], str] = field(default_factory=dict)
    linked: set[tuple[str, str]] = field(default_factory=set)


class Tracking:
    """Begins and ends runs, and writes what is logged to them.

    Made by `Ledger.tracking` when something is tracked for the first time.

    Parameters
    ----------
    ledger : Ledger
    engine : Engine

    Raises
    ------
    EngineError
        If the journal cannot be written.
    """

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self.where = ledger.where
        self._ledger, self._engine = ledger, engine
        self._home = journal_home(ledger.path, where=ledger.where, schema=ledger.schema)
        self.journal = Journal(self._home, uuid7(_now()))
        self._committer = Committer(engine, self.journal)
        self._runs: dict[str, Run] = {}
        self._lock = threading.Lock()
        self._user = provenance.user()
        self._environment: str | None = None
        self._code: tuple[float, code.CodeState, Kept | None] | None = None

    def begin(
        self,
        *,
        name: str,
        experiment_type: str,
        tags: Sequence[str],
        random_seed: int | None,
        parent_id: str | None,
        notes: str | None,
    ) -> Run:
        """Begin a run: what it is, and the code, packages, machine and command behind it."""
        state, diff = self._code_now()
        row = {
            "experiment_id": uuid7(_now()),
            "name": name,
            "experiment_type": experiment_type,
            "tags": [*tags, *([reproduces(again)] if (again := os.environ.get(REPRODUCES)) else [])],
            "random_seed": random_seed,
            "git_commit": state.commit,
            "git_branch": state.branch,
            "git_dirty": state.dirty,
            "git_remote": state.remote,
            "working_folder": state.folder,
            "command": command_line(),
            "seeded": list(seeds.seeded()),
            "python_version": sys.version.split()[0],
            "environment_id": self._environment_now(),
            "run_by": self._user,
            "parent_id": parent_id,
            "notes": notes,
        }
        run = Run(experiment_id=str(row["experiment_id"]), name=name, mine=True)
        self.journal.begin(run.experiment_id, {"row": row})
        self._runs[run.experiment_id] = run
        self._committer.soon()
        if diff is not None:
            self.keep(run, diff, {"commit": str(state.commit)})
        return run

    def attach(self, experiment_id: str) -> Run:
        """A run that was begun elsewhere, to log to it here; who began it ends it.

        Raises
        ------
        NotFoundError
            If there is no such run.
        ConflictError
            If it has ended.
        """
        if experiment_id in self._runs:
            return self._runs[experiment_id]
        self.check_known(experiment_id, running=True)
        run = Run(experiment_id=experiment_id, name="", mine=False)
        self._runs[experiment_id] = run
        return run

    def check_known(self, experiment_id: str, *, running: bool = False) -> None:
        """See that there is such a run: under way here, in the tables, or in the journal of another process.

        Raises
        ------
        NotFoundError
            If there is none.
        ConflictError
            If it is to be running, and has ended.
        """
        if experiment_id in self._runs:
            return
        status = self._status(experiment_id)
        if status is None:
            msg = f"there is no run {experiment_id!r} in {self.where}: give the id that start_experiment returned."
            raise NotFoundError(msg)
        if running and status != RUNNING:
            msg = f"the run {experiment_id} has ended ({status}): start another one."
            raise ConflictError(msg)

    def check_dataset(self, dataset_id: str) -> None:
        """See that there is such a dataset; a forked child, which has no engine, takes its parent's word.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        if self.journal.forked:
            return
        if select(self._engine, "dataset_there", dataset_id=dataset_id).empty:
            msg = f"there is no dataset {dataset_id!r} in {self.where}: register it with a DatasetManager."
            raise NotFoundError(msg)

    def _status(self, experiment_id: str) -> str | None:
        try:
            time_of(experiment_id)
        except (ValueError, AttributeError, TypeError):
            return None
        found = None
        for folder in journals(self._home):
            for record in records_of(folder):
                if record["kind"] == "run" and record["row"]["experiment_id"] == experiment_id:
                    found = found or RUNNING
                elif record["kind"] == "end" and record["run"] == experiment_id:
                    found = str(record["status"])
        if found is None and not self.journal.forked:
            rows = select(self._engine, "status_of_run", experiment_id=experiment_id)
            found = None if rows.empty else str(rows["status"].iloc[0])
        return found

    def end(self, run: Run, status: str) -> None:
        """End a run that was begun here."""
        self._runs.pop(run.experiment_id, None)
        if not self.journal.forked:  # a child may end its part; the run is the parent's
            self.journal.record("end", {"run": run.experiment_id, "status": status})
            self._committer.soon()

    def keep(self, run: Run, kept: Kept, metadata: dict[str, str]) -> str:
        """Record an artifact whose content is kept; returns its id."""
        artifact_id = digest([run.experiment_id, kept.name, kept.sha256])
        row = {"artifact_id": artifact_id, **vars(kept), "metadata": metadata}
        self.journal.record("artifact", {"run": run.experiment_id, "row": row})
        return artifact_id

    def flush(self) -> None:
        """Bring everything logged so far onto the disk and into the tables, also what children have left.

        Raises
        ------
        EngineError
            If the tables cannot be written: it stays in the journal and is tried again.
        """
        if self.journal.forked:  # the engine is the parent's; it commits what this process leaves behind
            self.journal.sync()
            return
        self._committer.commit()
        self.recover()

    def settle(self) -> None:
        """Commit what is not in the tables yet, as far as that can be done: who asks this process sees what it did."""
        if not self.journal.forked and self._committer.is_behind:
            self._committer.settle()

    def recover(self) -> list[Recovered]:
        """Bring what dead processes have left into the tables."""
        return recover(self._engine, self._home, self.journal.name)

    def close(self) -> None:
        """End what is still under way as incomplete, commit everything and be done with the journal.

        Raises
        ------
        EngineError
            If the tables cannot be written: what was logged stays in the journal.
        """
        for run in [run for run in self._runs.values() if run.mine]:
            self.end(run, "incomplete")  # nobody said how it went
        try:
            self._committer.close()
        finally:
            self._runs.clear()
        self.recover()

    def _environment_now(self) -> str:
        """The id of the environment, recorded once."""
        with self._lock:
            if self._environment is None:
                row = provenance.environment(self._engine.cluster, whole=True)
                self.journal.record("environment", {"row": row})
                self._environment = str(row["environment_id"])
            return self._environment

    def _code_now(self) -> tuple[code.CodeState, Kept | None]:
        """The code as it is, looked at again when that was some time ago, and what differs from its commit, kept."""
        with self._lock:
            if self._code is None or time.monotonic() - self._code[0] > _CODE_SECONDS:
                state = code_of_run()
                self._code = (time.monotonic(), state, self._kept_diff(state))
            return self._code[1:]

    def _kept_diff(self, state: code.CodeState) -> Kept | None:
        if state.diff is None:
            return None
        try:
            return store_of(self._ledger).keep(state.diff, DIFF, "code")
        except ExperimentsError as error:  # a run is not refused for what was changed since the commit
            log.warning("experiments: the changes since the commit are not kept: %s", error)
            return None


def code_of_run() -> code.CodeState:
    """The code around the current folder; where there is none, that around the script this process runs."""
    state = code.state()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if state.commit is not None or script is None:
        return state
    file = Path(script).absolute()
    try:
        code.git("ls-files", "--error-unmatch", "--", file.name, folder=file.parent)
    except (code.GitError, OSError):  # not of a repository: a tool that is installed inside one, for instance
        return state
    return code.state(file.parent)


def command_line() -> list[str] | None:
    """The command this process was started with, the values of what looks like a secret masked; None in a notebook."""
    given = list(sys.orig_argv)
    if not is_script(given):
        return None
    masked, hide = [], False
    for part in given:
        name, equals, _ = part.partition("=" if "=" in part else ":")
        named = _SECRET.search(name) is not None
        if hide and not part.startswith("--"):
            masked.append(MASK)
        elif named and equals:
            masked.append(f"{name}{part[len(name)]}{MASK}")
        else:
            masked.append(_LOGIN.sub(rf"\1{MASK}@", part))
        hide = named and not equals and part.startswith("-")
    return masked


def check_status(status: object) -> str:
    """Return `status` if a run may end so.

    Raises
    ------
    InvalidInputError
        If it may not.
    """
    if status not in ENDS:
        msg = f"the status is {status!r}: a run ends as one of {', '.join(ENDS)}."
        raise InvalidInputError(msg)
    return str(status)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
