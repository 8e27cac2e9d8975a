"""From a caller's frame to clean rows: one clear error for what cannot be used, a note on what was left out."""

from __future__ import annotations

import decimal
import numbers
import reprlib
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.definitions import check_text
from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN_KINDS = "iufOU"
"""Kinds of column that may hold numbers: integers, floats, objects and text; no truth values, dates or complex ones."""

_LARGEST = 1e100
"""Beyond it the squares of errors are no numbers any more."""


def check_frame(data: object, what: str) -> pd.DataFrame:
    """Return `data` if it is a frame whose columns have one name each.

    Raises
    ------
    InvalidInputError
        If it is something else, or its columns have several levels.
    """
    if not isinstance(data, pd.DataFrame):
        msg = f"{what} is a {type(data).__name__}: give a pandas DataFrame."
        raise InvalidInputError(msg)
    if isinstance(data.columns, pd.MultiIndex):
        msg = f"the columns of {what} have {data.columns.nlevels} levels: give one name a column, such as 'ds' and 'y'."
        raise InvalidInputError(msg)
    return data


def clean(data: pd.DataFrame, *, value: str, what: str, by: Sequence[str] = ()) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with a date and a finite value, sorted; and in words what was left out or moved.

    Parameters
    ----------
    data : DataFrame
        Columns `ds`, the value's and those of `by`; as `check_frame` returns it.
    value : str
        Name of the column of values.
    what : str
        What the frame is, for messages.
    by : sequence of str
        `["unique_id"]` where the frame holds several series.

    Raises
    ------
    InvalidInputError
        If a column is missing or there twice, a date cannot be read or stands twice, a value is no number or
        infinite, a row names no series, or no row is left.
    """
    _check_columns(data, (*by, "ds", value), what)
    frame = pd.DataFrame({name: data[name].reset_index(drop=True) for name in (*by, "ds", value)})
    for name in by:
        frame[name] = _names(frame[name], what)
    try:
        frame["ds"] = _days(frame["ds"])
        frame[value] = _floats(frame[value])
    # pandas is foreign code: whatever it raises over a value is that value's fault
    except Exception as error:
        reason = str(error).partition(" You might want to try:")[0].rstrip(".")  # pandas advises on its own arguments
        msg = f"{what} cannot be read: {reason}. 'ds' takes dates such as 2024-01-31, {value!r} numbers."
        raise InvalidInputError(msg) from error
    if np.isinf(frame[value]).any():
        first = frame[np.isinf(frame[value])].iloc[0]
        msg = f"{what} has an infinite value on {first['ds'].date()}{_of(first, by)}: correct or remove that row."
        raise InvalidInputError(msg)
    if (frame[value].abs() > _LARGEST).any():
        first = frame[frame[value].abs() > _LARGEST].iloc[0]
        msg = f"{what} has {first[value]:.3g} on {first['ds'].date()}{_of(first, by)}: use a unit below {_LARGEST:.0e}."
        raise InvalidInputError(msg)
    notes = []
    empty = frame[["ds", value]].isna().any(axis=1)
    if empty.any():
        notes.append(f"{int(empty.sum())} of {len(frame)} rows without a date or value left out of {what}")
        frame = frame[~empty]
    if frame.empty:
        msg = f"{what} has no row with a date and a value."
        raise InvalidInputError(msg)
    twice = frame.duplicated([*by, "ds"])
    if twice.any():
        first = frame[twice].iloc[0]
        msg = f"{what} has {int(twice.sum())} dates twice, the first {first['ds'].date()}{_of(first, by)}."
        raise InvalidInputError(msg)
    dates = frame.groupby(list(by))["ds"] if by else frame["ds"]
    if (dates.diff() < pd.Timedelta(0)).any():
        notes.append(f"rows of {what} sorted by date")
    return frame.sort_values([*by, "ds"], ignore_index=True), tuple(notes)


def _check_columns(data: pd.DataFrame, needed: Sequence[str], what: str) -> None:
    names = list(data.columns)
    for name in needed:
        if names.count(name) > 1:
            msg = f"{what} has {names.count(name)} columns named {name!r}: keep one."
            raise InvalidInputError(msg)
        if name in names:
            continue
        msg = f"{what} lacks the column {name!r}; it has {list(map(str, names))}."
        if name == "ds" and (name in data.index.names or isinstance(data.index, pd.DatetimeIndex)):
            msg += " Its dates are the index: make them a column, data.rename_axis('ds').reset_index()."
        raise InvalidInputError(msg)


def _names(values: pd.Series, what: str) -> pd.Series:
    """Names of series as text."""
    # not astype, which decodes bytes and may fail at it
    names = pd.Series([str(name) for name in values], index=values.index, dtype=object)
    missing = values.isna() | (names.str.strip() == "")
    if missing.any():
        msg = f"{what} has {int(missing.sum())} rows without 'unique_id': name the series of every row."
        raise InvalidInputError(msg)
    for name in names.unique():
        check_text("unique_id", name)
    return names


def _days(values: pd.Series) -> pd.Series:
    """Days without a time or a zone."""
    if pd.api.types.is_numeric_dtype(values):  # pandas would count nanoseconds from 1970
        msg = f"'ds' holds numbers ({values.dtype})"
        raise TypeError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what pandas warns of today, mixed time zones, is no date to build on
        try:
            # ISO only: pandas would otherwise guess whether 01/02/2024 is January or February
            days = pd.to_datetime(values, format="ISO8601").dt.tz_localize(None).dt.normalize()
            return days.astype("datetime64[ns]")
        except pd.errors.OutOfBoundsDatetime as error:
            reason = str(error).partition(" You might want to try:")[0]
            msg = f"{reason}; dates lie between 1678 and 2261"
            raise InvalidInputError(msg) from error
        except FutureWarning as error:
            msg = "'ds' holds times of several time zones; give days, or times of one zone"
            raise InvalidInputError(msg) from error


def _floats(values: pd.Series) -> pd.Series:
    """Values as floats; NaN where one is missing."""
    if values.dtype.kind not in _PLAIN_KINDS:
        msg = f"{values.name!r} holds {values.dtype} values"
        raise TypeError(msg)
    if values.dtype == object:  # pandas reads True as 1, 2j as 0 and a dictionary as missing
        for item in values[values.notna()]:
            if isinstance(item, bool | np.bool_) or not isinstance(item, str | numbers.Real | decimal.Decimal):
                msg = f"{values.name!r} holds {reprlib.repr(item)} ({type(item).__name__})"
                raise TypeError(msg)
    return pd.to_numeric(values).astype(float)


def _of(row: pd.Series, by: Sequence[str]) -> str:
    """Of which series a row is, in words, where there are several."""
    return "".join(f" in series {row[name]!r}" for name in by)
