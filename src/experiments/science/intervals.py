"""Prediction intervals: made from a model's own past errors, and scored."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError
from experiments.science.window import QUANTILE_LEVELS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FEWEST_RESIDUALS = 9
"""Fewest past errors that tell the ends of an 80 % interval: the first n whose floor(0.1 (n + 1)) is 1."""

_LOWER, _MEDIAN, _UPPER = QUANTILE_LEVELS


def conformal_quantiles(y: ArrayLike, y_hat: ArrayLike, cutoffs: ArrayLike, ds: ArrayLike) -> Floats:
    r"""Quantiles for a model that forecasts points only, from its errors that were known at each cutoff.

    Split conformal prediction with signed residuals. Of window w and step h, the residuals :math:`r = y - \hat y` of
    step h are taken from the windows v of the same evaluation whose h-th date lies at or before w's cutoff: windows
    may overlap, so the last few before w often are not known yet. In order, :math:`r_{(1)} \le \dots \le r_{(n)}`:

    - level 0.1: :math:`\hat y + r_{(k)}` with :math:`k = \lfloor 0.1 (n + 1) \rfloor`;
    - level 0.5: :math:`\hat y` plus the median of the residuals;
    - level 0.9: :math:`\hat y + r_{(m)}` with :math:`m = \lceil 0.9 (n + 1) \rceil`.

    Among exchangeable residuals without ties the next is below :math:`r_{(j)}` with probability :math:`j / (n + 1)`,
    so the interval holds an actual with probability :math:`(m - k) / (n + 1)`: 0.8 at n = 9, 19, 29 ... and less than
    0.8 + 2 / (n + 1) between. Errors of a time series are not exchangeable: where they grow, the interval is too
    narrow until the past has caught up, which the recorded coverage shows.

    Parameters
    ----------
    y, y_hat : array [W, H] of float
        Actuals and forecasts of steps 1 to H of the windows that succeeded, in any order, unit of the series.
    cutoffs : array [W] of datetime64
        Last date each window could see.
    ds : array [W, H] of datetime64
        Date of each step, after its window's cutoff.

    Returns
    -------
    array [W, H, 3] of float
        By `QUANTILE_LEVELS`, never crossing; NaN at all three where fewer than `FEWEST_RESIDUALS` are known.

    Raises
    ------
    InvalidInputError
        If `y` or `y_hat` is not a table of finite numbers, or the two differ in shape.
    InvalidInputError
        If `cutoffs` or `ds` does not hold a date for each window or cell, or a step's date is not after its cutoff.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, doi 10.1007/b106715; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018,
    doi 10.1080/01621459.2017.1307116; signed residuals: Linusson, Johansson and Löfström 2014,
    doi 10.1007/978-3-319-06608-0_19; what is left without exchangeability: Barber, Candès, Ramdas and Tibshirani
    2023, doi 10.1214/23-AOS2276.

    Examples
    --------
    >>> cutoffs = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")
    >>> y = np.arange(1.0, 11.0)[:, None]
    >>> conformal_quantiles(y, np.zeros((10, 1)), cutoffs, cutoffs[:, None] + 1)[-1, 0]
    array([1., 5., 9.])
    """
    actual, forecast = _finite("y", y), _finite("y_hat", y_hat)
    if actual.ndim != 2:  # noqa: PLR2004  windows by steps
        msg = f"y has shape {actual.shape}: accepted is a table of windows by steps."
        raise InvalidInputError(msg)
    _check_shape("y_hat", forecast, actual.shape)
    origins, dates = _dates("cutoffs", cutoffs, actual.shape[:1]), _dates("ds", ds, actual.shape)
    early = np.argwhere(dates <= origins[:, None])
    if early.size:
        window, step = (int(place) for place in early[0])
        msg = f"ds has {dates[window, step]} at step {step + 1} after the cutoff {origins[window]}: give later dates."
        raise InvalidInputError(msg)
    quantiles = np.empty((*actual.shape, len(QUANTILE_LEVELS)))
    for step in range(actual.shape[1]):
        quantiles[:, step] = _offsets(actual[:, step] - forecast[:, step], dates[:, step], origins)
    return quantiles + forecast[:, :, None]


def pinball_loss(y: ArrayLike, quantiles: ArrayLike, levels: ArrayLike = QUANTILE_LEVELS) -> float | None:
    r"""Mean pinball loss of quantile forecasts: the smaller, the better.

    :math:`\rho_\tau = \max(\tau (y - q), (\tau - 1)(y - q))`, its mean over the levels, then over the cells that have
    quantiles. At the median it is half of the absolute error. Twice the mean over a dense grid of levels is the CRPS
    (Gneiting and Ranjan 2011); over three it is a coarse sum of the same integral. Quantiles that cross are scored as
    they were given: to sort them first would score a forecast nobody made.

    Parameters
    ----------
    y : array [...] of float
        Actuals, unit of the series.
    quantiles : array [..., L] of float
        Quantile forecasts by level; NaN at all levels of a cell that has none.
    levels : array [L] of float
        Each above 0 and below 1.

    Returns
    -------
    float or None
        In the unit of the series; None where no cell has quantiles.

    Raises
    ------
    InvalidInputError
        If `y` is not finite, a level does not lie between 0 and 1, or the shapes do not belong together.
    InvalidInputError
        If a quantile is infinite, or a cell has some of its levels only.

    References
    ----------
    Koenker and Bassett 1978, doi 10.2307/1913643; Gneiting and Ranjan 2011, doi 10.1198/jbes.2010.08110.

    Examples
    --------
    >>> pinball_loss([10.0, 12.0], [[8.0, 10.0, 13.0], [float("nan")] * 3])
    0.16666666666666666
    """
    shares = _finite("levels", levels)
    if shares.ndim != 1 or not shares.size or not ((shares > 0) & (shares < 1)).all():
        msg = f"levels is {shares.tolist()}: accepted is a list of numbers above 0 and below 1."
        raise InvalidInputError(msg)
    actual, given = _finite("y", y), _numbers("quantiles", quantiles)
    _check_shape("quantiles", given, (*actual.shape, shares.size))
    there = _there(given)
    above = actual[there][:, None] - given[there]
    return float(np.maximum(shares * above, (shares - 1) * above).mean()) if there.any() else None


def coverage(y: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float | None:
    """Share of actuals within their interval, its ends included.

    An interval whose ends cross holds nothing: it is counted as given.

    Parameters
    ----------
    y : array [...] of float
        Actuals, unit of the series.
    lower, upper : array [...] of float
        Ends of the intervals; NaN at both where a cell has none.

    Returns
    -------
    float or None
        In [0, 1]; None where no cell has an interval.

    Raises
    ------
    InvalidInputError
        If `y` is not finite, the shapes differ, or an interval is infinite or has one end only.

    Examples
    --------
    >>> coverage([10.0, 12.0], [8.0, 8.0], [11.0, 11.0])
    0.5
    """
    actual = _finite("y", y)
    least, most = _numbers("lower", lower), _numbers("upper", upper)
    _check_shape("lower", least, actual.shape)
    _check_shape("upper", most, actual.shape)
    there = _there(np.stack([least, most], axis=-1))
    within = (least <= actual) & (actual <= most)
    return float(within[there].mean()) if there.any() else None


def _numbers(what: str, values: ArrayLike) -> Floats:
    """Values as an array of floats, NaN included."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{what} holds something that is not a number ({error}): accepted is an array of numbers."
        raise InvalidInputError(msg) from error


