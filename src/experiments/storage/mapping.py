"""Rows through a function in the Python workers of an engine, and new tables of what comes out."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_identifier
from experiments.errors import EngineError, InvalidInputError, first_line
from experiments.storage.files import staged

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.storage.engine import Engine

Work = Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]

_SAID = re.compile(rf"{InvalidInputError.__name__}: (.+)")
"""What a function refused to do, in the traceback an engine makes of it."""


def map_rows(engine: Engine, rows: pa.Table, work: Work, columns: str) -> pa.Table:
    """What a function makes of rows of this process in the Python workers of the engine, in any order.

    Parameters
    ----------
    engine : Engine
    rows : pyarrow.Table
        Of types that engines have, see `portable`.
    work : callable
        Called for each share with an iterator of its batches; an importable function, with what it is given.
    columns : str
        Names and types of what it returns, such as "n bigint, x double".

    Raises
    ------
    InvalidInputError
        If the function raised one.
    EngineError
        If the engine gives up.
    """
    # Sail keeps what is sent to it until it stops; what it reads from a file it does not
    here = tempfile.TemporaryDirectory(prefix="experiments-") if engine.name == "sail" else None
    try:
        with staged(None if here is None else Path(here.name), "rows", rows) as file:
            frame = engine.spark.createDataFrame(rows) if file is None else engine.spark.read.parquet(str(file))
            return rows_of(frame.mapInArrow(_travelling(work), columns))
    finally:
        if here is not None:
            here.cleanup()


def map_table(frame: Any, work: Work, column: str, kind: str) -> Any:
    """A table of the engine with a column added by a function in its Python workers; nothing is computed yet.

    Parameters
    ----------
    frame : DataFrame
        Of the engine's session.
    work : callable
        As of `map_rows`; it returns every column it is given, and the new one last.
    column, kind : str
        Name and type of the new one: double, bigint, boolean or string.
    """
    from pyspark.sql import types

    kinds = {"double": types.DoubleType, "bigint": types.LongType, "boolean": types.BooleanType}
    added = types.StructField(column, kinds.get(kind, types.StringType)())
    return frame.mapInArrow(_travelling(work), types.StructType([*frame.schema.fields, added]))


def save_table(engine: Engine, frame: Any, name: str) -> None:
    """Save a frame of the engine as a new table of its catalog: all of it, or nothing.

    Raises
    ------
    InvalidInputError
        If there is such a table, or the function that makes its rows refused to.
    EngineError
        If the engine gives up.
    """
    check_new(engine, name)
    run(lambda: frame.write.format("delta").mode("errorifexists").saveAsTable(name))


def check_new(engine: Engine, name: str) -> None:
    """See that the catalog has no table of this name.

    Raises
    ------
    InvalidInputError
        If there is one, or it is no name.
    """
    for part in name.split("."):
        check_identifier("part of a table's name", part)
    if engine.spark.catalog.tableExists(name):
        msg = f"there is a table {name} already: give the name of a new one, or drop it first."
        raise InvalidInputError(msg)


def frame_of(engine: Engine, rows: pa.Table) -> Any:
    """Rows of this process as a frame of the engine."""
    return engine.spark.createDataFrame(rows)


def rows_of(frame: Any) -> pa.Table:
    """The rows of a frame of the engine.

    Raises
    ------
    InvalidInputError, EngineError
        As `run`.
    """
    return run(frame.toArrow)


def run(ask: Callable[[], Any]) -> Any:
    """What an engine answers; what a function in its workers refused is told in its own words.

    Raises
    ------
    InvalidInputError
        If the function raised one.
    EngineError
        If the engine gives up.
    """
    try:
        return ask()
    except Exception as error:
        if said := _SAID.search(str(error)):
            raise InvalidInputError(said[1].strip()) from error
        msg = f"the engine gave up on the rows: {first_line(error)}"
        raise EngineError(msg) from error


def write_folder(folder: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write a new Delta table into a folder, under whose name there is all of it or nothing.

    Raises
    ------
    InvalidInputError
        If there is something of that name.
    EngineError
        If it cannot be written.
    """
    import pyarrow as pa
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    if folder.exists():
        msg = f"there is something at {folder} already: give a new folder, or remove it first."
        raise InvalidInputError(msg)
    coming = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    raised: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for table in tables:
                yield from table.to_batches()
        except BaseException as error:  # of the rows, not of writing them: through the writer it comes in other words
            raised.append(error)
            raise

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(str(coming), pa.RecordBatchReader.from_batches(schema, batches()))
        coming.rename(folder)
    except (DeltaError, OSError) as error:
        if raised:
            raise raised[0] from None
        msg = f"the table {folder} cannot be written: {getattr(error, 'strerror', None) or first_line(error)}."
        raise EngineError(msg) from error
    finally:
        shutil.rmtree(coming, ignore_errors=True)


def portable(rows: pa.Table) -> pa.Table:
    """Rows with the types that every engine has: numbers with signs, text for what has no value, microseconds."""
    import pyarrow as pa

    def kind(given: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(given):
            return kind(given.value_type)
        if pa.types.is_unsigned_integer(given):
            return pa.float64() if pa.types.is_uint64(given) else pa.int64()
        if pa.types.is_timestamp(given):
            return pa.timestamp("us", given.tz)
        if pa.types.is_float16(given):
            return pa.float32()
        return pa.string() if pa.types.is_null(given) or pa.types.is_large_string(given) else given

    fields = [pa.field(field.name, kind(field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields), safe=False)


def _travelling(work: Work) -> Work:
    """The function for an engine's workers; it travels by value, to find `work` where this process does."""
    import cloudpickle

    path, packed = list(sys.path), cloudpickle.dumps(work)

    def on_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sys.path.extend(place for place in path if place not in sys.path)
        yield from cloudpickle.loads(packed)(batches)

    return on_batches
