"""From what a user gives, a frame or a file, to rows in batches."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError, NotFoundError, first_line
from experiments.services.datasets import values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ACCEPTED = "a DataFrame, or the path of a .csv, .csv.gz, .parquet or .feather file"
"""What data may be, in words."""

_ROW_NUMBERS = re.compile(r"|__index_level_\d+__")
_WORDS_FOR_MISSING = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan", "None", "NaT")
_ROWS = 1 << 17


@dataclass(frozen=True, kw_only=True)
class Data:
    """Rows that can be read, more than once.

    Attributes
    ----------
    schema : pyarrow.Schema
        The columns, without the unnamed one of row numbers that pandas writes.
    table : pyarrow.Table or None
        The rows, where they are in memory.
    path : Path or None
        The file; it is read anew each time where `table` is None.
    stamp : tuple of int, or None
        Of the file when it was opened, see `unchanged`.
    """

    schema: pa.Schema
    table: pa.Table | None = None
    path: Path | None = None
    stamp: tuple[int, ...] | None = None

    @property
    def source(self) -> str:
        """What it was made from, in short."""
        return "DataFrame" if self.path is None else self.path.name

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; of a Parquet file some at a time."""
        if self.table is not None:
            yield from self.table.to_batches(max_chunksize=_ROWS)
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                names = self.schema.names
                yield from file.iter_batches(_ROWS, columns=names if names != file.schema_arrow.names else None)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def unchanged(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self.path is None or self.stamp == _stamp(self.path)


def read(data: pd.DataFrame | str | Path) -> Data:
    """See what the columns of data are; a CSV is read into memory, Parquet is not.

    Raises
    ------
    NotFoundError
        If there is no such file.
    InvalidInputError
        If it is neither a frame nor a file of a kind that is read, or its columns cannot be kept: no or equal names,
        values of several types in one, an index without a name that is more than row numbers.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        table = of_frame(data)
        return Data(schema=table.schema, table=table)
    path = _path(data)
    try:
        stamp = _stamp(path)
    except OSError as error:
        msg = f"there is no file {str(path)!r}: give {ACCEPTED}."
        raise NotFoundError(msg) from error
    readers = {".csv": _of_csv, ".csv.gz": _of_csv, ".parquet": _of_parquet, ".feather": _of_feather}
    reader = next((one for ending, one in readers.items() if path.name.casefold().endswith(ending)), None)
    if reader is None or not path.is_file():
        msg = f"{path} is no file that is read by its name: give {ACCEPTED}."
        raise InvalidInputError(msg)
    import pyarrow as pa

    try:
        found = reader(path)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    if isinstance(found, pa.Schema):
        return Data(schema=_checked(found), path=path, stamp=stamp)
    schema = _checked(found.schema)
    return Data(schema=schema, table=found.select(schema.names), path=path, stamp=stamp)


def _path(data: object) -> Path:
    if not isinstance(data, str | os.PathLike) or not str(data) or "\0" in str(data):
        msg = f"the data is {str(data)[:80]!r}, of type {type(data).__name__}: give {ACCEPTED}."
        raise InvalidInputError(msg)
    return Path(data)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Rows as pandas has them: types as they were, a former index a column, the rows numbered."""
    import json

    table = table.select([name for name in table.column_names if not _ROW_NUMBERS.fullmatch(name)])
    described = dict(table.schema.metadata or {})
    if b"pandas" in described:  # what it says of the index would make one of a column
        told = json.loads(described[b"pandas"])
        told["index_columns"] = []
        table = table.replace_schema_metadata(described | {b"pandas": json.dumps(told).encode()})
    frame: pd.DataFrame = table.to_pandas()
    return frame


def in_order(table: pa.Table, first: str | None = None) -> pa.Table:
    """Rows that come in any order, in the only one of their values: of this column, and then of the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = sorted(table.column_names, key=lambda name: (name != first, name))
    keys = {}
    for name in names:
        column = values.plain_column(table.column(name))
        if not (values.is_fixed(column.type) or values.kind_of(column.type) == values.TEXT):
            column = pa.array([text for chunk in column.chunks for text in values.others(chunk)], pa.large_string())
        keys[name] = column
    return table.take(pc.sort_indices(pa.table(keys), [(name, "ascending") for name in names]))


def of_frame(frame: pd.DataFrame) -> pa.Table:
    """A frame's columns, an index with a name among them.

    Raises
    ------
    InvalidInputError
        As `read`.
    """
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame.columns, pd.MultiIndex) or (wrong := [name for name in frame.columns if type(name) is not str]):
        given = "columns of several levels" if isinstance(frame.columns, pd.MultiIndex) else f"a column {wrong[0]!r}"
        msg = f"the frame has {given}: give every column one name, a text."
        raise InvalidInputError(msg)
    names = list(frame.index.names)
    if all(names):
        if taken := [str(name) for name in names if name in frame.columns or type(name) is not str]:
            msg = (
                f"the index {taken[0]!r} of the frame is a column too, or its name no text: rename it, or reset_index."
            )
            raise InvalidInputError(msg)
        frame = frame.reset_index()
    elif len(names) > 1 or not pd.api.types.is_integer_dtype(frame.index.dtype):
        msg = (
            f"the index of the frame has values of type {frame.index.dtype} and no name: name it, as in "
            "frame.rename_axis('ds'), to keep it as a column, or drop it by reset_index(drop=True)."
        )
        raise InvalidInputError(msg)
    _checked_names(frame.columns.tolist())
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(part) for part in error.args) or first_line(error)
        msg = f"a column of the frame has values of several types, or of one that files have not: {reason}"
        raise InvalidInputError(msg) from error


def _of_parquet(path: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.schema_arrow


def _of_feather(path: Path) -> pa.Table:
    from pyarrow import feather

    return feather.read_table(path, memory_map=False)


def _of_csv(path: Path) -> pa.Table:
    """The columns of a CSV, typed by what all of their cells are: numbers, true and false, ISO dates and times, text.

    A cell with nothing in it is missing, one with quotes and nothing in them is an empty text.
    """
    import pyarrow.csv as pc

    opened = gzip.open if path.name.casefold().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as file:
        header = file.readline(1 << 20)
    separator = max(",;\t", key=re.sub(r'"[^"]*"', "", header).count)
    table = pc.read_csv(
        path,
        parse_options=pc.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        ),
    )
    for position, field in enumerate(table.schema):
        table = table.set_column(position, field.name, _without_words(table.column(position)))
    return table


def _without_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers in which words such as NA stand for missing ones, as numbers; any other as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column
    words = pc.is_in(column, pa.array(_WORDS_FOR_MISSING))
    if not pc.any(words).as_py():
        return column
    rest = pc.if_else(words, pa.scalar(None, column.type), column)
    for kind in (pa.int64(), pa.float64()):
        try:
            return rest.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _checked(schema: pa.Schema) -> pa.Schema:
    """The columns with a name; the one without may hold row numbers only."""
    import pyarrow as pa

    _checked_names(schema.names)
    unnamed = [field for field in schema if _ROW_NUMBERS.fullmatch(field.name)]
    if wrong := [field for field in unnamed if not pa.types.is_integer(field.type)]:
        msg = f"the data has a column of type {wrong[0].type} without a name: name it, or leave it out."
        raise InvalidInputError(msg)
    return pa.schema([field for field in schema if field not in unnamed], metadata=schema.metadata)


def _checked_names(names: list[Any]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        msg = f"the data has two columns {twice[0]!r}: rename or remove one."
        raise InvalidInputError(msg)
    if not any(not _ROW_NUMBERS.fullmatch(name) for name in names):
        msg = "the data has no columns with a name: give some, there is nothing to version."
        raise InvalidInputError(msg)


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _unreadable(path: Path | None, error: Exception) -> InvalidInputError:
    reason = getattr(error, "strerror", None) or first_line(error)
    return InvalidInputError(f"{path} cannot be read: {reason}")
