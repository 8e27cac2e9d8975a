"""ARIMA and SARIMAX (statsmodels) and AutoARIMA (statsforecast).

References
----------
Box, G. E. P. and Jenkins, G. M. (1970), Time Series Analysis: Forecasting and Control.
Hyndman, R. J. and Khandakar, Y. (2008), Automatic time series forecasting: the forecast package for R,
Journal of Statistical Software 27(3), doi 10.18637/jss.v027.i03.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.window import Predict, TrainingWindow

_TERMS = ("p", "d", "q")

_AUTO_ARIMA_MINIMUM = 10
"""Observations below which the unit-root test of the order search divides by zero or says nothing."""


def fit_arima(window: TrainingWindow, *, order: Sequence[int]) -> Predict:
    """Fit an ARIMA(p, d, q) by maximum likelihood; it has a constant only if nothing is differenced.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; its covariates are not used.
    order : sequence of 3 int
        Autoregressive terms p, differences d, moving-average terms q.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    InvalidInputError
        If `order` is not three whole numbers of at least 0.
    NotEnoughDataError
        If there are too few observations for the order.
    """
    no_covariates = np.empty((len(window.y) + window.horizon, 0))
    return _fit_state_space(window, _checked("order", order), (0, 0, 0, 0), no_covariates)


def fit_sarimax(window: TrainingWindow, *, order: Sequence[int], seasonal_order: Sequence[int] = (0, 0, 0)) -> Predict:
    """Fit a SARIMAX(p, d, q)(P, D, Q)[m] by maximum likelihood, m being `window.season_length`.

    An observed covariate enters lagged by exactly H steps: the forecast of step h uses its value at T + h - H, which
    is known at the cutoff T. One known in advance enters at its own date, T + h. The first rows, where a covariate is
    not available yet, are left out of the training span. With a season length of 1 there is no season and
    `seasonal_order` is not used. There is a constant only if nothing is differenced.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used.
    order : sequence of 3 int
        Autoregressive terms p, differences d, moving-average terms q.
    seasonal_order : sequence of 3 int
        The same at seasonal lags: P, D, Q.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    InvalidInputError
        If an order is not three whole numbers of at least 0, or a covariate has a gap after its first value.
    NotEnoughDataError
        If too few rows are left for the order.
    """
    seasonal = _checked("seasonal_order", seasonal_order)
    season = (*seasonal, window.season_length) if window.season_length > 1 else (0, 0, 0, 0)
    return _fit_state_space(window, _checked("order", order), season, aligned_covariates(window))


def fit_auto_arima(window: TrainingWindow) -> Predict:
    """Search the orders of a non-seasonal ARIMA by AICc (Hyndman and Khandakar 2008) and fit the best.

    The search may end at ARIMA(0, 1, 0): its forecasts are the naive ones.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; its covariates are not used.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    NotEnoughDataError
        If there are fewer than 10 observations.
    """
    from statsforecast.models import AutoARIMA

    _require_rows(len(window.y), _AUTO_ARIMA_MINIMUM, "the order search of AutoARIMA")
    scaled, last, unit = own_units(window.y)
    model = AutoARIMA(season_length=1).fit(scaled)
    return lambda: last + unit * np.asarray(model.predict(h=window.horizon)["mean"], dtype=np.float64)


def aligned_covariates(window: TrainingWindow) -> NDArray[np.float64]:
    """The covariates as they enter at each date: row i holds a known one at i, an observed one at i - H.

    Parameters
    ----------
    window : TrainingWindow
        N observations, K covariates, horizon H.

    Returns
    -------
    array [N + H, K] of float
        The last H rows belong to the steps 1..H; NaN where an observed value at i - H was not available yet.

    Raises
    ------
    InvalidInputError
        If a covariate has a NaN after its first value, or no value at all.
    """
    available = np.isfinite(window.x)
    started = np.logical_or.accumulate(available, axis=0)
    for k, name in enumerate(window.covariates):
        if not started[-1, k]:
            msg = f"covariate {name!r} has no value up to the cutoff {window.ds[-1]}; it needs at least one."
            raise InvalidInputError(msg)
        gaps = np.flatnonzero(started[:, k] & ~available[:, k])
        if gaps.size:
            msg = (
                f"covariate {name!r} has no value on {window.ds[gaps[0]]} ({gaps.size} gaps after its first value); "
                f"SARIMAX accepts NaN only before a covariate begins: carry the last known value forward."
            )
            raise InvalidInputError(msg)
    before = np.full((window.horizon, window.x.shape[1]), np.nan)
    known = np.isin(window.covariates, window.known)
    lagged, own = np.concatenate([before, window.x]), np.concatenate([window.x, window.x_future])
    return np.where(known, own, lagged)


def _fit_state_space(
    window: TrainingWindow,
    order: tuple[int, int, int],
    season: tuple[int, int, int, int],
    exog: NDArray[np.float64],
) -> Predict:
    """Fit on the rows whose covariates are all known; `exog` is [N + H, K], its last H rows for the forecast."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    n, horizon = len(window.y), window.horizon
    first = int(np.argmax(np.isfinite(exog).all(axis=1)))
    what = f"an ARIMA of order {order}" + (f"{season}" if season[3] else "")
    if exog.shape[1]:
        what += f" with covariates (observed ones lagged by {horizon})"
    _require_rows(max(n - first, 0), _rows_needed(order, season, exog.shape[1]), what)
    y, exog = window.y[first:], exog[first:]

    scaled, last, unit = own_units(y)
    if not scaled.any():  # a series that never moved has no likelihood to maximise
        return lambda: np.full(horizon, last)
    known = exog[:-horizon]
    spread = np.array([_spread(column) for column in known.T])
    exog = (exog - known.mean(axis=0)) / spread
    past, ahead = (exog[:-horizon], exog[-horizon:]) if exog.shape[1] else (None, None)
    model = SARIMAX(
        scaled,
        exog=past,
        order=order,
        seasonal_order=season,
        trend="n" if order[1] + season[1] else "c",
        concentrate_scale=True,
    )
    # The covariance of the estimates is never read, and takes a tenth of the time.
    fitted = model.fit(disp=False, cov_type="none")
    return lambda: last + unit * np.asarray(fitted.forecast(horizon, exog=ahead), dtype=np.float64)


