"""The checks that arguments pass first: what raises here is an argument that cannot be used."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.errors import InvalidInputError

Floats = NDArray[np.float64]

ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""What is smaller than this share of what it was computed from is zero up to rounding."""

_LARGEST = 1e300  # so that no sum of losses overflows


def numbers(what: str, values: ArrayLike, *, ndim: int = 1) -> Floats:
    """Values as an array of floats with that many dimensions, NaN included."""
    shape = ("one-dimensional array", "table of windows by models")[ndim - 1]
    try:
        array: Floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{what} holds something that is not a number ({error}): accepted is a {shape} of numbers."
        raise InvalidInputError(msg) from error
    if array.ndim != ndim:
        msg = f"{what} has shape {array.shape}: accepted is a {shape}."
        raise InvalidInputError(msg)
    return array


def checked_losses(what: str, values: ArrayLike, *, ndim: int = 1) -> Floats:
    """Losses that can be added up: numbers, all of them finite."""
    array = numbers(what, values, ndim=ndim)
    unusable = np.argwhere(~(np.abs(array) <= _LARGEST))
    if unusable.size:
        first = tuple(int(place) for place in unusable[0])
        msg = (
            f"{what} holds {len(unusable)} losses that are not finite, the first {array[first]} at position "
            f"{first[0] if ndim == 1 else first}: "
            f"accepted are finite losses up to {_LARGEST:g}. Leave out the windows that failed."
        )
        raise InvalidInputError(msg)
    return array


def checked_loss_table(values: ArrayLike) -> Floats:
    """Losses of at least one model, array [N, M]."""
    table = checked_losses("losses", values, ndim=2)
    if not table.shape[1]:
        msg = f"losses has shape {table.shape}: accepted is a table of windows by models, with one model at least."
        raise InvalidInputError(msg)
    return table


def checked_overlap(overlap: object) -> int:
    """Into how many windows one loss reaches."""
    return checked_integer("overlap counts windows", overlap)


def checked_integer(what: str, given: object, *, least: int = 1) -> int:
    """An integer, of Python or numpy, that is not too small."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
        msg = f"{what}: given {given!r}, accepted is an integer of at least {least}."
        raise InvalidInputError(msg)
    return int(given)


def checked_level(level: object) -> float:
    """A level of confidence."""
    if not isinstance(level, float | np.floating) or not 0 < level < 1:
        msg = f"level is a confidence such as 0.95: given {level!r}, accepted is a number between 0 and 1."
        raise InvalidInputError(msg)
    return float(level)


def check_same_length(a_name: str, a_size: int, b_name: str, b_size: int) -> None:
    """Two models are compared on the same windows."""
    if a_size != b_size:
        msg = f"{a_name} has {a_size} values and {b_name} {b_size}: accepted are equal lengths, window by window."
        raise InvalidInputError(msg)


def check_choice(what: str, given: str, accepted: tuple[str, ...]) -> None:
    """One of a few words."""
    if given not in accepted:
        msg = f"{what} {given!r} is not known: accepted are {', '.join(accepted)}."
        raise InvalidInputError(msg)
