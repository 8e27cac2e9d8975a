"""The grid of cutoffs: every `step_size`-th observation counted from a recorded origin."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray


def cutoff_positions(  # noqa: PLR0913  a grid has this many numbers, all but the dates by name
    ds: NDArray[np.datetime64],
    *,
    origin: dt.date,
    horizon: int,
    step_size: int,
    n_windows: int,
    min_train: int,
    begin: int = 0,
) -> NDArray[np.int64]:
    """Positions of the last `n_windows` complete cutoffs on the grid, in order of time.

    A cutoff is complete when all `horizon` steps after it have been observed. Counting from the
    origin keeps old cutoffs where they are when observations are appended.

    Parameters
    ----------
    ds : array [N] of datetime64[D]
        Dates of the series, strictly increasing.
    origin : datetime.date
        The observation the grid is counted from.
    horizon, step_size, n_windows : int
        As in `BacktestDefinition`, in steps of the series.
    min_train : int
        Observations the first window needs, its cutoff included.
    begin : int
        Position of the first observation that counts as one to train on: where all covariates are known.

    Returns
    -------
    array [n_windows] of int

    Raises
    ------
    InvalidInputError
        If the origin is not one of the dates.
    NotEnoughDataError
        If fewer than `n_windows` complete cutoffs have `min_train` observations.

    Examples
    --------
    >>> import datetime as dt
    >>> ds = np.arange("2024-01-01", "2024-01-13", dtype="datetime64[D]")
    >>> cutoff_positions(ds, origin=dt.date(2024, 1, 1), horizon=2, step_size=3, n_windows=2, min_train=4)
    array([6, 9])
    """
    start = int(np.searchsorted(ds, np.datetime64(origin, "D")))
    if start == len(ds) or ds[start] != np.datetime64(origin, "D"):
        span = f"{ds[0]} to {ds[-1]}" if len(ds) else "empty"
        msg = (
            f"the grid's origin {origin} is not a date of the series ({span}): the cutoffs are counted "
            "from it, so give the series from that date on, with it."
        )
        raise InvalidInputError(msg)
    positions = np.arange(start, len(ds) - horizon, step_size)
    usable = positions[positions + 1 - begin >= min_train]
    if len(usable) < n_windows:
        # the first cutoff on the grid with enough history, then one step per further window, then the horizon
        first = start + math.ceil(max(begin + min_train - 1 - start, 0) / step_size) * step_size
        needed = first + (n_windows - 1) * step_size + horizon + 1
        msg = (
            f"{n_windows} windows of {horizon} steps every {step_size}, the first with {min_train} observations to "
            f"train on, need {needed} observations; the series has {len(ds)}, enough for {len(usable)} windows."
        )
        raise NotEnoughDataError(msg)
    return usable[-n_windows:]


def shared_origin(
    recorded: Sequence[tuple[dt.date, dt.date]], dates: Sequence[NDArray[np.datetime64]]
) -> tuple[dt.date, dt.date] | None:
    """The grid to count on and the date to count from, one that every series has.

    A recorded grid is gone on with from its origin or, where a series has not that date (a younger one, a file that
    was cut), from the first recorded cutoff that every series has: that is on the same grid. Where there is none, a
    new grid begins with the first date all series share.

    Parameters
    ----------
    recorded : sequence of (date, date)
        Each recorded grid's origin with a date on that grid, in the order to try: the origin itself first.
    dates : sequence of array [N] of datetime64[D]
        The dates of each series.

    Returns
    -------
    (date, date) or None
        The grid's origin, which identifies it, and the date to count from; None if no date is shared.

    Examples
    --------
    >>> import datetime as dt
    >>> ds = np.arange("2024-01-03", "2024-01-09", dtype="datetime64[D]")
    >>> first, second = dt.date(2024, 1, 1), dt.date(2024, 1, 5)
    >>> shared_origin([(first, first), (first, second)], [ds]) == (first, second)
    True
    """
    shared = functools.reduce(np.intersect1d, dates)
    if not shared.size:
        return None
    every = set(shared.tolist())
    for origin, date in recorded:
        if date in every:
            return origin, date
    return shared[0].item(), shared[0].item()


def overlap(last_step: int, step_size: int) -> int:
    """Windows whose losses share an observation: 1 when a window's steps end before the next cutoff.

    Parameters
    ----------
    last_step : int
        The last step that enters the loss.
    step_size : int
        Observations between two cutoffs.
    """
    return math.ceil(last_step / step_size)


def observed_overlap(cutoffs: NDArray[np.datetime64], ends: NDArray[np.datetime64]) -> int:
    """The overlap the dates themselves show, whatever step size was announced.

    Parameters
    ----------
    cutoffs, ends : array [W] of datetime64[D]
        Each window's cutoff and the date of its last step; cutoffs strictly increasing.
    """
    if len(cutoffs) == 0:
        return 1
    # windows from i on whose cutoff lies before the end of window i
    return int(np.max(np.searchsorted(cutoffs, ends, side="left") - np.arange(len(cutoffs))))
