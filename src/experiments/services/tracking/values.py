"""What may be logged: numbers as they are, parameters with their type, histograms of many values."""

from __future__ import annotations

import datetime as dt
import enum
import json
import numbers
import operator
import os
import re
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from experiments.definitions import check_text, storable
from experiments.errors import InvalidInputError
from experiments.storage.journal import NOTHING

LONGEST_NAME = 500
"""Characters of the name of a metric, parameter or artifact."""

LONGEST_VALUE = 2**20
"""Characters of a parameter's value as JSON: what is longer is an artifact."""

MOST_BINS = 10_000
"""Of a histogram."""

PERCENTILES = (5, 25, 50, 75, 95)
"""Those kept of a distribution."""

_LARGEST = 2**63 - 1
_as_json = json.JSONEncoder(ensure_ascii=False).encode
_TYPE = re.compile(r"[\w .-]{1,60}")


def check_name(what: str, name: object) -> str:
    """Return `name` if it can name something that is logged.

    Raises
    ------
    InvalidInputError
        If it is no text, blank, or longer than 500 characters.
    """
    name = check_text(what, name)
    if len(name) > LONGEST_NAME:
        msg = f"{what} {name[:40]!r}... has {len(name):,} characters: use {LONGEST_NAME} at most."
        raise InvalidInputError(msg)
    return name


def check_notes(notes: object) -> str:
    """Return `notes` if they can be kept.

    Raises
    ------
    InvalidInputError
        If they are no text, blank, or longer than a parameter may be.
    """
    notes = check_text("notes", notes)
    if len(notes) > LONGEST_VALUE:
        msg = f"notes has {len(notes):,} characters: {LONGEST_VALUE:,} at most. Keep what is longer with log_artifact."
        raise InvalidInputError(msg)
    return notes


def check_type(kind: object) -> str:
    """Return `kind` if it can be the type of a run: runs lie in a folder of that name.

    Raises
    ------
    InvalidInputError
        If it is not a short plain text.
    """
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind) or kind.strip(" .") != kind:
        msg = f"experiment_type is {reprlib.repr(kind)}: use 1 to 60 letters, digits, spaces, '_', '-' and '.'."
        raise InvalidInputError(msg)
    return kind


def as_number(name: str, value: Any) -> float:
    """A metric's value as a float, NaN and infinities too.

    Raises
    ------
    InvalidInputError
        If it is no number: a text, an array of several.
    """
    shape = getattr(value, "shape", ())
    if hasattr(value, "item") and not any(length != 1 for length in shape):  # of numpy, torch, tensorflow ...
        value = None if getattr(value, "mask", False) is not False and value.mask.all() else value.item()
    if isinstance(value, numbers.Number) and not isinstance(value, complex):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            pass
    msg = f"the value of the metric {name[:60]!r} is {reprlib.repr(value)}: give one number that fits a double."
    raise InvalidInputError(msg)


def as_count(what: str, value: Any) -> int:
    """A step, episode or epoch as an integer; `NOTHING` for None.

    Raises
    ------
    InvalidInputError
        If it is no whole number, or does not fit 64 bits.
    """
    if value is None:
        return NOTHING
    try:
        count = operator.index(value)
    except TypeError:
        count = NOTHING
    if type(value).__name__ in ("bool", "bool_") or not -_LARGEST <= count <= _LARGEST:
        msg = f"{what} is {reprlib.repr(value)}: give a whole number of 64 bits, or None."
        raise InvalidInputError(msg)
    return count


