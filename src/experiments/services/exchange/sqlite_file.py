"""A SQLite file as rows of the ledger: opened read-only, every value checked where it is read."""

from __future__ import annotations

import datetime as dt
import json
import math
import reprlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.errors import InvalidInputError, NotFoundError, unknown
from experiments.identity import uuid7
from experiments.services.exchange.texts import typed
from experiments.services.rows import EARLIEST_YEAR, LARGEST_INTEGER, LATEST_YEAR
from experiments.services.tracking.rows import RUNNING, STATUSES, month_of
from experiments.services.tracking.runs import COUNTED_BY
from experiments.storage import sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from experiments.services.exchange.mapping import Layout, PointTable
    from experiments.services.rows import Row

_TEXTS = ("git_commit", "git_branch", "python_version", "run_by")

Runs = dict[object, "Row"]
"""The rows of `experiments` by the id the file has for the run."""


@contextmanager
def opened(file: Path, layout: Layout) -> Iterator[SqliteFile]:
    """The file for as long as the block runs, as it is at its beginning; its schema is checked.

    Raises
    ------
    NotFoundError
        If there is no such file, or it lacks a table or a column of the layout.
    InvalidInputError
        If it is no SQLite database, or cannot be read as one.
    """
    with sqlite.opened(file) as tables:
        source = SqliteFile(file=file, tables=tables, layout=layout)
        source.check_schema()
        yield source


