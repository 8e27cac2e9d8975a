"""The test of directional calls: right more often than chance, or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError
from experiments.science.evidence.checks import check_same_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MIN_DIRECTION_CALLS = 20
"""Fewest calls the Pesaran-Timmermann test is computed on."""


@dataclass(frozen=True, kw_only=True)
class PTResult:
    """What a test of directional calls says: `statistic` and one-sided `pvalue`, or None and a `note`; `n` calls."""

    statistic: float | None
    pvalue: float | None
    n: int
    note: str | None


def pesaran_timmermann(actual_up: ArrayLike, predicted_up: ArrayLike) -> PTResult:
    r"""Test whether directional calls are right more often than chance, given how often each side says "up".

    With the share of right calls :math:`P`, the shares of "up" :math:`P_y` (actual) and :math:`P_x` (predicted) and
    :math:`P_* = P_y P_x + (1 - P_y)(1 - P_x)`, the statistic is
    :math:`(P - P_*) / \sqrt{V(P) - V(P_*)}` with :math:`V(P) = P_*(1 - P_*) / n` and
    :math:`V(P_*) = ((2P_y - 1)^2 P_x(1 - P_x) + (2P_x - 1)^2 P_y(1 - P_y)) / n + 4 P_y P_x (1 - P_y)(1 - P_x) / n^2`,
    against the upper tail of the standard normal. The calls must be independent: one per window, no overlap.
    (`statsmodels` leaves out the last term, which makes its statistic smaller by the factor sqrt((n - 1) / n).)

    Parameters
    ----------
    actual_up, predicted_up : array [N] of bool
        Whether the series rose, and whether it was forecast to.

    Returns
    -------
    PTResult
        With None and a note on fewer than 20 calls, or where all moves or all calls are alike.

    Raises
    ------
    InvalidInputError
        If an array is not boolean or not one-dimensional.
    InvalidInputError
        If the two have different lengths.

    References
    ----------
    Pesaran and Timmermann 1992, doi 10.1080/07350015.1992.10509922.

    Examples
    --------
    >>> result = pesaran_timmermann([True, False] * 12, [True, False] * 9 + [False, True] * 3)
    >>> round(result.statistic, 3), round(result.pvalue, 4)
    (2.502, 0.0062)
    """
    from scipy.special import ndtr

    actual, predicted = _calls("actual_up", actual_up), _calls("predicted_up", predicted_up)
    check_same_length("actual_up", actual.size, "predicted_up", predicted.size)
    n = int(actual.size)
    if n < MIN_DIRECTION_CALLS:
        note = f"too few calls to say: {n} given, at least {MIN_DIRECTION_CALLS} needed"
        return PTResult(statistic=None, pvalue=None, n=n, note=note)
    for what, ups in (("actual moves", actual), ("calls", predicted)):
        if ups.all() or not ups.any():
            note = f"all {what} are alike: chance and skill cannot be told apart"
            return PTResult(statistic=None, pvalue=None, n=n, note=note)
    up, called = float(np.mean(actual)), float(np.mean(predicted))
    by_chance = up * called + (1 - up) * (1 - called)
    # V(P) - V(P*) multiplied out: the same number without subtracting two nearly equal ones.
    spread = 4 * up * (1 - up) * called * (1 - called) * (n - 1) / n**2
    statistic = (float(np.mean(actual == predicted)) - by_chance) / math.sqrt(spread)
    return PTResult(statistic=statistic, pvalue=float(ndtr(-statistic)), n=n, note=None)


def _calls(what: str, values: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.dtype != np.bool_ or array.ndim != 1:
        msg = f"{what} has type {array.dtype} and shape {array.shape}: accepted is a one-dimensional array of booleans."
        raise InvalidInputError(msg)
    return array
