"""Runs of an MLflow server or store, imported: parameters, metric histories, tags, artifacts, times, parents.

What becomes of what:

- A run is a run under its name, with its start and end, user, commit, note and parent; FINISHED is completed, KILLED
  crashed, SCHEDULED running. Its experiment is the tag `mlflow.experiment=NAME`, a dataset it logged the tag
  `mlflow.dataset.CONTEXT=NAME@DIGEST`, any other tag `key=value`, or `key` where the value is empty.
- A param is a hyperparameter, typed as `texts.typed` says: MLflow has text only.
- Every point of every metric is a point with its step and time, NaN and infinities included (MLflow's SQL stores have
  the largest double for infinity).
- Every file among the artifacts is an artifact under its path.

A run the ledger exported (`mlflow_export`) is known by its tag and comes back as what it was, under its own id.

Imported again, only what is not in the ledger yet is written: new runs, points, params and files, and the end of runs
that have ended. A file is taken for the same where path and size are, or where it lies below a folder artifact that the
run has here; params and tags of MLflow that were changed, and anything that was deleted, stay as they were imported.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import ExperimentsError, first_line
from experiments.identity import digest
from experiments.services.exchange.arriving import Arrivals, Arrived, end_runs, settings_there, there
from experiments.services.exchange.carried import moment
from experiments.services.exchange.local_store import check_store
from experiments.services.exchange.mlflow_rows import PARENT_TAG, Imported, imported, new_points
from experiments.services.exchange.server import (
    ID_TAG,
    connected,
    experiments_of,
    files_of,
    run_or_none,
    runs_of,
    shown,
)
from experiments.services.progress import progress_bar
from experiments.services.tracking.artifacts import ArtifactStore, store_of
from experiments.services.tracking.runs import points
from experiments.storage.table import select, select_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from experiments.services.ledger import Ledger
    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

AT_ONCE = 8
"""Runs that are asked for at the same time."""

SLOW = 50
"""Runs from which a bar is shown: fewer take less than two seconds."""


def import_mlflow(
    ledger: Ledger, uri: str, *, experiments: Sequence[str] | None = None, progress: bool = True
) -> Arrived:
    """Import the runs of an MLflow server or store, or what is new in them since they were imported last.

    Parameters
    ----------
    ledger : Ledger
    uri : str
        Of the tracking server or store: "http://localhost:5000", "sqlite:///mlflow.db", or a folder of runs.
    experiments : sequence of str, optional
        Names of the experiments whose runs are imported; by default all.
    progress : bool
        Whether to show a bar where it takes longer than about two seconds.

    Returns
    -------
    Arrived
        `failed` names what could not be read: artifacts in a place that cannot be reached from here. The rest of the
        run is imported, and the artifacts by the next import.

    Raises
    ------
    NotFoundError
        If an experiment is not known, or the URI leads to a file or folder that is not there: none is made.
    InvalidInputError
        If the URI is no text, or leads to a file or folder that is no store of MLflow, a run started at no possible
        time, or the ledger has no place for artifacts.
    EngineError
        If mlflow is not installed, or the server cannot be reached or refuses a request.
    """
    check_store(uri)
    with connected(uri) as client:
        names = experiments_of(client, experiments)
        runs = [imported(run, names[run.info.experiment_id]) for run in runs_of(client, list(names))]
        done = _Import(client=client, ledger=ledger, runs=runs)
        with progress_bar("import", total=len(runs), enabled=progress and len(runs) >= SLOW) as advance:
            for first in range(0, len(runs), AT_ONCE):
                done.take(runs[first : first + AT_ONCE])
                advance("", len(runs[first : first + AT_ONCE]))
        return done.finish(shown(uri))


@dataclass(frozen=True, kw_only=True)
class _Fetched:
    """What MLflow has of a run beside what a search tells: its points and its files, kept."""

    points: list[Metric]
    artifacts: list[Row]
    failed: list[str]


@dataclass(kw_only=True)
class _Import:
    """An import under way."""

    client: MlflowClient
    ledger: Ledger
    runs: Sequence[Imported]
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        engine = self.ledger.engine
        ids = [run.experiment_id for run in self.runs]
        self.arrivals = Arrivals(engine=engine)
        self.known = there(engine, ids)
        self._settings = settings_there(engine, ids)
        self._files = _files_there(engine, ids)
        self._folders: dict[str, tuple[str, ...]] = {}
        self._last = _last_points(engine, ids)
        self._rows: list[Row] = []
        self._parents = {run.run.info.run_id: run.experiment_id for run in self.runs}
        self._store: ArtifactStore | None = None

    def take(self, runs: Sequence[Imported]) -> None:
        """Bring what is new of some runs."""
        self._folders = {run.experiment_id: self._folders_of(run) for run in runs}
        with ThreadPoolExecutor(AT_ONCE) as threads:
            fetched = list(threads.map(self._fetch, runs))
        for run, found in zip(runs, fetched, strict=True):
            row = run.row(self._parent(run))
            self._rows.append(row)
            new = [one for one in run.settings() if (run.experiment_id, one["name"]) not in self._settings]
            self.arrivals.add("hyperparameters", *new)
            last = self._last.get(run.experiment_id)
            has = None if last is None else points(self.ledger.engine, run.experiment_id)
            self.arrivals.add("metrics", *new_points(run.points(found.points), has, -1 if last is None else last))
            self.arrivals.add("artifacts", *found.artifacts)
            self.failed += found.failed
            if run.experiment_id not in self.known:
                self.arrivals.add("experiments", row)
            self.arrivals.write_full()

    def finish(self, source: str) -> Arrived:
        """Write what is left, and end the runs that have ended."""
        self.arrivals.write()
        ended = end_runs(self.ledger.engine, self.known, self._rows)
        return Arrived(
            source=source, runs=len(self.runs), new=dict(self.arrivals.new), ended=ended, failed=tuple(self.failed)
        )

    def _fetch(self, run: Imported) -> _Fetched:
        """The points and files of a run; only files that the ledger does not have are downloaded."""
        run_id = run.run.info.run_id
        history = [point for name in run.run.data.metrics for point in self.client.get_metric_history(run_id, name)]
        rows: list[Row] = []
        failed: list[str] = []
        try:
            new = [
                one.path
                for one in files_of(self.client, run.run)
                if (run.experiment_id, one.path, one.file_size or 0) not in self._files
                and not one.path.startswith(self._folders[run.experiment_id])
            ]
            rows = [self._kept(run, path) for path in new]
        except ExperimentsError:
            raise
        except Exception as error:  # noqa: BLE001  each kind of store has errors of its own
            reason = first_line(error)[:200]
            failed = [f"artifacts of the MLflow run {run_id} cannot be read: {reason}"]
        return _Fetched(points=history, artifacts=rows, failed=failed)

    def _folders_of(self, run: Imported) -> tuple[str, ...]:
        """The beginnings of paths below the folder artifacts that a run has here."""
        # MLflow has no folders as such: only in runs the ledger exported are there files that are part of one
        if run.experiment_id not in self.known or run.run.data.tags.get(ID_TAG) != run.experiment_id:
            return ()
        where = {"experiment_id": run.experiment_id, "run_month": run.month}
        found = select(self.ledger.engine, "run_artifacts", **where)
        return tuple(f"{name}/" for name, is_folder in zip(found["name"], found["is_folder"], strict=True) if is_folder)

    def _kept(self, run: Imported, path: str) -> Row:
        """A file downloaded and kept, as a row of `artifacts`."""
        if self._store is None:
            self._store = store_of(self.ledger)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(self.client.download_artifacts(run.run.info.run_id, path, folder))
            kept = self._store.keep(file, path)
        return {
            **vars(kept),
            "artifact_id": digest([run.experiment_id, kept.name, kept.sha256]),
            "experiment_id": run.experiment_id,
            "metadata": {},
            "logged_at": moment(run.run.info.end_time or run.run.info.start_time or 0),
            "run_month": run.month,
        }

    def _parent(self, run: Imported) -> str | None:
        """The id of the run this one is part of."""
        parent = run.run.data.tags.get(PARENT_TAG)
        if parent is not None and parent not in self._parents:
            found = run_or_none(self.client, parent)
            if found is not None:
                self._parents[parent] = imported(found, "").experiment_id
        return self._parents.get(parent or "")


def _files_there(engine: Engine, ids: Sequence[str]) -> set[tuple[str, str, int]]:
    """The artifacts of these runs in the ledger: run, name and size in bytes."""
    if not ids:
        return set()
    found = select_among(engine, "artifacts_of_runs", "experiment_id", ids)
    return set(zip(found["experiment_id"], found["name"], found["size_bytes"].astype(int), strict=True))


def _last_points(engine: Engine, ids: Sequence[str]) -> dict[str, int]:
    """The last place in the journal of its import of each of these runs that has points; -1 where none was imported."""
    if not ids:
        return {}
    found = select_among(engine, "last_points", "experiment_id", ids)
    return dict(zip(found["experiment_id"], found["last_position"].astype(int), strict=True))
