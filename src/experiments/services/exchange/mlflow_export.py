"""Runs of the ledger, exported to an MLflow server or store.

A run becomes a run with its name, start and end, user, commit, note, parent, tags, hyperparameters, artifacts, and
every point of its metrics. What MLflow has no place for goes into the tag `experiments.run` as JSON, so that
`mlflow_import` makes the same run of it again; the tag `experiments.experiment_id` tells that a run is there already.

MLflow has less to say, and this is what of:

- A point has one place: the step, else the episode, else the epoch, else 0; and its time in milliseconds. Two points
  that are then the same are one. Of a distribution its mean goes over.
- Names have letters, digits, `_-. :/` only, a param at most 6,000 characters, a tag 8,000. What does not fit is left
  out, and named in the notes.
- A path has one content: of artifacts of one name the latest goes over, and the notes say which had others before.
- Hyperparameters of single models, datasets, environments and evaluations of backtests stay in the ledger.

Exported again, only what is not there yet is sent: an export that broke off is gone on with, a run that went on since
brings what is new. A run that was imported from the server it would go to is left as it is there.
"""

from __future__ import annotations

import hashlib
import posixpath
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError
from experiments.services.exchange.carried import carried, milliseconds_of, places, plain_row
from experiments.services.exchange.limits import (
    LONGEST_PARAM,
    LONGEST_TAG,
    METRICS_A_CALL,
    PARAMS_A_CALL,
    fits,
    fitting,
    listed,
)
from experiments.services.exchange.local_store import check_store
from experiments.services.exchange.mlflow_rows import COLUMN_TAGS, PARENT_TAG, STATUS_OF, told_apart, value_of
from experiments.services.exchange.server import (
    EXPERIMENT_TAG,
    ID_TAG,
    ROW_TAG,
    connected,
    experiments_of,
    files_of,
    run_or_none,
    runs_of,
    shown,
)
from experiments.services.exchange.texts import as_text
from experiments.services.progress import progress_bar
from experiments.services.tracking.artifacts import holder_of
from experiments.services.tracking.rows import month_of
from experiments.services.tracking.runs import COUNTED_BY, points, resolve
from experiments.storage.table import select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from experiments.services.ledger import Ledger

SLOW = 20
"""Runs from which a bar is shown: fewer take less than two seconds."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export sent: `new` counts runs, metrics (points), params, tags and artifacts (files) that were not there.

    `origin` counts runs that were imported from there, and so are there already.
    """

    target: str
    runs: int
    new: Mapping[str, int]
    origin: int = 0
    notes: tuple[str, ...] = ()


def export_mlflow(
    ledger: Ledger,
    uri: str,
    *,
    experiment: str | None = None,
    ids: Sequence[str] | None = None,
    progress: bool = True,
) -> Exported:
    """Export runs to an MLflow server or store, or what is new in them since they were exported last.

    Parameters
    ----------
    ledger : Ledger
    uri : str
        As in `import_mlflow`; a store on this machine is made where there is none, in a folder that is there.
    experiment : str, optional
        The MLflow experiment that new runs go to; by default the one a run was imported from, else one named after the
        type of the run. It is made where there is none.
    ids : sequence of str, optional
        The runs, by their ids or unique beginnings; by default all but evaluations of backtests.
    progress : bool
        Whether to show a bar where it takes longer than about two seconds.

    Raises
    ------
    NotFoundError
        If a run is not known, or the folder a store would be made in.
    InvalidInputError
        If the URI is no text, or leads to a file or folder that is no store of MLflow, the beginning of an id is that
        of several runs, or a run is an evaluation of a backtest.
    EngineError
        If mlflow is not installed, the server cannot be reached or refuses a request, or an artifact is damaged.
    """
    check_store(uri, may_be_made=True)
    rows = _chosen(ledger, ids)
    with connected(uri) as client:
        done = _Export(client=client, ledger=ledger, experiment=experiment)
        with progress_bar("export", total=len(rows), enabled=progress and len(rows) >= SLOW) as advance:
            for row in rows:
                done.send(row)
                advance(row["name"])
    return Exported(
        target=shown(uri),
        runs=len(rows),
        new={name: count for name, count in done.new.items() if count},
        origin=done.origin,
        notes=tuple(done.notes),
    )


