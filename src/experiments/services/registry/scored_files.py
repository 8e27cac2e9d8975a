"""Files of rows that are written as they come: under its name there is all of one, or nothing."""

from __future__ import annotations

import csv
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError, InvalidInputError, first_line

if TYPE_CHECKING:
    import pyarrow as pa


def check_target(output: str | Path | None, into: str | Path | None) -> None:
    """See that a file, or else the folder of a table, can be made.

    Raises
    ------
    InvalidInputError
        If there is something of its name, its name says no format, or it is none.
    """
    given = output if into is None else into
    if not isinstance(given, str | Path) or not str(given).strip() or "\0" in str(given):
        msg = f"what is written is called {given!r:.60}: give a .csv or .parquet file, or the folder of a new table."
        raise InvalidInputError(msg)
    if output is not None and Path(output).suffix.casefold() not in WRITERS:
        msg = f"{output} cannot be written by its name: give a {' or '.join(WRITERS)} file."
        raise InvalidInputError(msg)
    if os.path.lexists(given):
        msg = f"there is something at {given} already: give a new name, or remove it first."
        raise InvalidInputError(msg)


def write_file(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write rows to a new file, by its name as CSV or Parquet.

    Raises
    ------
    InvalidInputError
        If a column has a type that the format has not.
    EngineError
        If it cannot be written.
    """
    import pyarrow as pa

    coming = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[path.suffix.casefold()](coming, schema, tables)
        coming.replace(path)
    except pa.ArrowException as error:
        msg = f"{path} cannot be written: {first_line(error)}"
        raise InvalidInputError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}."
        raise EngineError(msg) from error
    finally:
        with suppress(OSError):
            coming.unlink(missing_ok=True)


def _csv(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with path.open("wb") as file:
        write_csv(file, schema, tables)


def write_csv(file: Any, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write rows as CSV to an open binary file."""
    import io

    import pyarrow.csv as pc

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)  # without the quotes that Arrow puts there
    file.write(header.getvalue().encode())
    with pc.CSVWriter(file, schema, write_options=pc.WriteOptions(include_header=False)) as writer:
        for table in tables:
            writer.write_table(table)


def _parquet(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema) as writer:
        for table in tables:
            writer.write_table(table)


WRITERS: dict[str, Callable[[Path, Any, Iterable[Any]], None]] = {".csv": _csv, ".parquet": _parquet}
"""By the ending of the file."""
