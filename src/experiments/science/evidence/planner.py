"""How much evidence it takes: windows that tell a given difference, and the difference that given windows tell."""

from __future__ import annotations

import math
from functools import lru_cache

from experiments.errors import InvalidInputError
from experiments.science.evidence.checks import checked_integer, checked_overlap
from experiments.science.evidence.diebold_mariano import degrees_of_freedom, windows_required

MOST_WINDOWS = 100_000
"""A difference that more windows than these would not tell is not worth waiting for."""

_POWER_TOLERANCE = 1e-9  # so that the difference detectable on n windows needs n windows, not one more for rounding
_LARGEST_RATIO = 1e100  # its square is finite; found for certain


def windows_needed(
    mean_difference: float,
    standard_error: float,
    n: int,
    *,
    overlap: int = 1,
    significance: float = 0.05,
    power: float = 0.8,
) -> int | None:
    r"""Count the windows at which a difference of this size would be told from luck.

    The standard error shrinks with the square root of the windows, so on n' of them the test ``auto`` of
    `diebold_mariano`, two-sided at `significance`, has a noncentral t statistic with the noncentrality
    :math:`|mean\_difference| / standard\_error \cdot \sqrt{n' / n}` and the degrees of freedom of n' windows. The
    smallest n' is returned at which it finds the difference, with its sign, with the chance `power`.

    Parameters
    ----------
    mean_difference : float
        The difference to tell, in the unit of the losses; its sign does not matter.
    standard_error : float
        Of the mean difference on `n` windows.
    n : int
        Windows that the standard error was measured on.
    overlap : int
        Windows that one loss reaches into, see `diebold_mariano`.
    significance : float
        Chance of finding a difference where there is none; divided by their number where many are tested.
    power : float
        Chance of finding this one.

    Returns
    -------
    int or None
        At least max(8, 2 `overlap`), below which nothing is tested; None where it takes more than `MOST_WINDOWS`.

    Raises
    ------
    InvalidInputError
        If `mean_difference` is not finite, or `standard_error` is not finite and above 0.
    InvalidInputError
        If `overlap` is not an integer of at least 1, or `n` not one of at least max(8, 2 `overlap`).
    InvalidInputError
        If not 0 < `significance` < `power` < 1.

    References
    ----------
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, doi 10.4324/9780203771587; as R's
    ``power.t.test(type = "one.sample")``.

    Examples
    --------
    >>> windows_needed(-0.02, 0.01, 40)
    81
    >>> windows_needed(-0.02, 0.01, 40, overlap=3)
    103
    """
    _check_difference(mean_difference)
    overlap = _check(standard_error, n, overlap, significance, power)
    ratio = min(abs(mean_difference) / standard_error, _LARGEST_RATIO)

    def tells(count: int) -> bool:
        noncentrality = ratio * math.sqrt(count / n)
        return _power(noncentrality, degrees_of_freedom(count, overlap), significance) >= power - _POWER_TOLERANCE

    # The chance only grows with the windows: double them until they tell, then halve the range that is left.
    low = high = windows_required(overlap)
    while high <= MOST_WINDOWS and not tells(high):
        low, high = high + 1, MOST_WINDOWS if high < MOST_WINDOWS < 2 * high else 2 * high
    if high > MOST_WINDOWS:
        return None
    while low < high:
        middle = (low + high) // 2
        if tells(middle):
            high = middle
        else:
            low = middle + 1
    return low


def detectable_difference(
    standard_error: float, n: int, *, overlap: int = 1, significance: float = 0.05, power: float = 0.8
) -> float:
    """Give the smallest difference that the windows at hand would tell from luck.

    The inverse of `windows_needed`, which takes the same arguments: the difference that needs `n` windows.

    Parameters
    ----------
    standard_error : float
        Of the mean difference on `n` windows.
    n : int
        Windows.
    overlap : int
        Windows that one loss reaches into, see `diebold_mariano`.
    significance : float
        Chance of finding a difference where there is none.
    power : float
        Chance of finding this one.

    Returns
    -------
    float
        Above 0, in the unit of the losses.

    Raises
    ------
    InvalidInputError
        If `standard_error` is not finite and above 0.
    InvalidInputError
        If `overlap` is not an integer of at least 1, or `n` not one of at least max(8, 2 `overlap`).
    InvalidInputError
        If not 0 < `significance` < `power` < 1.

    Examples
    --------
    >>> round(detectable_difference(0.01, 40), 5)
    0.02873
    """
    overlap = _check(standard_error, n, overlap, significance, power)
    return standard_error * _noncentrality(degrees_of_freedom(n, overlap), significance, power)


def _power(noncentrality: float, df: int, significance: float) -> float:
    """Chance that a two-sided t test finds the difference, with its sign."""
    from scipy.special import chdtr, nctdtr

    critical = _critical(df, significance)
    missed = float(nctdtr(df, noncentrality, critical))
    if math.isnan(missed):  # so far off that only the denominator of t, a root of chi-squared, decides
        return float(chdtr(df, df * (noncentrality / critical) ** 2))
    return 1 - missed


@lru_cache(maxsize=4096)
def _critical(df: int, significance: float) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(df, significance / 2))


@lru_cache(maxsize=4096)
def _noncentrality(df: int, significance: float, power: float) -> float:
    """The noncentrality at which the test has that power."""
    from scipy.optimize import brentq

    most = 4.0
    while _power(most, df, significance) < power:
        most *= 2
    return float(brentq(lambda value: _power(value, df, significance) - power, 0.0, most, xtol=1e-12, rtol=1e-12))


def _check_difference(mean_difference: float) -> None:
    if not math.isfinite(mean_difference):
        msg = f"mean_difference is {mean_difference!r}: accepted are finite numbers."
        raise InvalidInputError(msg)


def _check(standard_error: float, n: object, overlap: object, significance: float, power: float) -> int:
    """Refuse what cannot be used, and give the overlap."""
    if not (math.isfinite(standard_error) and standard_error > 0):
        msg = f"standard_error is {standard_error!r}: accepted are finite numbers above 0."
        raise InvalidInputError(msg)
    windows = checked_overlap(overlap)
    checked_integer("n counts windows", n, least=windows_required(windows))
    if not 0 < significance < power < 1:
        msg = f"significance {significance!r} and power {power!r}: accepted is 0 < significance < power < 1."
        raise InvalidInputError(msg)
    return windows
