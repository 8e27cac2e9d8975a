"""Runs as they were recorded: found, and read whole."""

from __future__ import annotations

import datetime as dt
import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_count, check_text
from experiments.errors import InvalidInputError, NotFoundError, unknown
from experiments.services.rows import as_timestamp
from experiments.services.tracking.rows import STATUSES, month_of
from experiments.storage.table import select

if TYPE_CHECKING:
    import pandas as pd

    from experiments.storage.engine import Engine

COUNTED_BY = ("step", "episode", "epoch")
"""What a point may be counted by."""

_NOT_COUNTED = -(2**63) + 1
"""What `run_points` has for NULL."""

_NO_MONTH = "0000-00"
"""The month of runs whose id is not ours: they have logged nothing here."""

_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run and all that is recorded of it but the single points of its metrics.

    Attributes
    ----------
    row : dict
        Its row of `experiments`; None for NULL.
    environment : dict or None
        Its row of `environments`.
    parameters : DataFrame
        Its hyperparameters and those of its checkpoints: `model_id` (empty for those of the run), `name`, `value`
        (JSON), `value_type`, `number`, `logged_at`.
    metrics : DataFrame
        A row a metric: `n` points, `n_nan` of them NaN; `first` and `last` as logged; `min`, `max` and `mean` without
        the NaN; `last_step`.
    artifacts : DataFrame
        Its rows of `artifacts`.
    datasets : DataFrame
        A row a role of a dataset: `role`, `linked_at`, and what `datasets` says of it.
    checkpoints : DataFrame
        Its rows of `checkpoints`, in the order of their registration.
    children : DataFrame
        The runs that are part of it.
    """

    row: dict[str, Any]
    environment: dict[str, Any] | None
    parameters: pd.DataFrame
    metrics: pd.DataFrame
    artifacts: pd.DataFrame
    datasets: pd.DataFrame
    checkpoints: pd.DataFrame
    children: pd.DataFrame

    @property
    def experiment_id(self) -> str:
        """The id of the run."""
        return str(self.row["experiment_id"])


def resolve(engine: Engine, given: str) -> str:
    """The id of the run meant: a whole id, or the beginning of just one.

    Parameters
    ----------
    engine : Engine
    given : str

    Raises
    ------
    InvalidInputError
        If it is no text, or several ids begin so.
    NotFoundError
        If no id begins so.
    """
    check_text("the run", given, "its id, or the beginning of it")
    found = select(engine, "runs_with_prefix", prefix=given, most=_LISTED + 1)
    ids = [str(identifier) for identifier in found["experiment_id"]]
    if given in ids:
        return given
    if not ids:
        msg = f"there is no run {given!r}: 'experiments runs' lists them."
        raise NotFoundError(msg)
    if len(ids) > 1:
        named = [f"{row['experiment_id']} ({reprlib.repr(row['name'])})" for row in found.to_dict("records")]
        more = " and others" if len(ids) > _LISTED else ""
        msg = f"several runs begin with {given!r}: {', '.join(named[:_LISTED])}{more}. Give more of the id."
        raise InvalidInputError(msg)
    return ids[0]


def read_run(engine: Engine, given: str) -> Run:
    """All that is recorded of a run but the single points of its metrics.

    Parameters
    ----------
    engine : Engine
    given : str
        Its id, or the beginning of it.

    Raises
    ------
    InvalidInputError, NotFoundError
        As `resolve`.
    """
    experiment_id = resolve(engine, given)
    row = _only_row(select(engine, "run_row", experiment_id=experiment_id))
    if row is None:  # it was there a moment ago
        msg = f"there is no run {given!r} any more."
        raise NotFoundError(msg)
    environment = row["environment_id"]

    def of_run(name: str, *whole: str) -> pd.DataFrame:
        return _whole(select(engine, name, experiment_id=experiment_id, run_month=_month(experiment_id)), whole)

    return Run(
        row=row,
        environment=None
        if environment is None
        else _only_row(select(engine, "run_environment", environment_id=environment)),
        parameters=of_run("run_hyperparameters"),
        metrics=of_run("run_metrics", "last_step"),
        artifacts=of_run("run_artifacts"),
        datasets=of_run("run_datasets", "table_version", "n_rows", "n_columns"),
        checkpoints=of_run("run_checkpoints", "episode_num", "size_bytes"),
        children=select(engine, "run_children", experiment_id=experiment_id),
    )


def points(engine: Engine, experiment_id: str, name: str | None = None) -> pd.DataFrame:
    """The points of a run in the order in which they were logged.

    Parameters
    ----------
    engine : Engine
    experiment_id : str
        The whole id.
    name : str, optional
        Only those of this metric.

    Returns
    -------
    DataFrame
        A row a point: `name`, `value` (NaN and infinities as logged), `step`, `episode`, `epoch` (whole numbers, or
        missing), `logged_at` (UTC); of a distribution also `edges`, `counts` and `summary`, else None. Empty where
        nothing was logged, or the run is unknown.
    """
    found = select(engine, "run_points", experiment_id=experiment_id, run_month=_month(experiment_id), metric=name)
    return _whole(found, COUNTED_BY)


def values(engine: Engine, experiment_id: str, name: str) -> pd.DataFrame:
    """The values of one metric of a run with what counts them, in any order: `value`, `step`, `episode`, `epoch`."""
    found = select(engine, "run_values", experiment_id=experiment_id, run_month=_month(experiment_id), metric=name)
    return _whole(found, COUNTED_BY)


def metric_names(engine: Engine, experiment_id: str) -> list[str]:
    """The names of a run's metrics, sorted."""
    found = select(engine, "run_metric_names", experiment_id=experiment_id, run_month=_month(experiment_id))
    return [str(name) for name in found["name"]]


