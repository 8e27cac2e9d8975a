"""Columns in one form, whatever file, encoding or type of number they come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER, TIME, TEXT, FLAG, BYTES, OTHER = "number", "time", "text", "flag", "bytes", "other"
"""Kinds of columns; one of another kind is compared by what JSON makes of its values."""

RECORD = np.dtype([("tag", "u1"), ("value", "<u8")])
"""One value of a fixed size: what it is, and its 64 bits."""

_MISSING, _INTEGER, _FLOAT, _UNSIGNED, _MICROSECONDS, _NANOSECONDS, _FLAG, _DECIMAL = range(8)


def plain(column: pa.Array) -> pa.Array:
    """A column without dictionary, extension type and NaN: a missing number is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if (same := next((same for of, same in _uniform() if of(kind)), None)) is not None:
        column = column.cast(same)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in several parts, each of them `plain`."""
    import pyarrow as pa

    if not column.num_chunks:
        return pa.chunked_array([plain(pa.array([], column.type))])
    return pa.chunked_array([plain(chunk) for chunk in column.chunks])


def _uniform() -> tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...]:
    """Types that differ in how they are stored only, and the one they become."""
    import pyarrow as pa
    from pyarrow import types

    return (
        (lambda kind: types.is_string(kind) or types.is_string_view(kind), pa.large_string()),
        (lambda kind: types.is_binary(kind) or types.is_binary_view(kind), pa.large_binary()),
        (types.is_fixed_size_binary, pa.large_binary()),
        (types.is_float16, pa.float32()),
        (types.is_time, pa.time64("ns")),
        (types.is_duration, pa.duration("ns")),
    )


def kind_of(kind: pa.DataType) -> str:
    """The kind of a plain column: what its values are compared as."""
    import pyarrow as pa

    of = {
        NUMBER: (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
        TIME: (pa.types.is_date, pa.types.is_timestamp),
        TEXT: (pa.types.is_large_string,),
        BYTES: (pa.types.is_large_binary,),
        FLAG: (pa.types.is_boolean,),
        "time of day": (pa.types.is_time,),
        "duration": (pa.types.is_duration,),
    }
    return next((name for name, kinds in of.items() if any(is_one(kind) for is_one in kinds)), OTHER)


def type_name(kind: pa.DataType) -> str:
    """A type in words: of a dictionary or an extension the type of its values."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return type_name(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return type_name(kind.value_type)
    return str(kind).removeprefix("large_")


def is_fixed(kind: pa.DataType) -> bool:
    """Whether the values of a plain column have a fixed size, and so are `records`."""
    return kind_of(kind) in (NUMBER, TIME, FLAG)


def records(column: pa.Array) -> npt.NDArray[np.void]:
    """The values of a plain column of numbers, times or flags: equal where they are equal, whatever their type.

    A number is the integer it equals, else a double, else the text of a decimal that no double equals; a time is
    microseconds since 1970 in UTC, nanoseconds where these do not do.
    """
    import pyarrow as pa

    found = np.zeros(len(column), RECORD)
    there = np.asarray(column.is_valid())
    kind = column.type
    if pa.types.is_decimal(kind):
        rows = [_of_decimal(value) for value in column.to_pylist()]
        found["tag"], found["value"] = zip(*rows, strict=True) if rows else ((), ())
        return found
    if kind_of(kind) == TIME:
        found["tag"], found["value"] = _of_times(moments(column))
    elif pa.types.is_boolean(kind):
        found["tag"], found["value"] = _FLAG, np.asarray(column.fill_null(False))
    elif pa.types.is_integer(kind):
        numbers = np.asarray(column.fill_null(0))
        found["value"] = numbers.astype("<i8").view("<u8")
        found["tag"] = np.where(numbers.astype("u8") >= 2**63, _UNSIGNED, _INTEGER) if kind == pa.uint64() else _INTEGER
    else:
        found["tag"], found["value"] = _of_floats(np.asarray(column.fill_null(0.0)).astype("<f8"))
    found[~there] = np.zeros((), RECORD)
    return found


def moments(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    """Dates and times as numpy has them: in nanoseconds where the column is, else microseconds; UTC; missing is NaT."""
    import pyarrow as pa

    unit = "ns" if pa.types.is_timestamp(column.type) and column.type.unit == "ns" else "us"
    # to UTC by way of the integers that are stored: a zone of its own changes nothing of them
    stamps = column.cast(pa.timestamp(unit, getattr(column.type, "tz", None))).cast(pa.int64())
    there = np.asarray(stamps.is_valid())
    found = np.asarray(stamps.fill_null(0)).astype(f"datetime64[{unit}]")
    found[~there] = np.datetime64("NaT")
    return found


def others(column: pa.Array) -> list[str | None]:
    """The values of a plain column of another kind: as canonical JSON; NULL is None."""
    if kind_of(column.type) in ("time of day", "duration"):
        column = column.cast("int64")
    return [
        None if value is None else json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
        for value in column.to_pylist()
    ]


def _of_times(times: npt.NDArray[np.datetime64]) -> tuple[Any, npt.NDArray[np.uint64]]:
    if times.dtype == np.dtype("datetime64[us]"):
        return _MICROSECONDS, times.astype("<i8").view("<u8")
    stamps = times.astype("<i8")
    whole = stamps % 1000 == 0
    return np.where(whole, _MICROSECONDS, _NANOSECONDS), np.where(whole, stamps // 1000, stamps).view("<u8")


def _of_floats(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    with np.errstate(invalid="ignore"):
        whole = np.floor(numbers) == numbers
    signed = whole & (numbers >= -(2.0**63)) & (numbers < 2.0**63)
    unsigned = whole & (numbers >= 2.0**63) & (numbers < 2.0**64)
    values = numbers.view("<u8").copy()
    values[signed] = numbers[signed].astype("<i8").view("<u8")
    values[unsigned] = numbers[unsigned].astype("<u8")
    return np.select([signed, unsigned], [_INTEGER, _UNSIGNED], _FLOAT), values


def _of_decimal(value: Decimal | None) -> tuple[int, int]:
    if value is None:
        return _MISSING, 0
    if value == value.to_integral_value():
        whole = int(value)
        if -(2**63) <= whole < 2**63:
            return _INTEGER, whole % 2**64
        if 2**63 <= whole < 2**64:
            return _UNSIGNED, whole
    if Decimal(repr(number := float(value))) == value:
        return _FLOAT, int(np.float64(number).view("u8"))
    # no double equals it: its digits, of which 64 bits of a digest are told apart by chance alone
    from hashlib import sha256

    return _DECIMAL, int.from_bytes(sha256(str(value.normalize()).encode()).digest()[:8])