def as_parameter(name: object, value: Any) -> tuple[str, str, str, float | None]:
    """A hyperparameter as the table has it: its name, its value as JSON, the type and the number it is, if it is one.

    Raises
    ------
    InvalidInputError
        If the name cannot be used, or the value is not made of numbers, texts, truth values, None, dates, paths, lists
        and dictionaries of these.

    Examples
    --------
    >>> as_parameter("learning_rate", 3e-4)
    ('learning_rate', '0.0003', 'float', 0.0003)
    """
    name = check_name("the name of a hyperparameter", name)
    try:
        plain = _plain(value)
    except TypeError as error:
        msg = (
            f"the hyperparameter {name[:60]!r} is {reprlib.repr(value)}: it is made of numbers, texts, truth values, "
            f"None, dates, paths, lists and dictionaries, and of no {error}."
        )
        raise InvalidInputError(msg) from None
    except RecursionError:
        msg = f"the hyperparameter {name[:60]!r} contains itself, or is nested too deep: log it as an artifact."
        raise InvalidInputError(msg) from None
    text, kind, number = described(plain)
    storable(f"the hyperparameter {name[:60]!r}", text)
    if len(text) > LONGEST_VALUE:
        msg = (
            f"the hyperparameter {name[:60]!r} has {len(text):,} characters: {LONGEST_VALUE:,} at most. "
            "Keep what is longer with log_artifact."
        )
        raise InvalidInputError(msg)
    return name, text, kind, number


def described(plain: Any) -> tuple[str, str, float | None]:
    """A value that JSON has a form for as the table has it: its JSON, its type, and the number to compare it by."""
    number = None
    if isinstance(plain, bool | int | float):
        with suppress(OverflowError):  # an integer of more than 308 digits
            number = float(plain)
    return _as_json(plain), "none" if plain is None else type(plain).__name__, number


def _plain(value: Any) -> Any:
    """A value as JSON has it.

    Raises
    ------
    TypeError
        If it has no such form; it names what it met.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        named = {str(_plain(key)): _plain(one) for key, one in value.items()}
        if len(named) < len(value):
            raise TypeError("keys that are the same as text")
        return named
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return _plain(plainer(value))


def plainer(value: Any) -> Any:
    """What stands for a value that JSON knows no form for: it may have to be asked again, of what is in it.

    Raises
    ------
    TypeError
        If nothing does; it names the type.
    """
    if isinstance(value, enum.Enum):
        return value.value
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def distribution(name: str, values: Any, bins: int) -> dict[str, Any]:
    """Many values as a histogram and its summary: the columns `value`, `edges`, `counts` and `summary` of `metrics`.

    NaN and infinities are counted in `n_other` and left out of all else.

    Raises
    ------
    InvalidInputError
        If they are no numbers, or none of them is finite.
    """
    import numpy as np

    try:
        given = np.asarray(values, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        msg = f"the distribution {name[:60]!r} is {reprlib.repr(values)}: give numbers."
        raise InvalidInputError(msg) from error
    finite = given[np.isfinite(given)]
    if not len(finite):
        msg = f"the distribution {name[:60]!r} has {len(given):,} values and no finite one among them: give some."
        raise InvalidInputError(msg)
    if bins > MOST_BINS:
        msg = f"bins is {bins:,}: use {MOST_BINS:,} at most."
        raise InvalidInputError(msg)
    try:
        with np.errstate(over="raise"):
            counts, edges = np.histogram(finite, bins=bins)
    except (ValueError, FloatingPointError) as error:  # a range no double can divide
        msg = f"the distribution {name[:60]!r} from {finite.min():g} to {finite.max():g} has no histogram: {error}"
        raise InvalidInputError(msg) from error
    summary = {
        "n": len(finite),
        "n_other": len(given) - len(finite),
        "mean": finite.mean(),
        "std": finite.std(ddof=1) if len(finite) > 1 else float("nan"),
        "min": finite.min(),
        "max": finite.max(),
        **{f"p{level}": found for level, found in zip(PERCENTILES, np.percentile(finite, PERCENTILES), strict=True)},
    }
    return {
        "value": float(finite.mean()),
        "edges": edges.tolist(),
        "counts": counts.astype(float).tolist(),
        "summary": {key: float(one) for key, one in summary.items()},
    }
