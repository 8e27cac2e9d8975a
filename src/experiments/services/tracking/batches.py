"""What a journal holds, as rows of the tables."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.identity import time_of
from experiments.services.tracking.rows import RUNNING, month_of
from experiments.storage.journal import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa

    from experiments.services.rows import Row
    from experiments.storage.journal import Batch

Record = dict[str, Any]


@dataclass
class Known:
    """What the records of a journal said so far, which those after it build on.

    Attributes
    ----------
    words : dict of int to str
        The run or the name that points bear the number of.
    runs : dict of str to str
        The type of each run that was started in this journal.
    ended : set of str
        Those of them that have ended.
    """

    words: dict[int, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def learn(self, records: Sequence[Record]) -> None:
        """Take in what records say."""
        for record in records:
            if record["kind"] == "word":
                self.words[record["number"]] = record["text"]
            elif record["kind"] == "run":
                self.runs[record["row"]["experiment_id"]] = record["row"]["experiment_type"]
            elif record["kind"] == "end":
                self.ended.add(record["run"])


def rows_of(records: Sequence[Record], journal_id: str) -> dict[str, list[Row]]:
    """The rows records stand for, by table; of `experiments` the runs that begin here, as they begin."""
    rows: dict[str, list[Row]] = {}
    for record in records:
        if record["kind"] in _ROWS:
            table, made = _ROWS[record["kind"]](record, journal_id)
            rows.setdefault(table, []).extend(made)
    return rows


def ends_of(records: Sequence[Record], known: Known) -> list[Row]:
    """The ends of runs that were started in this journal: `experiment_id`, `experiment_type`, `status`, `ended_at`."""
    return [
        end_of(record["run"], known.runs[record["run"]], record["status"], record["time"])
        for record in records
        if record["kind"] == "end" and record["run"] in known.runs
    ]


def end_of(run: str, kind: str, status: str, microseconds: int) -> Row:
    """The end of a run; a clock that jumped back does not make it end before it began."""
    ended_at = max(_time(microseconds), time_of(run))
    return {"experiment_id": run, "experiment_type": kind, "status": status, "ended_at": ended_at}


def points_of(batch: Batch, journal_id: str, known: Known) -> tuple[pa.Table, int]:
    """The points of a batch as rows of `metrics`, and how many of them belong to no run that could be read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    runs, of_run = _worded(batch.points["run"], known)
    names, of_name = _worded(batch.points["name"], known)
    theirs = (of_run >= 0) & (of_name >= 0)
    points, positions = batch.points[theirs], batch.positions[theirs]

    def named(texts: list[str], index: np.ndarray[Any, Any]) -> pa.Array:
        return pc.take(pa.array(texts, pa.string()), pa.array(index[theirs]))

    def counted(column: str) -> pa.Array:
        return pa.array(points[column], mask=points[column] == NOTHING)

    columns = {
        "experiment_id": named(runs, of_run),
        "name": named(names, of_name),
        "value": pa.array(points["value"]),
        "step": counted("step"),
        "episode": counted("episode"),
        "epoch": counted("epoch"),
        "logged_at": pa.array(points["time"]).cast(pa.timestamp("us", tz="UTC")),
        "journal_id": pa.array([journal_id] * len(points), pa.string()),
        "position": pa.array(positions),
        "run_month": named([month_of(run) for run in runs], of_run),
    }
    return pa.table(columns), int((~theirs).sum())


def _worded(numbers: np.ndarray[Any, Any], known: Known) -> tuple[list[str], np.ndarray[Any, Any]]:
    """The distinct words that numbers stand for, and for each number which of them; -1 where none is known."""
    import numpy as np

    distinct, index = np.unique(numbers, return_inverse=True)
    words = {place: known.words[number] for place, number in enumerate(distinct.tolist()) if number in known.words}
    where = np.full(len(distinct), -1)
    where[list(words)] = range(len(words))
    return list(words.values()), where[index]


def _run(record: Record, _: str) -> tuple[str, list[Row]]:
    row = dict(record["row"])
    return "experiments", [row | {"started_at": time_of(row["experiment_id"]), "status": RUNNING}]


def _environment(record: Record, _: str) -> tuple[str, list[Row]]:
    return "environments", [record["row"] | {"captured_at": _time(record["time"])}]


def _parameters(record: Record, _: str) -> tuple[str, list[Row]]:
    shared = _of(record) | {"model_id": record["model"], "logged_at": _time(record["time"])}
    columns = ("name", "value", "value_type", "number")
    return "hyperparameters", [shared | dict(zip(columns, one, strict=True)) for one in record["values"]]


def _distribution(record: Record, journal_id: str) -> tuple[str, list[Row]]:
    place = {"logged_at": _time(record["time"]), "journal_id": journal_id, "position": -1 - record["at"]}
    return "metrics", [_of(record) | record["row"] | place]


def _artifact(record: Record, _: str) -> tuple[str, list[Row]]:
    return "artifacts", [_of(record) | record["row"] | {"logged_at": _time(record["time"])}]


def _dataset(record: Record, _: str) -> tuple[str, list[Row]]:
    row = {"dataset_id": record["dataset"], "role": record["role"], "linked_at": _time(record["time"])}
    return "experiment_datasets", [_of(record) | row]


def _model(record: Record, _: str) -> tuple[str, list[Row]]:
    made = record["row"]["model_id"]
    row = record["row"] | {"registered_at": _time(record["time"]), "run_month": month_of(made)}
    return "checkpoints", [_of(record) | row]


def _of(record: Record) -> Row:
    return {"experiment_id": record["run"], "run_month": month_of(record["run"])}


def _time(microseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=microseconds)


_ROWS: Mapping[str, Any] = {
    "environment": _environment,
    "run": _run,
    "parameters": _parameters,
    "distribution": _distribution,
    "artifact": _artifact,
    "dataset": _dataset,
    "model": _model,
}
