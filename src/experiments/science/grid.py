"""The grid of cutoffs: every `step_size`-th observation counted from a recorded origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

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
    origin, forward and back, keeps old cutoffs where they are when observations are appended.

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
    start %= step_size
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


def find_grid(
    recorded: Sequence[tuple[dt.date, str | None, dt.date]], dates: Mapping[str, NDArray[np.datetime64]]
) -> tuple[dt.date, dict[str, dt.date]] | None:
    """The grid to go on with, and the date to count from in each series.

    A recorded grid is counted from its origin or, in a series that has not that date (a younger one, a file that was
    cut), from a recorded cutoff: the series' own if there is one, since holidays differ between series. Where no
    recorded grid can be counted in every series, a new one begins with the first date all share.

    Parameters
    ----------
    recorded : sequence of (date, str or None, date)
        Each recorded grid's origin with a series and one of its cutoffs, in the order to try; None and the origin
        itself stand for every series.
    dates : mapping of str to array [N] of datetime64[D]
        The dates of each series.

    Returns
    -------
    (date, dict of str to date) or None
        The grid's origin, which identifies it, and the date to count from in each series; None if there is no
        recorded grid to go on with and no date is shared.

    Examples
    --------
    >>> import datetime as dt
    >>> ds = np.arange("2024-01-03", "2024-01-09", dtype="datetime64[D]")
    >>> first, second = dt.date(2024, 1, 1), dt.date(2024, 1, 5)
    >>> find_grid([(first, None, first), (first, "a", second)], {"a": ds}) == (first, {"a": second})
    True
    """
    there = {unique_id: set(ds.tolist()) for unique_id, ds in dates.items()}
    for origin in dict.fromkeys(grid for grid, _, _ in recorded):
        marks = [(owner, date) for grid, owner, date in recorded if grid == origin]
        found = {unique_id: _mark(unique_id, marks, known) for unique_id, known in there.items()}
        counted = {unique_id: date for unique_id, date in found.items() if date is not None}
        if len(counted) == len(found):
            return origin, counted
    shared = min(set.intersection(*there.values()), default=None)
    return None if shared is None else (shared, dict.fromkeys(there, shared))


def _mark(unique_id: str, marks: Sequence[tuple[str | None, dt.date]], known: set[dt.date]) -> dt.date | None:
    """A date of the series that lies on the grid: the origin, else a cutoff of its own, else one of another series."""
    for owners in ({None}, {unique_id}, {owner for owner, _ in marks}):
        for owner, date in marks:
            if owner in owners and date in known:
                return date
    return None


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