def _finite(what: str, values: ArrayLike) -> Floats:
    array = _numbers(what, values)
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        msg = f"{what} holds {count} values that are not finite: leave out the windows that failed."
        raise InvalidInputError(msg)
    return array


def _check_shape(what: str, array: Floats, needed: tuple[int, ...]) -> None:
    if array.shape != needed:
        msg = f"{what} has shape {array.shape}: with this y, {needed} is needed."
        raise InvalidInputError(msg)


def _dates(what: str, values: ArrayLike, needed: tuple[int, ...]) -> NDArray[np.datetime64]:
    """Values as an array of days of the shape needed, none missing."""
    try:
        days = np.asarray(values, dtype="datetime64[D]")
    except (TypeError, ValueError) as error:
        msg = f"{what} holds something that is not a date ({error}): accepted is an array of dates."
        raise InvalidInputError(msg) from error
    if days.shape != needed or np.isnat(days).any():
        missing = int(np.isnat(days).sum())
        msg = f"{what} has shape {days.shape} and {missing} missing dates: with this y, {needed} and none are needed."
        raise InvalidInputError(msg)
    return days


def _offsets(residuals: Floats, dates: NDArray[np.datetime64], cutoffs: NDArray[np.datetime64]) -> Floats:
    """What is added to the forecasts of one step, array [W, 3]."""
    arrival = np.argsort(dates, kind="stable")
    n_known = np.searchsorted(dates[arrival], cutoffs, side="right")
    arriving = residuals[arrival].tolist()
    offsets = np.full((len(cutoffs), 3), np.nan)
    ranked: list[float] = []
    for window in np.argsort(n_known, kind="stable").tolist():
        for residual in arriving[len(ranked) : n_known[window]]:
            insort(ranked, residual)
        n = len(ranked)
        if n >= FEWEST_RESIDUALS:
            # rounded first: a level such as 0.1 times n + 1 is a hair off a whole number
            lower = math.floor(round(_LOWER * (n + 1), 9))
            upper = math.ceil(round(_UPPER * (n + 1), 9))
            median = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
            offsets[window] = ranked[lower - 1], median, ranked[upper - 1]
    return offsets


def _there(given: Floats) -> NDArray[np.bool_]:
    """Which cells have quantiles: all of them, or the cell has none."""
    if np.isinf(given).any():
        msg = f"{int(np.isinf(given).sum())} quantiles are infinite: accepted are numbers, or NaN where there are none."
        raise InvalidInputError(msg)
    missing = np.isnan(given)
    partly = missing.any(axis=-1) & ~missing.all(axis=-1)
    if partly.any():
        first = tuple(int(place) for place in np.argwhere(partly)[0])
        msg = f"{int(partly.sum())} cells have some of their quantiles only, the first {first}: give all, or all NaN."
        raise InvalidInputError(msg)
    return np.asarray(~missing.any(axis=-1))
