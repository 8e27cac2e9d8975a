"""Rows in, frames out: every write is a MERGE on the key, retried where another writer was faster."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from experiments.definitions import check_identifier
from experiments.errors import InvalidInputError, NotFoundError, first_line
from experiments.storage.arrow import Row, arrow_table
from experiments.storage.files import COMPACT_EVERY, compact, newest_version, staged, turn
from experiments.storage.sql_files import checks, statement

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from experiments.storage.engine import Engine

T = TypeVar("T")

_GARBLED = "Exception deserializing response"
"""What Sail's client says, about once in thousands of answers, of one that arrived corrupt."""

_PLAIN_LITERAL = re.compile(r"[\w .&/+-]{1,100}")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_DESCRIBING = ("show", "describe", "desc")
_CONFLICTS = (
    "Failed to commit transaction",
    "Missing commit file",
    "DELTA_CONCURRENT",
    "ConcurrentAppend",
    "DELTA_METADATA_CHANGED",
    "DELTA_PROTOCOL_CHANGED",
    _GARBLED,  # what was merged already is not merged again
)


def merge_new(
    engine: Engine,
    table: str,
    rows: Sequence[Row],
    *,
    key: Sequence[str],
    pins: Sequence[str] = (),
    ranges: Sequence[str] = (),
) -> int:
    """Insert the rows whose key is not there yet, in one commit; the others change nothing.

    Parameters
    ----------
    engine : Engine
    table : str
    rows : sequence of mapping
        One value a column; absent columns are NULL. Of two rows with one key the first counts.
    key : sequence of str
        Columns that identify a row.
    pins : sequence of str
        Partition columns whose values an existing row of the same key is sure to share: the merge
        then reads those partitions only.
    ranges : sequence of str
        Columns of the key that rows written together lie close in: the merge then reads only the parts of files
        between their smallest and largest values.

    Returns
    -------
    int
        Rows inserted.

    Raises
    ------
    InvalidInputError
        If a row has a column the table has not.
    """
    identity = itemgetter(*key)
    distinct = list({identity(row): row for row in reversed(rows)}.values())[::-1]
    return merge_arrow(engine, table, arrow_table(table, distinct), key=key, pins=pins, ranges=ranges)


def merge_together(
    engine: Engine, table: str, rows: Sequence[Row], *, key: Sequence[str], pins: Sequence[str] = ()
) -> int:
    """Insert rows that share one key all at once, or none of them where a row of that key is there already.

    Parameters
    ----------
    engine, table, rows, key, pins
        As in `merge_new`; every row has the same key.

    Returns
    -------
    int
        Rows inserted: all or 0.

    Raises
    ------
    InvalidInputError
        If a row has a column the table has not.
    """
    return merge_arrow(engine, table, arrow_table(table, rows), key=key, pins=pins)


def merge_arrow(
    engine: Engine,
    table: str,
    rows: pa.Table,
    *,
    key: Sequence[str],
    pins: Sequence[str] = (),
    ranges: Sequence[str] = (),
) -> int:
    """As `merge_new`, of rows that are typed as the table is and no two of which share a key."""
    if not rows.num_rows:
        return 0
    given = [check_identifier("column", name) for name in rows.column_names]
    folder = None if engine.location is None else engine.location / table
    with _source(engine, rows) as source, turn(folder):
        before = newest_version(folder)
        sql = statement("statements", "merge_new_rows").format(
            table=check_identifier("table", table),
            source=source,
            condition=_matched(rows, key, pins, ranges),
            columns=", ".join(given),
            values=", ".join(f"s.{name}" for name in given),
        )
        inserted = commit(engine, sql)
        due = before // COMPACT_EVERY != newest_version(folder) // COMPACT_EVERY
    if folder is not None and due:
        compact(folder)
    return inserted