def own_units(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """A series counted from its last value, in units of its typical step.

    The tolerances of both libraries are absolute: at prices near 1e-8 AutoARIMA ends its search at (0, 1, 0), and a
    SARIMAX ends far from its optimum. Every model here has a constant or differences, so the origin is free.

    Parameters
    ----------
    y : array [N] of float
        The series.

    Returns
    -------
    scaled : array [N] of float
        (y - last) / unit.
    last : float
        y[N].
    unit : float
        Standard deviation of the one-step changes; 1 where they are all equal.
    """
    last, unit = float(y[-1]), _spread(np.diff(y))
    return (y - last) / unit, last, unit


def _spread(values: NDArray[np.float64]) -> float:
    """Standard deviation, or 1 where the values do not vary."""
    return float(np.std(values)) or 1.0


def _rows_needed(order: tuple[int, int, int], season: tuple[int, int, int, int], n_covariates: int) -> int:
    """Rows lost to differencing and to the longest lag, plus two for each coefficient."""
    (p, d, q), (seasonal_p, seasonal_d, seasonal_q, length) = order, season
    lost = d + length * seasonal_d
    longest = max(p + length * seasonal_p, q + length * seasonal_q)
    return lost + longest + 2 * (p + q + seasonal_p + seasonal_q + n_covariates + 1)


def _require_rows(given: int, needed: int, what: str) -> None:
    if given < needed:
        msg = f"{what} needs at least {needed} complete training rows; the window has {given}."
        raise NotEnoughDataError(msg)


def _checked(name: str, order: Sequence[int]) -> tuple[int, int, int]:
    if len(order) != len(_TERMS) or any(type(term) is not int or term < 0 for term in order):
        msg = f"{name} is {order!r}: it must be three whole numbers of at least 0; the season length is the window's."
        raise InvalidInputError(msg)
    p, d, q = order
    return p, d, q
