"""What is in the rows: a digest of the values, and of each column its type, range and missing values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidInputError, first_line
from experiments.services.datasets import values

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_SHOWN = 100
"""Characters of a text that is the smallest or largest of its column; what is longer is cut."""

_ORDERED = (values.NUMBER, values.TIME, values.TEXT, values.FLAG)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What was found in the rows of a dataset.

    Attributes
    ----------
    sha256 : str
        Digest of the values. It is the same for the same values in the same order of rows, whatever the file's format,
        layout, compression and encodings, the order of the columns and the types of their numbers: 1 is 1.0, NaN is
        missing, a date is its midnight in UTC. Another name of a column, another value or kind of value, or another
        order of the rows is another digest.
    n_rows : int
    column_types : dict of str to str
        In the order of the columns.
    minimums, maximums : dict of str to str
        Of columns whose values have an order, and any.
    missing : dict of str to int
    order : array or None, shape [n_rows]
        The values of the column asked for: times as datetime64, numbers as float; None where none was asked for.
    """

    sha256: str
    n_rows: int
    column_types: dict[str, str]
    minimums: dict[str, str]
    maximums: dict[str, str]
    missing: dict[str, int]
    order: npt.NDArray[Any] | None = None


class _Column:
    """A column as it is read, batch by batch."""

    def __init__(self) -> None:
        self.kind = ""
        self.missing = 0
        self.n_rows = 0
        self.lowest: Any = None
        self.highest: Any = None
        self._sizes = hashlib.sha256()
        self._content = hashlib.sha256()

    def read(self, column: pa.Array) -> None:
        """Take in the next rows: a plain column."""
        self.kind = values.kind_of(column.type)
        self.missing += column.null_count
        self.n_rows += len(column)
        if values.is_fixed(column.type):
            self._content.update(values.records(column).tobytes())
        else:
            self._read_texts(column)
        if self.kind in _ORDERED:
            self._widen(column)

    def digest(self) -> str:
        """Of kind and values; a column without a value has no kind."""
        kind = "empty" if self.missing == self.n_rows else self.kind
        return hashlib.sha256(f"{kind} {self._sizes.hexdigest()} {self._content.hexdigest()}".encode()).hexdigest()

    def _read_texts(self, column: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.kind not in (values.TEXT, values.BYTES):
            column = pa.array(values.others(column), pa.large_string())
        # their sizes beside them: "ab", "c" is not "a", "bc"
        self._sizes.update(np.asarray(pc.binary_length(column).fill_null(-1)).astype("<i8").tobytes())
        there = column.drop_null()
        _, offsets, content = there.buffers()
        if len(there) and content is not None:
            bounds = np.frombuffer(offsets, "<i8")[there.offset : there.offset + len(there) + 1]
            self._content.update(memoryview(content)[bounds[0] : bounds[-1]])

    def _widen(self, column: pa.Array) -> None:
        import pyarrow.compute as pc

        found = pc.min_max(column)
        low, high = (_time(found[end]) if self.kind == values.TIME else found[end].as_py() for end in ("min", "max"))
        if low is not None:
            self.lowest = low if self.lowest is None else min(low, self.lowest)
            self.highest = high if self.highest is None else max(high, self.highest)


def read_content(batches: Iterable[pa.RecordBatch], order_by: str | None = None) -> Content:
    """Read rows once, batch by batch.

    Parameters
    ----------
    batches : iterable of RecordBatch
        All with the same columns; at least one.
    order_by : str, optional
        A column of times or numbers whose values are to be returned.

    Raises
    ------
    InvalidInputError
        If there are no rows, or a column has values that cannot be read.
    """
    columns: dict[str, _Column] = {}
    types: dict[str, str] = {}
    order = []
    for batch in batches:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            reader = columns.setdefault(field.name, _Column())
            types[field.name] = values.type_name(field.type)
            try:
                flat = values.plain(column)
                reader.read(flat)
                if field.name == order_by:
                    order.append(order_of(flat, field.name))
            except InvalidInputError:
                raise
            except (ValueError, OverflowError, NotImplementedError) as error:
                msg = f"the column {field.name!r} has values that cannot be read: {first_line(error)}"
                raise InvalidInputError(msg) from error
    n_rows = max((one.n_rows for one in columns.values()), default=0)
    if not n_rows:
        msg = "the data has no rows: give some, there is nothing to version."
        raise InvalidInputError(msg)
    digests = {name: column.digest() for name, column in columns.items()}
    return Content(
        sha256=hashlib.sha256(json.dumps([n_rows, digests], sort_keys=True).encode()).hexdigest(),
        n_rows=n_rows,
        column_types=types,
        minimums={name: _shown(one.lowest) for name, one in columns.items() if one.lowest is not None},
        maximums={name: _shown(one.highest) for name, one in columns.items() if one.highest is not None},
        missing={name: one.missing for name, one in columns.items()},
        order=np.concatenate(order) if order else None,
    )


def order_of(column: pa.Array | pa.ChunkedArray, name: str) -> npt.NDArray[Any]:
    """The values of a column of times or numbers, missing ones NaT or NaN.

    Raises
    ------
    InvalidInputError
        If it has values of another kind.
    """
    kind = values.kind_of(column.type)
    if kind == values.TIME:
        return values.moments(column)
    if kind == values.NUMBER:
        return np.asarray(column.cast("float64").fill_null(float("nan")))
    msg = (
        f"the time column {name!r} has values of type {values.type_name(column.type)}: give one of dates, times or "
        "numbers; pandas.to_datetime makes times of texts."
    )
    raise InvalidInputError(msg)


def _time(value: pa.Scalar) -> np.datetime64 | None:
    import pyarrow as pa

    return values.moments(pa.array([value], value.type))[0] if value.is_valid else None


def _shown(value: Any) -> str:
    """A value as text."""
    if isinstance(value, np.datetime64):
        return iso(value)
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def iso(moment: np.datetime64) -> str:
    """A time in ISO form, a date where it is a midnight.

    Examples
    --------
    >>> iso(np.datetime64("2025-01-02T00:00:00.000000")), iso(np.datetime64("2025-01-02T03:04:00.5"))
    ('2025-01-02', '2025-01-02T03:04:00.5')
    """
    text = str(moment)
    date, _, time = text.partition("T")
    time = time.rstrip("0").rstrip(".") if "." in time else time
    return date if not time.strip(":0") else f"{date}T{time}"