def merge_ended(engine: Engine, rows: Sequence[Row]) -> int:
    """Give runs that are still called running their end.

    Parameters
    ----------
    engine : Engine
    rows : sequence of mapping
        `experiment_id`, `experiment_type`, `status` and `ended_at` of each.

    Returns
    -------
    int
        Runs that had none.
    """
    if not rows:
        return 0
    given = arrow_table("experiments", rows)
    folder = None if engine.location is None else engine.location / "experiments"
    condition = _matched(given, ("experiment_id",), ("experiment_type",), ("experiment_id",))
    with _source(engine, given) as source, turn(folder):
        return commit(engine, statement("statements", "merge_ended").format(source=source, condition=condition))


def correct(
    engine: Engine,
    table: str,
    column: str,
    find: Callable[[], Sequence[Row]],
    *,
    key: Sequence[str],
    pins: Sequence[str],
) -> int:
    """Set a column of rows to what it should be, until none is found that has another value.

    Parameters
    ----------
    engine : Engine
    table, column : str
    find : callable
        Returns the rows to correct: their key, the partitions and the column as it should be. It is asked again after
        each correction, since what should be may have changed meanwhile.
    key, pins
        As in `merge_new`.

    Returns
    -------
    int
        Rows corrected.
    """
    import pyarrow as pa

    corrected = 0
    folder = None if engine.location is None else engine.location / table
    while True:
        with turn(folder):
            rows = find()
            if not rows:
                return corrected
            pinned = pa.table({name: [row[name] for row in rows] for name in pins})
            _set_column(engine, table, column, rows, key, _matched(pinned, key, pins))
            corrected += len(rows)


def fill(engine: Engine, table: str, column: str, row: Row, *, key: str) -> bool:
    """Set a column of the row that has a key, in one commit; returns whether there was one."""
    import pyarrow as pa

    folder = None if engine.location is None else engine.location / table
    with turn(folder):
        condition = _matched(pa.table({key: [row[key]]}), (key,), (), (key,))
        return _set_column(engine, table, column, [row], (key,), condition) > 0


def _set_column(
    engine: Engine, table: str, column: str, rows: Sequence[Row], key: Sequence[str], condition: str
) -> int:
    given = arrow_table(table, [{name: row[name] for name in (*key, column)} for row in rows])
    with _source(engine, given) as source:
        sql = statement("statements", "merge_column").format(
            table=check_identifier("table", table),
            source=source,
            condition=condition,
            column=check_identifier("column", column),
        )
        return commit(engine, sql)


def commit(engine: Engine, sql: str) -> int:
    """Run a statement that writes, again where another writer committed first; returns the rows it changed."""
    from tenacity import (
        Retrying,
        retry_if_exception,
        stop_after_delay,
        wait_random_exponential,
    )

    retrying = Retrying(
        retry=retry_if_exception(lambda error: any(mark in str(error) for mark in _CONFLICTS)),
        wait=wait_random_exponential(multiplier=0.02, max=1),
        stop=stop_after_delay(120),
        reraise=True,
    )
    counts = retrying(lambda: engine.spark.sql(sql).toArrow()).to_pylist()
    if not counts:
        return 0
    return int(counts[0].get("num_affected_rows", counts[0].get("count", 0)))


def _heard(ask: Callable[[], T]) -> T:
    """The answer to a question, asked again where it arrived corrupt."""
    try:
        return ask()
    except Exception as error:
        if _GARBLED not in str(error):
            raise
        return ask()


def _frame(engine: Engine, sql: str, **parameters: Any) -> pd.DataFrame:
    return _heard(lambda: engine.spark.sql(sql, args=parameters or None).toPandas())


def select(engine: Engine, name: str, **parameters: Any) -> pd.DataFrame:
    """The result of `sql/statements/<name>.sql`, its named parameters bound by the engine."""
    return _frame(engine, statement("statements", name), **parameters)


