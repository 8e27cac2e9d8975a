"""Many values as few: means, spreads and percentiles of groups, counts of a histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definitions import check_count
from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERCENTILES = (5, 25, 50, 75, 95)
"""The percentiles given where none are asked for."""

_MOST_BINS = 100_000


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many values lie between two edges.

    Attributes
    ----------
    edges : ndarray
        [B + 1], ascending.
    counts : ndarray
        [B]: values of at least the lower and less than the upper edge; the last upper edge counts.
    n_outside : int
        Values below the first or above the last edge, infinities among them.
    n_nan : int
        Values that are NaN.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    n_outside: int
    n_nan: int


def check_percentiles(given: object) -> tuple[float, ...]:
    """The percentiles asked for.

    Raises
    ------
    InvalidInputError
        If one is no number from 0 to 100, or is asked for twice.
    """
    asked = tuple(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else (given,)
    for one in asked:
        if not isinstance(one, int | float | np.number) or isinstance(one, bool) or not 0 <= one <= 100:  # noqa: PLR2004
            msg = f"percentiles has {one!r}: give numbers from 0 to 100, such as (5, 50, 95)."
            raise InvalidInputError(msg)
    if len({*map(float, asked)}) < len(asked):
        msg = f"percentiles is {given!r}: ask for each one once."
        raise InvalidInputError(msg)
    return tuple(map(float, asked))


def summarise(
    values: NDArray[np.float64], groups: NDArray[np.int64], n_groups: int, percentiles: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """Figures of each group of values, in one pass over the sorted values.

    NaN are counted and left out of every figure; infinities are kept, so that a mean may be infinite, or NaN where both
    infinities are in it. The standard deviation is that of a sample (ddof 1): NaN of fewer than two values, and where
    one is infinite. A percentile lies between its two neighbours as numpy's does (linear): at the one that is infinite,
    and is NaN between the two infinities.

    Parameters
    ----------
    values : ndarray
        [N]
    groups : ndarray
        [N], the group of each value, 0 to `n_groups` - 1.
    n_groups : int
    percentiles : sequence of float
        0 to 100.

    Returns
    -------
    dict of str to ndarray
        [n_groups] each: `n` values that are no NaN, `n_nan`, `mean`, `std`, `min`, `max`, and `p5` and so on; NaN where
        a group has none.
    """
    missing = np.isnan(values)
    n_nan = np.bincount(groups[missing], minlength=n_groups)
    values, groups = values[~missing], groups[~missing]
    order = np.lexsort((values, groups))
    values, groups = values[order], groups[order]
    n = np.bincount(groups, minlength=n_groups)
    first = np.cumsum(n) - n
    with np.errstate(all="ignore"):  # of infinities and of nothing there is no number: NaN says so
        least = _at(values, first, n, 0.0)
        base = np.where(np.isfinite(least), least, 0.0)  # sums of small numbers: equal values have no spread at all
        mean = base + np.bincount(groups, weights=values - base[groups], minlength=n_groups) / n
        squares = (values - mean[groups]) ** 2
        std = np.sqrt(np.bincount(groups, weights=squares, minlength=n_groups) / np.where(n > 1, n - 1, np.nan))
        found = {
            "n": n,
            "n_nan": n_nan,
            "mean": mean,
            "std": std,
            "min": least,
            "max": _at(values, first, n, 1.0),
        }
        return found | {f"p{one:g}": _at(values, first, n, one / 100) for one in percentiles}


def _at(
    values: NDArray[np.float64], first: NDArray[np.int64], n: NDArray[np.int64], share: float
) -> NDArray[np.float64]:
    """The value below which this share of each group lies, groups and values within them being sorted."""
    if not len(values):
        return np.full(len(n), np.nan)
    place = share * np.maximum(n - 1, 0)
    below = np.floor(place).astype(np.int64)
    # where a group is empty, any value: it is not looked at
    lower = values[np.minimum(first + below, len(values) - 1)]
    upper = values[np.minimum(first + np.minimum(below + 1, np.maximum(n - 1, 0)), len(values) - 1)]
    part = place - below
    between = lower * (1 - part) + upper * part  # an infinite neighbour stays what it is
    return np.where(n == 0, np.nan, np.where((part == 0) | (lower == upper), lower, between))


def histogram(values: NDArray[np.float64], bins: int | Sequence[float]) -> Histogram:
    """How many values lie between edges.

    Parameters
    ----------
    values : ndarray
        [N]
    bins : int or sequence of float
        How many bins of one width from the least to the greatest finite value, or the ascending edges.

    Raises
    ------
    InvalidInputError
        If it is neither, or the values are too far apart for so many bins.
    """
    finite = values[np.isfinite(values)]
    n_nan = int(np.isnan(values).sum())
    try:
        with np.errstate(all="raise"):
            counts, edges = np.histogram(finite, bins=_checked_bins(bins))
    except (ValueError, FloatingPointError) as error:
        if isinstance(error, InvalidInputError):
            raise
        msg = f"{bins} bins cannot be laid from {finite.min():g} to {finite.max():g}: give the edges."
        raise InvalidInputError(msg) from error
    n_outside = len(values) - n_nan - int(counts.sum())
    return Histogram(edges=edges.astype(np.float64), counts=counts.astype(np.int64), n_outside=n_outside, n_nan=n_nan)


def _checked_bins(bins: object) -> int | list[float]:
    if not isinstance(bins, Sequence | np.ndarray) or isinstance(bins, str):
        count = check_count("bins", bins)
        if count > _MOST_BINS:
            msg = f"bins is {count}: {_MOST_BINS:,} at most."
            raise InvalidInputError(msg)
        return count
    accepted = "give how many, or two or more ascending numbers for the edges."
    try:
        edges = [float(edge) for edge in bins]
    except (TypeError, ValueError) as error:
        msg = f"bins is {bins!r}: {accepted}"
        raise InvalidInputError(msg) from error
    if len(edges) < 2 or not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):  # noqa: PLR2004
        msg = f"bins is {bins!r}: {accepted}"
        raise InvalidInputError(msg)
    return edges