def _chosen(ledger: Ledger, ids: Sequence[str] | None) -> list[dict[str, Any]]:
    """The rows of the runs to export, parents before their children."""
    rows = [plain_row(row) for row in select(ledger.engine, "exportable_runs").to_dict("records")]
    if ids is None:
        return rows
    wanted = {resolve(ledger.engine, given): given for given in ids}
    found = [row for row in rows if row["experiment_id"] in wanted]
    if lacking := set(wanted) - {row["experiment_id"] for row in found}:
        msg = (
            f"the run {wanted[min(lacking)]!r} is an evaluation of a backtest, whose figures are in model_runs: "
            "only runs of a tracker, and imported ones, are exported."
        )
        raise InvalidInputError(msg)
    return found


@dataclass(kw_only=True)
class _Export:
    """An export under way."""

    client: MlflowClient
    ledger: Ledger
    experiment: str | None
    new: Counter[str] = field(default_factory=Counter)
    origin: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._experiments = {name: key for key, name in experiments_of(self.client).items()}
        marked = runs_of(self.client, list(self._experiments.values()), f"tags.`{ID_TAG}` != ''")
        self._there = {run.data.tags[ID_TAG]: run for run in marked}

    def send(self, row: Mapping[str, Any]) -> None:
        """Send a run, or what of it is not there."""
        identifier = row["experiment_id"]
        run = self._there.get(identifier)
        if run is None and self._came_from_here(row):
            self.origin += 1
            return
        where = {"experiment_id": identifier, "run_month": month_of(identifier)}
        settings = select(self.ledger.engine, "run_hyperparameters", **where)
        logged = points(self.ledger.engine, identifier)
        left_out: dict[str, list[str]] = {}
        if not settings.empty and (settings["model_id"] != "").any():
            left_out["hyperparameters of models"] = sorted(settings.loc[settings["model_id"] != "", "name"])
            settings = settings[settings["model_id"] == ""]
        tags = dict(fitting(self._tags(row, settings, logged), LONGEST_TAG, "tags", left_out))
        before: Run | None = run
        if run is None:
            run = self.client.create_run(
                self._experiment_of(row), milliseconds_of(row["started_at"]), tags, row["name"]
            )
            self._there[identifier] = run
            self.new["runs"] += 1
        else:
            self._tag(run, tags)
        run_id = run.info.run_id
        self._params(run, dict(fitting(_texts(settings), LONGEST_PARAM, "params", left_out)))
        self._metrics(run_id, before, logged, left_out)
        self._artifacts(run_id, before, select(self.ledger.engine, "run_artifacts", **where), left_out)
        if row["status"] != "running" and (before is None or before.info.end_time is None):
            ended = milliseconds_of(row["ended_at"] or row["started_at"])
            self.client.set_terminated(run_id, STATUS_OF[row["status"]], ended)
        if left_out:
            self.notes.append(f"of the run {identifier} ({row['name']}) MLflow takes no {listed(left_out)}.")

    def _came_from_here(self, row: Mapping[str, Any]) -> bool:
        """Whether a run was imported from this server."""
        system, _, run_id = str(row["imported_from"] or "").partition(":")
        if system != "mlflow":
            return False
        run = run_or_none(self.client, run_id)
        return run is not None and run.info.start_time == milliseconds_of(row["started_at"])

    def _experiment_of(self, row: Mapping[str, Any]) -> str:
        """The id of the experiment a run goes to, made where it is not there."""
        imported = [
            tag.removeprefix(f"{EXPERIMENT_TAG}=") for tag in row["tags"] or () if tag.startswith(EXPERIMENT_TAG)
        ]
        name = self.experiment or next(iter(imported), None) or row["experiment_type"]
        if name not in self._experiments:
            self._experiments[name] = self.client.create_experiment(name)
        return self._experiments[name]

    def _tags(self, row: Mapping[str, Any], settings: pd.DataFrame, logged: pd.DataFrame) -> Iterator[tuple[str, str]]:
        """The tags of a run in MLflow: its own, those that stand for columns, and what MLflow has no place for."""
        yield ID_TAG, row["experiment_id"]
        yield ROW_TAG, carried(row, settings, logged)
        for column, tag in COLUMN_TAGS.items():
            if row[column]:
                yield tag, row[column]
        if (parent := self._there.get(row["parent_id"])) is not None:
            yield PARENT_TAG, parent.info.run_id
        for tag in row["tags"] or ():
            key, _, value = tag.partition("=")
            if key != EXPERIMENT_TAG:
                yield key, value

    def _tag(self, run: Run, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        new = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
        for first in range(0, len(new), PARAMS_A_CALL):
            self.client.log_batch(run.info.run_id, tags=new[first : first + PARAMS_A_CALL])
        self.new["tags"] += len(new)

    def _params(self, run: Run, texts: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        new = [Param(name, text) for name, text in texts.items() if name not in run.data.params]
        for first in range(0, len(new), PARAMS_A_CALL):
            self.client.log_batch(run.info.run_id, params=new[first : first + PARAMS_A_CALL])
        self.new["params"] += len(new)

    def _metrics(self, run_id: str, before: Run | None, logged: pd.DataFrame, left_out: dict[str, list[str]]) -> None:
        """Every point that is not there yet, in the order in which they were logged."""
        refused = {name for name in logged["name"].unique() if not fits(name)}
        if refused:
            left_out["metrics"] = sorted(refused)
        names = before.data.metrics if before is not None else ()
        there = {
            (name, one.step, one.timestamp, repr(value_of(one.value)))
            for name in names
            for one in self.client.get_metric_history(run_id, name)
        }
        waiting: list[Metric] = []
        for key in told_apart(logged):
            if key in there or key[0] in refused:
                continue
            there.add(key)
            waiting.append(_metric(*key))
            if len(waiting) == METRICS_A_CALL:
                self._log(run_id, waiting)
                waiting = []
        if waiting:
            self._log(run_id, waiting)
        if logged["edges"].notna().any():
            left_out["distributions, only their means"] = sorted(set(logged.loc[logged["edges"].notna(), "name"]))
        if several := _twice_counted(logged):
            left_out["second count (of step, episode and epoch)"] = several

    def _log(self, run_id: str, batch: list[Metric]) -> None:
        self.client.log_batch(run_id, metrics=batch)
        self.new["metrics"] += len(batch)

    def _artifacts(
        self, run_id: str, before: Run | None, artifacts: pd.DataFrame, left_out: dict[str, list[str]]
    ) -> None:
        """Every file that is not there yet under its path and of its size, of each name the latest content."""
        ordered = artifacts.sort_values(["logged_at", "artifact_id"])
        earlier = set(ordered.loc[ordered.duplicated("name", keep="last"), "name"])
        if earlier:
            left_out["earlier contents of artifacts"] = sorted(earlier)
        there = set() if before is None else {(one.path, one.file_size or 0) for one in files_of(self.client, before)}
        for row in ordered.drop_duplicates("name", keep="last").to_dict("records"):
            store = holder_of(self.ledger, row["sha256"], row["location"])
            files = [("", row["sha256"], int(row["size_bytes"]))]
            if row["is_folder"]:
                files = store.files(row["sha256"])
            for inside, sha256, size in files:
                path = posixpath.normpath(posixpath.join(row["name"], inside))
                # a content that was sent before may be of the same size
                if (path, size) in there and (row["name"] not in earlier or self._has(run_id, path, sha256)):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    file = store.fetch(sha256, Path(folder) / posixpath.basename(path))
                    self.client.log_artifact(run_id, str(file), posixpath.dirname(path) or None)
                there.add((path, size))
                self.new["artifacts"] += 1

    def _has(self, run_id: str, path: str, sha256: str) -> bool:
        """Whether the file under a path there has this content."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(self.client.download_artifacts(run_id, path, folder))
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def _texts(settings: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """The hyperparameters of a run as MLflow has them."""
    for name, value, kind in zip(settings["name"], settings["value"], settings["value_type"], strict=True):
        yield name, as_text(value, kind)


def _metric(name: str, place: int, milliseconds: int, value: str) -> Metric:
    """A point as MLflow has it."""
    from mlflow.entities import Metric

    return Metric(name, float(value), milliseconds, place)


def _twice_counted(logged: pd.DataFrame) -> list[str]:
    """The metrics whose points are counted by more than one of step, episode and epoch."""
    several = set(logged.loc[logged[list(COUNTED_BY)].notna().sum(axis=1) > 1, "name"])
    used = Counter(name for name, _ in {*zip(logged["name"], places(logged)[1], strict=True)})
    return sorted(several | {name for name, count in used.items() if count > 1})