def read(engine: Engine, sql: str, parameters: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The result of a query a user typed, its named parameters bound; what is not a query is refused before it runs.

    Raises
    ------
    InvalidInputError
        If it is not one query, a parameter is no text under an identifier, or the engine cannot make sense of it.
    """
    if not isinstance(sql, str):
        msg = f"the query is {sql!r}: give its text."
        raise InvalidInputError(msg)
    text = sql.strip().rstrip(";").rstrip()
    first = _COMMENT.sub(" ", text).split(maxsplit=1)[:1]
    if not first:
        msg = "the query is empty: give one such as 'select * from leaderboard'."
        raise InvalidInputError(msg)
    given = _checked_parameters(parameters)
    try:
        if first[0].lower() not in _DESCRIBING:
            # only a query parses inside parentheses, and asking for a schema runs nothing
            engine.spark.sql(f"select * from (\n{text}\n) as q", args=given).schema  # noqa: B018, S608
        found = engine.spark.sql(text, args=given)
        if twice := [name for name, count in Counter(found.columns).items() if count > 1]:
            msg = f"the query returns {twice[0]!r} twice: give each column a name of its own, with 'as'."
            raise InvalidInputError(msg)
        return found.toPandas()
    except InvalidInputError:
        raise
    except Exception as error:
        msg = f"the ledger answers queries only, and cannot run this one: {first_line(error)}"
        raise InvalidInputError(msg) from error


def _checked_parameters(parameters: Mapping[str, str] | None) -> dict[str, Any] | None:
    """Parameters as an engine takes them: text under identifiers; None for none."""
    for name, value in (parameters or {}).items():
        check_identifier("parameter", name)
        if not isinstance(value, str):
            msg = f"the parameter {name} is {value!r}: give a text, and cast it in the query."
            raise InvalidInputError(msg)
    return dict(parameters) if parameters else None


def read_named(engine: Engine, name: str, version: int | None = None) -> tuple[pd.DataFrame, int | None]:
    """A Delta table of the engine's catalog, at a version if one is given, and the version read where it is known.

    Raises
    ------
    InvalidInputError
        If the name is not one to three identifiers.
    NotFoundError
        If there is no such table or version.
    """
    frame, read = named(engine, name, version)
    try:
        return frame.toPandas(), read
    except Exception as error:
        msg = f"the table {name} cannot be read: {first_line(error)}"
        raise NotFoundError(msg) from error


def named(engine: Engine, name: str, version: int | None = None) -> tuple[DataFrame, int | None]:
    """As `read_named`, the frame of the engine: its columns are known, its rows not read yet.

    Raises
    ------
    InvalidInputError, NotFoundError
        As `read_named`.
    """
    parts = [check_identifier("part of a table's name", part) for part in str(name).split(".")]
    if version is not None and (type(version) is not int or version < 0):
        msg = f"the version of {name} is {version!r}: give a whole number of at least 0."
        raise InvalidInputError(msg)
    full = ".".join(parts)
    if version is None:
        version = _newest(engine, full)
    at = "" if version is None else f" version as of {version}"
    try:
        frame = engine.spark.sql(f"select * from {full}{at}")  # noqa: S608  identifiers, a number
        frame.schema  # noqa: B018  looks it up
    except Exception as error:
        msg = f"the table {name}{at} cannot be read: {first_line(error)}"
        raise NotFoundError(msg) from error
    return frame, version


def _newest(engine: Engine, name: str) -> int | None:
    """The newest version of a table; None where the engine cannot tell, as Sail."""
    try:
        return int(engine.spark.sql(f"describe history {name} limit 1").collect()[0]["version"])
    except Exception:  # noqa: BLE001  what is wrong with the table itself is told by reading it
        return None


def version_of(engine: Engine, table: str) -> int | None:
    """The newest version of one of our tables; None where the engine cannot tell."""
    if engine.location is not None:
        return newest_version(engine.location / table)
    return _newest(engine, check_identifier("table", table))


def select_among(engine: Engine, name: str, key: str, values: Sequence[str], **parameters: Any) -> pd.DataFrame:
    """The result of `sql/statements/<name>.sql` on the rows whose text column `key` is among the values."""
    with _keys(engine, key, values) as source:
        return _frame(engine, statement("statements", name).format(source=source), **parameters)


def check_rows(engine: Engine, table: str, rows: Sequence[Row]) -> None:
    """See that rows keep the CHECKs of a table, before anything is written.

    Raises
    ------
    InvalidInputError
        If a row breaks one: it is named with what it asks.
    """
    if not rows:
        return
    stated = checks(table)
    with _source(engine, arrow_table(table, rows)) as source:
        sql = statement("statements", "violated_checks").format(
            source=source,
            named=", ".join(f"case when ({check}) is not true then '{name}' end" for name, check in stated.items()),
            all=" and ".join(f"({check})" for check in stated.values()),
        )
        found = _heard(lambda: engine.spark.sql(sql).toArrow().to_pylist())
    if found:
        name = found[0]["violated"].split(", ")[0]
        msg = f"{table} takes only rows that keep {name}: {stated[name]}."
        raise InvalidInputError(msg)


def rows_with_key(engine: Engine, table: str, key: str, values: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table whose text column `key` is among the values."""
    # reading one column of many small files is half the work of reading all: mostly none is there
    there = _select_by_key(engine, table, key, values, columns=key)
    return _select_by_key(engine, table, key, [row[key] for row in there], columns="*") if there else []


def _select_by_key(
    engine: Engine, table: str, key: str, values: Sequence[str], *, columns: str
) -> list[dict[str, Any]]:
    with _keys(engine, key, values) as source:
        sql = statement("statements", "rows_with_key").format(
            table=check_identifier("table", table), source=source, key=check_identifier("column", key), columns=columns
        )
        return records(_frame(engine, sql))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


@contextmanager
def _keys(engine: Engine, key: str, values: Sequence[str]) -> Iterator[str]:
    """The name of a temporary view over one text column."""
    import pyarrow as pa

    with _source(engine, pa.table({key: pa.array(sorted(set(values)), type=pa.string())})) as source:
        yield source


@contextmanager
def _source(engine: Engine, rows: pa.Table) -> Iterator[str]:
    """The name of a temporary view over rows of this process."""
    name = f"source_{secrets.token_hex(8)}"
    with staged(engine.location, name, rows) as file:
        given = engine.spark.createDataFrame(rows) if file is None else engine.spark.read.parquet(str(file))
        _heard(lambda: given.createOrReplaceTempView(name))
        try:
            yield name
        finally:
            engine.spark.catalog.dropTempView(name)


def _matched(rows: pa.Table, key: Sequence[str], pins: Sequence[str], ranges: Sequence[str] = ()) -> str:
    """The condition on which a row of the table is one of the source."""
    same = [f"t.{check_identifier('column', name)} = s.{name}" for name in key]
    return " and ".join(same + _pinned(rows, pins) + _between(rows, ranges))


def _pinned(rows: pa.Table, pins: Sequence[str]) -> list[str]:
    """Conditions that name the partitions touched, where their values are plain words."""
    conditions = []
    for name in pins:
        values = sorted({str(value) for value in rows[name].unique().to_pylist()})
        if all(_PLAIN_LITERAL.fullmatch(value) for value in values):
            listed = ", ".join(f"'{value}'" for value in values)
            conditions.append(f"t.{check_identifier('column', name)} in ({listed})")
    return conditions


def _between(rows: pa.Table, ranges: Sequence[str]) -> list[str]:
    """Conditions that name the smallest and largest value of columns, where these are numbers or plain words."""
    import pyarrow.compute as pc

    conditions = []
    for name in ranges:
        least, most = (pc.min_max(rows[name])[end].as_py() for end in ("min", "max"))
        if isinstance(least, int):
            conditions.append(f"t.{check_identifier('column', name)} between {least} and {most}")
        elif all(_PLAIN_LITERAL.fullmatch(str(value)) for value in (least, most)):
            conditions.append(f"t.{check_identifier('column', name)} between '{least}' and '{most}'")
    return conditions
