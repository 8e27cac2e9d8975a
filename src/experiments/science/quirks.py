"""What the values of a series look like, in words: gaps, repeated values, no movement. Nothing is filled or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_STEP_DAYS = {"trading day": 4, "day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
"""Calendar days between two observations beyond which one is missing, by frequency; irregular series have no gaps."""


def quirks(ds: NDArray[np.datetime64], y: NDArray[np.float64], *, frequency: str, what: str) -> tuple[str, ...]:
    """One line for each thing a reader of the results should know of a series.

    Parameters
    ----------
    ds : array [N] of datetime64[D]
        Its dates, increasing.
    y : array [N] of float
        Its values.
    frequency : str
        A key of `definitions.SEASON_LENGTH`.
    what : str
        What the series is called.

    Examples
    --------
    >>> ds = np.array(["2024-01-01", "2024-01-02", "2024-01-09"], dtype="datetime64[D]")
    >>> for line in quirks(ds, np.array([5.0, 6.0, 6.0]), frequency="day", what="the data of Coffee"):
    ...     print(line)
    the data of Coffee has 1 gap of more than 1 day, the longest from 2024-01-02 to 2024-01-09: not filled, a step is \
the next observation
    the data of Coffee has 1 value equal to the one before, the last on 2024-01-09: kept as observed, a stale close \
counts as no move
    """
    return (*_gaps(ds, LONGEST_STEP_DAYS.get(frequency), what), *_repeats(ds, y, what))


def _gaps(ds: NDArray[np.datetime64], longest_step: int | None, what: str) -> tuple[str, ...]:
    days = np.diff(ds).astype(int)
    if longest_step is None or not (days > longest_step).any():
        return ()
    count, longest = int((days > longest_step).sum()), int(np.argmax(days))
    return (
        f"{what} has {counted(count, 'gap')} of more than {counted(longest_step, 'day')}, the longest from "
        f"{ds[longest]} to {ds[longest + 1]}: not filled, a step is the next observation",
    )


def _repeats(ds: NDArray[np.datetime64], y: NDArray[np.float64], what: str) -> tuple[str, ...]:
    repeated = np.flatnonzero(np.diff(y) == 0) + 1
    if not repeated.size:
        return ()
    if repeated.size == len(y) - 1:
        return (f"{what} never moves: every value is {y[0]:g}, every error 0, and nothing can be told",)
    return (
        f"{what} has {counted(repeated.size, 'value')} equal to the one before, the last on {ds[repeated[-1]]}: kept "
        "as observed, a stale close counts as no move",
    )