def find_runs(  # noqa: PLR0913  a parameter a filter
    engine: Engine,
    *,
    experiment_type: str | None = None,
    status: str | None = None,
    tag: str | None = None,
    name: str | None = None,
    since: dt.date | str | None = None,
    limit: int = 20,
) -> pd.DataFrame:
    """The runs that pass every filter given, the latest first.

    Parameters
    ----------
    engine : Engine
    experiment_type, status, tag : str, optional
        Exactly this type, status, or one of the tags.
    name : str, optional
        What the name contains, in capitals or not.
    since : date or str, optional
        Started on this day or after, or at this time (UTC) or after.
    limit : int
        At most so many.

    Returns
    -------
    DataFrame
        A row a run: `experiment_id`, `name`, `experiment_type`, `status`, `tags`, `started_at`, `ended_at`,
        `duration_seconds`, `parent_id`, `random_seed`, `git_commit`, `git_dirty`, `run_by`, `imported_from`.

    Raises
    ------
    NotFoundError
        If there is no such status.
    InvalidInputError
        If a filter is no text that is not empty, `since` no date or time, or `limit` no whole number of at least 1.
    """
    texts = {"experiment_type": experiment_type, "status": status, "tag": tag, "name": name}
    for what, text in texts.items():
        if text is not None:
            check_text(what, text)
    if status is not None and status not in STATUSES:
        raise unknown("status", status, STATUSES)
    most = check_count("limit", limit)
    texts["part"] = texts.pop("name")
    begin = None if since is None else _start_of(since).isoformat()
    return _whole(select(engine, "runs_found", **texts, since=begin, most=most), ("random_seed",))


def _start_of(since: object) -> dt.datetime:
    """A moment in UTC; a day without a time is meant from its begin."""
    try:
        day = dt.date.fromisoformat(since) if isinstance(since, str) else since
    except ValueError:
        return _time(since)
    if isinstance(day, dt.date) and not isinstance(day, dt.datetime):
        return dt.datetime.combine(day, dt.time.min, tzinfo=dt.UTC)
    return _time(since)


def _time(since: object) -> dt.datetime:
    try:
        return as_timestamp("since", since)
    except InvalidInputError as error:
        msg = f"since is {since!r}: give a date such as '2024-12-31', or a time such as '2024-12-31T09:30:00+00:00'."
        raise InvalidInputError(msg) from error


def _month(experiment_id: str) -> str:
    """The month in which what a run logged is kept; one in which nothing is where the id is not ours."""
    try:
        return month_of(experiment_id)
    except (ValueError, OverflowError):
        return _NO_MONTH


def _whole(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Columns of whole numbers as such, also where some are missing."""
    for name in columns:
        column = frame[name].astype("Int64")
        frame[name] = column.mask(column == _NOT_COUNTED)
    return frame


def _only_row(frame: pd.DataFrame) -> dict[str, Any] | None:
    """The one row of a frame with plain values, None for NULL; None where there is no row."""
    rows = frame.to_dict("records")
    return {str(name): _plain(value) for name, value in rows[0].items()} if rows else None


def _plain(value: Any) -> Any:
    """A cell as Python has it."""
    if getattr(value, "shape", ()):
        return value.tolist()
    if isinstance(value, list | tuple | dict):
        return value
    if value is None or value != value:  # noqa: PLR0124  NaN and NaT
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value