@dataclass(frozen=True, kw_only=True)
class SqliteFile:
    """An open file and what its tables mean."""

    file: Path
    tables: sqlite.Tables
    layout: Layout

    def check_schema(self) -> None:
        """See that every table and column of the layout is there.

        Raises
        ------
        NotFoundError
            If one is not.
        InvalidInputError
            If a table is a view or has no rowid, by which new rows are found.
        """
        names = self.tables.names()
        for part in self.layout.parts:
            if part.table not in names:
                raise self._lacks("table", part.table, names)
            has = self.tables.columns(part.table)
            if lacking := next((name for name in part.columns if name not in has), None):
                raise self._lacks(f"column of {part.table}", lacking, has)
            if not self.tables.has_rowid(part.table):
                msg = (
                    f"{part.table} of {self.file} is a view or has no rowid, by which new rows are found: give a table."
                )
                raise InvalidInputError(msg)

    def runs(self) -> Runs:
        """The rows of `experiments`, with ids that are the same at every import.

        Raises
        ------
        InvalidInputError
            If a run has no id, name or start, an end before its start, or a status that is not known.
        """
        table, found = self.layout.runs, Runs()
        for row in self.tables.rows(table.table, table.columns):
            identity = row[table.id]
            if identity is None or isinstance(identity, bytes) or identity in found:
                self._refuse(table.table, row, table.id, "an id that no other run has")
            name = self._text(table.table, row, table.name, needed=True)
            started = self._time(table.table, row, table.started_at)
            if started is None:
                self._refuse(table.table, row, table.started_at, "the time the run started")
            ended = None if table.ended_at is None else self._time(table.table, row, table.ended_at)
            if ended is not None and ended < started:
                self._refuse(table.table, row, str(table.ended_at), "a time after the start of the run")
            status = self._status(row, ended)
            notes = [self._text(table.table, row, column) for column in table.notes]
            found[identity] = {
                "experiment_id": uuid7(started, of=f"sqlite:{identity}:{name}"),
                "name": name,
                "experiment_type": table.experiment_type,
                "status": status,
                "tags": self._tags(row),
                "started_at": started,
                "ended_at": None if status == RUNNING else ended,
                "random_seed": self._seed(row),
                "notes": "\n".join(text for text in notes if text) or None,
                "imported_from": f"sqlite:{self.file.name}:{identity}",
            } | {key: self._text(table.table, row, column) for key in _TEXTS if (column := getattr(table, key))}
        return found

    def settings(self, runs: Runs) -> tuple[list[Row], int]:
        """The rows of `hyperparameters`, and how many were left out since the name had another value before."""
        table = self.layout.runs
        named = [
            (runs[row[table.id]], column, self._plain(table.table, row, column))
            for row in self.tables.rows(table.table, table.columns)
            for column in table.parameters
            if row[column] is not None
        ]
        for part in self.layout.parameters:
            for row in self.tables.rows(part.table, part.columns):
                if row[part.experiment] in runs:
                    name = self._text(part.table, row, part.name, needed=True)
                    named.append((runs[row[part.experiment]], str(name), self._plain(part.table, row, part.value)))
        kept: dict[tuple[str, str], Row] = {}
        repeated = 0
        for run, name, text in named:
            key = (run["experiment_id"], name)
            row = dict(zip(("value", "value_type", "number"), typed(text), strict=True)) | {
                "experiment_id": key[0],
                "model_id": "",
                "name": name,
                "logged_at": run["started_at"],
                "run_month": month_of(key[0]),
            }
            repeated += kept.setdefault(key, row)["value"] != row["value"]
        return list(kept.values()), repeated

    def results(self, runs: Runs) -> Iterator[Row]:
        """The points of figures in the table of runs, of those among `runs` that have ended: until then they change."""
        table = self.layout.runs
        for row in self.tables.rows(table.table, table.columns) if table.results else ():
            run = runs.get(row[table.id])
            for column in table.results if run is not None and run["status"] != RUNNING else ():
                if run is not None and row[column] is not None:
                    value = self._number(table.table, row, column)
                    journal = f"sqlite:{table.table}:{column}"
                    yield _point(run, column, value, row, journal, run["ended_at"] or run["started_at"], {})

    def points(self, table: PointTable, runs: Runs, after: int, fresh: Sequence[object]) -> Iterator[list[Row]]:
        """The points of each row of a table of metrics, in the order of its rows.

        Parameters
        ----------
        table : PointTable
        runs : dict
            Rows of other runs are passed over.
        after : int
            The rowid up to which the table has been read.
        fresh : sequence
            The file's ids of runs of which nothing has been read: of them also the rows before.
        """
        of = {table.experiment: fresh} if fresh and after >= 0 else None
        for row in self.tables.rows(table.table, table.columns, after=after, of=of):
            run = runs.get(row[table.experiment])
            if run is None:
                continue
            counts = {
                name: self._count(table.table, row, column) for name in COUNTED_BY if (column := getattr(table, name))
            }
            when = run["started_at"]
            if table.time is not None:
                when = self._time(table.table, row, table.time) or when
            found = []
            for name, column, journal in self._named(table, row):
                if row[column] is not None or table.value is not None:
                    value = self._number(table.table, row, column)
                    found.append(_point(run, name, value, row, journal, when, counts))
            yield found

    def strays(self, table: PointTable) -> int:
        """Rows of a table of metrics that belong to no run of the file."""
        runs = self.layout.runs
        return self.tables.count_without(table.table, table.experiment, runs.table, runs.id)

    def _named(self, table: PointTable, row: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """The name, column and journal of each point in a row."""
        if table.name is not None and table.value is not None:
            name = self._text(table.table, row, table.name, needed=True)
            yield f"{table.prefix}{name}", table.value, table.journals[0]
        for column, journal in zip(table.values, table.journals, strict=False):
            yield f"{table.prefix}{column}", column, journal

    def _lacks(self, what: str, name: str, known: Sequence[str]) -> NotFoundError:
        error = unknown(what, name, known)
        return NotFoundError(f"{self.file}: {error} A mapping file (--map) says where else it is.")

    def _refuse(self, table: str, row: Mapping[str, Any], column: str, accepted: str) -> NoReturn:
        msg = (
            f"{self.file}: row {row['rowid']} of {table} has {reprlib.repr(row[column])} in {column}: "
            f"{accepted} is needed. Nothing was imported."
        )
        raise InvalidInputError(msg)

    def _text(self, table: str, row: Mapping[str, Any], column: str, *, needed: bool = False) -> str | None:
        value = row[column]
        if isinstance(value, bytes) or (needed and (value is None or not str(value).strip())):
            self._refuse(table, row, column, "a text")
        return None if value is None else str(value)

    def _plain(self, table: str, row: Mapping[str, Any], column: str) -> str:
        """The text of a value of any type but bytes."""
        if isinstance(row[column], bytes):
            self._refuse(table, row, column, "a text or a number")
        return str(row[column])

    def _number(self, table: str, row: Mapping[str, Any], column: str) -> float:
        value = row[column]
        if value is None:
            return math.nan
        try:
            return (
                float(value) if isinstance(value, int | float | str) else self._refuse(table, row, column, "a number")
            )
        except ValueError:
            self._refuse(table, row, column, "a number")

    def _count(self, table: str, row: Mapping[str, Any], column: str) -> int | None:
        value = row[column]
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            value = int(value)
        if value is not None and not isinstance(value, int):
            self._refuse(table, row, column, "a whole number")
        return value

    def _time(self, table: str, row: Mapping[str, Any], column: str) -> dt.datetime | None:
        value = row[column]
        if value is None:
            return None
        try:
            if isinstance(value, int | float):
                when = dt.datetime.fromtimestamp(value, dt.UTC)
            else:
                when = dt.datetime.fromisoformat(value)
                when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
        except (ValueError, TypeError, OverflowError, OSError):
            when = None
        if when is None or not EARLIEST_YEAR <= when.year <= LATEST_YEAR:
            accepted = f"a time such as 2025-01-31 10:00:00 or seconds since 1970, {EARLIEST_YEAR} to {LATEST_YEAR},"
            self._refuse(table, row, column, accepted)
        return when

    def _status(self, row: Mapping[str, Any], ended: dt.datetime | None) -> str:
        """The status a row has; where the file has none, whether the run has an end says it."""
        table = self.layout.runs
        if table.status is None or row[table.status] is None:
            return RUNNING if ended is None else "completed"
        word = str(row[table.status])
        status = self.layout.statuses.get(word, word)
        if status not in STATUSES:
            self._refuse(
                table.table, row, table.status, f"one of {', '.join(STATUSES)}, or a line for it in [statuses] (--map)"
            )
        return status

    def _seed(self, row: Mapping[str, Any]) -> int | None:
        table = self.layout.runs
        if table.random_seed is None:
            return None
        seed = self._count(table.table, row, table.random_seed)
        if seed is not None and not -LARGEST_INTEGER <= seed <= LARGEST_INTEGER:
            self._refuse(table.table, row, table.random_seed, "a whole number of 32 bits")
        return seed

    def _tags(self, row: Mapping[str, Any]) -> list[str] | None:
        """Tags in a column: a JSON list, or texts with commas between them."""
        table = self.layout.runs
        text = None if table.tags is None else self._text(table.table, row, table.tags)
        if text is None:
            return None
        try:
            listed = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
        except ValueError:
            self._refuse(table.table, row, str(table.tags), "a JSON list, or texts with commas between them,")
        return [tag for one in listed if (tag := str(one).strip())]


def _point(  # noqa: PLR0913, PLR0917  a row
    run: Row,
    name: str,
    value: float,
    row: Mapping[str, Any],
    journal: str,
    when: dt.datetime,
    counts: Mapping[str, int | None],
) -> Row:
    """A row of `metrics`."""
    return {
        "experiment_id": run["experiment_id"],
        "name": name,
        "value": value,
        "logged_at": when,
        "journal_id": journal,
        "position": row["rowid"],
        "run_month": month_of(run["experiment_id"]),
        **counts,
    }
