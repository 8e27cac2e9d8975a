"""A run of MLflow as rows of the ledger."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError
from experiments.identity import uuid7
from experiments.services.exchange.carried import milliseconds_of, moment, own_id, places, read_carried
from experiments.services.exchange.server import EXPERIMENT_TAG, ID_TAG, LARGEST, ROW_TAG, STATUSES
from experiments.services.exchange.texts import Typed, typed
from experiments.services.rows import EARLIEST_YEAR, LATEST_YEAR
from experiments.services.tracking.rows import month_of
from experiments.services.tracking.runs import COUNTED_BY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from mlflow.entities import Metric, Run

    from experiments.services.rows import Row

COLUMN_TAGS = {
    "run_by": "mlflow.user",
    "notes": "mlflow.note.content",
    "git_commit": "mlflow.source.git.commit",
    "git_branch": "mlflow.source.git.branch",
    "git_remote": "mlflow.source.git.repoURL",
}
"""Tags that are columns."""

PARENT_TAG = "mlflow.parentRunId"
_NO_TAGS = {*COLUMN_TAGS.values(), "mlflow.runName", PARENT_TAG, ID_TAG, ROW_TAG}
_SECOND = 1000
_LATEST = (LATEST_YEAR - 1970) * 365 * 24 * 60 * 60 * _SECOND


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run of MLflow and what our own tags say of it."""

    run: Run
    experiment: str
    carried: dict[str, Any]
    experiment_id: str

    @property
    def month(self) -> str:
        """The `run_month` of what it logged."""
        return month_of(self.experiment_id)

    @property
    def journal(self) -> str:
        """What its points say they were imported through."""
        return f"mlflow:{self.run.info.run_id}"

    def row(self, parent_id: str | None) -> Row:
        """Its row of `experiments`."""
        info, tags, ours = self.run.info, self.run.data.tags, self.carried
        started = moment(info.start_time or 0)
        status = STATUSES.get(info.status, "running")
        row: dict[str, Any] = {
            "experiment_id": self.experiment_id,
            "name": info.run_name or tags.get("mlflow.runName") or info.run_id,
            "experiment_type": ours.get("experiment_type", "training"),
            "status": ours["status"] if STATUS_OF.get(ours.get("status", "")) == info.status else status,
            "tags": self._tags(),
            "started_at": _finer(started, ours.get("started_at")),
            "parent_id": parent_id or ours.get("parent_id"),
            "imported_from": self.journal,
        }
        row |= {column: tags[tag] for column, tag in COLUMN_TAGS.items() if tags.get(tag)}
        kept = ("random_seed", "git_dirty", "python_version", "working_folder", "command", "seeded")
        row |= {name: ours[name] for name in kept if name in ours}
        row["ended_at"] = None
        if status != "running" and info.end_time is not None:
            row["ended_at"] = max(_finer(moment(info.end_time), ours.get("ended_at")), row["started_at"])
        return row

    def settings(self) -> Iterator[Row]:
        """Its rows of `hyperparameters`."""
        for name, text in sorted(self.run.data.params.items()):
            found = _as_text(text) if name in self.carried["texts"] else typed(text)
            yield found._asdict() | {
                "experiment_id": self.experiment_id,
                "model_id": "",
                "name": name,
                "logged_at": moment(self.run.info.start_time or 0),
                "run_month": self.month,
            }

    def points(self, history: Iterable[Metric]) -> Iterator[Row]:
        """Rows of `metrics` in the order of their times, steps and values; without the place in the journal."""
        for point in sorted(history, key=lambda one: (one.key, one.timestamp, one.step, str(one.value))):
            column = self.carried["counted_by"].get(point.key, "step")
            # what MLflow takes for a time may be anything
            when = point.timestamp if 0 <= point.timestamp < _LATEST else (self.run.info.start_time or 0)
            yield {
                "experiment_id": self.experiment_id,
                "name": point.key,
                "value": value_of(point.value),
                **({column: point.step} if column else {}),
                "logged_at": moment(when),
                "journal_id": self.journal,
                "run_month": self.month,
            }

    def _tags(self) -> list[str]:
        """Its tags, its experiment and the datasets it logged, as the ledger writes tags."""
        tags = [f"{EXPERIMENT_TAG}={self.experiment}"]
        tags += [f"{key}={value}" if value else key for key, value in self.run.data.tags.items() if key not in _NO_TAGS]
        inputs = self.run.inputs.dataset_inputs if self.run.inputs else []
        for one in inputs:
            context = next((tag.value for tag in one.tags if tag.key == "mlflow.data.context"), "all")
            tags.append(f"mlflow.dataset.{context}={one.dataset.name}@{one.dataset.digest}")
        return sorted(set(tags))


STATUS_OF = {
    "running": "RUNNING",
    "completed": "FINISHED",
    "failed": "FAILED",
    "crashed": "KILLED",
    "incomplete": "KILLED",
}
"""What a status of the ledger is in MLflow."""


def imported(run: Run, experiment: str) -> Imported:
    """A run with the id it has in the ledger: its own where the ledger exported it, else one made of MLflow's.

    Raises
    ------
    InvalidInputError
        If it started at no time the ledger can hold.
    """
    started = run.info.start_time or 0
    if not 0 <= started < _LATEST:
        msg = (
            f"the MLflow run {run.info.run_id} has the start {started}: milliseconds since 1970 are needed, "
            f"{EARLIEST_YEAR} to {LATEST_YEAR}."
        )
        raise InvalidInputError(msg)
    own = own_id(run.data.tags.get(ID_TAG), started)
    return Imported(
        run=run,
        experiment=experiment,
        carried=read_carried(run.data.tags.get(ROW_TAG) if own else None),
        experiment_id=own or uuid7(moment(started), of=f"mlflow:{run.info.run_id}"),
    )


def new_points(rows: Iterable[Row], has: pd.DataFrame | None, after: int) -> Iterator[Row]:
    """Those rows of `metrics` that the ledger does not have, with their places in the journal.

    Parameters
    ----------
    rows : iterable of row
        As `Imported.points` makes them.
    has : DataFrame or None
        The points of the run in the ledger; None for none.
    after : int
        The last place that is taken.
    """
    there = set() if has is None else set(told_apart(has))
    for row in rows:
        place = next((row[name] for name in COUNTED_BY if row.get(name) is not None), 0)
        if (row["name"], place, milliseconds_of(row["logged_at"]), repr(row["value"])) not in there:
            after += 1
            yield {**row, "position": after}


def told_apart(logged: pd.DataFrame) -> Iterator[tuple[str, int, int, str]]:
    """What tells the points of a run apart in MLflow: name, step, milliseconds and value."""
    times = [milliseconds_of(when) for when in logged["logged_at"]]
    values = [repr(float(value)) for value in logged["value"]]
    yield from zip(logged["name"], places(logged)[0], times, values, strict=True)


def value_of(value: float) -> float:
    """A value of MLflow, whose SQL stores have the largest double for infinity."""
    return math.copysign(math.inf, value) if abs(value) == LARGEST else float(value)


def _as_text(text: str) -> Typed:
    return Typed(json.dumps(text, ensure_ascii=False), "str", None)


def _finer(when: dt.datetime, exact: dt.datetime | None) -> dt.datetime:
    """The exact time, where it is the same to the millisecond."""
    return exact if exact is not None and milliseconds_of(exact) == milliseconds_of(when) else when
