"""ARIMA, SARIMAX and the search of their orders, by statsforecast; by statsmodels where that one fails.

Both maximise the same Gaussian likelihood, statsforecast several times faster. It is given the series already
differenced, and the estimates are then put into the model of the series itself: with differences of its own,
statsforecast 2.1.1 stops at the conditional least squares it starts from, since the diffuse part of its state is lost
after the first evaluation of the likelihood (its pull request 1206). statsmodels fits the window

- where from both its starts the optimiser of statsforecast raises, runs out of iterations or ends at something that is
  not a number, as it may where the conditional least squares are not stationary;
- where the forecasts or their variances are not finite.

The choice depends on the window only. The likelihood may have several maxima of nearly one height, as that of an
ARIMA(1, 1, 1) of something near a random walk often has: then the two may end at different ones, here at the higher
of those found from two starts.

References
----------
Box, G. E. P. and Jenkins, G. M. (1970), Time Series Analysis: Forecasting and Control.
Hyndman, R. J. and Khandakar, Y. (2008), Automatic time series forecasting: the forecast package for R,
Journal of Statistical Software 27(3), doi 10.18637/jss.v027.i03.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import InvalidInputError
from experiments.science.models.regressors import (
    Rows,
    aligned_covariates,
    complete_rows,
    differenced,
    regressors_of,
)
from experiments.science.window import QUANTILE_LEVELS, Forecast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.window import Predict, TrainingWindow

    _Moments = tuple[NDArray[np.float64], NDArray[np.float64]]

_TERMS = ("p", "d", "q")

_NO_SEASON = (0, 0, 0, 1)

_AUTO_ARIMA_MINIMUM = 10
"""Observations below which the unit-root test of the order search divides by zero or says nothing."""

_OUT_OF_ITERATIONS = 1
"""What scipy's optimiser says then; its 2, a loss of precision, is how numerical gradients end at an optimum."""

_TOLERANCE = 1e-6
"""Slope of the mean log likelihood at which the search ends; the library's own 1e-8 is below its rounding."""

_FAILURES = (ArithmeticError, IndexError, ValueError, np.linalg.LinAlgError)


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
        Gives the forecasts with Gaussian quantiles.

    Raises
    ------
    InvalidInputError
        If `order` is not three whole numbers of at least 0.
    NotEnoughDataError
        If there are too few observations for the order.
    """
    return _fit(window, _checked("order", order), _NO_SEASON, _no_covariates(window))


def fit_sarimax(window: TrainingWindow, *, order: Sequence[int], seasonal_order: Sequence[int] = (0, 0, 0)) -> Predict:
    """Fit a SARIMAX(p, d, q)(P, D, Q)[m] by maximum likelihood, m being `window.season_length`.

    An observed covariate enters lagged by exactly H steps: the forecast of step h uses its value at T + h - H, which
    is known at the cutoff T. One known in advance enters at its own date, T + h. The first rows, where a covariate is
    not available yet, are left out of the training span; a covariate that says nothing beside the others there, such
    as one that does not vary, is left out of the model. With a season length of 1 there is no season and
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
        Gives the forecasts with Gaussian quantiles.

    Raises
    ------
    InvalidInputError
        If an order is not three whole numbers of at least 0, or a covariate has a gap after its first value.
    NotEnoughDataError
        If too few rows are left for the order.
    """
    seasonal = _checked("seasonal_order", seasonal_order)
    season = (*seasonal, window.season_length) if window.season_length > 1 else _NO_SEASON
    return _fit(window, _checked("order", order), season, aligned_covariates(window))


def fit_sarimax_auto(window: TrainingWindow) -> Predict:
    """Search the orders of a non-seasonal SARIMAX by AICc (Hyndman and Khandakar 2008) and fit the best.

    It is statsforecast's AutoARIMA, estimates included: after differencing they are those of conditional least
    squares. The covariates enter as in `fit_sarimax`. Without any, the search may end at ARIMA(0, 1, 0), whose
    forecasts are the naive ones. With two or more, time and memory grow with the square of the rows.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used.

    Returns
    -------
    callable
        Gives the forecasts with Gaussian quantiles.

    Raises
    ------
    InvalidInputError
        If a covariate has a gap after its first value.
    NotEnoughDataError
        If there are fewer than 10 rows, and two more for each covariate.
    """
    needed = _AUTO_ARIMA_MINIMUM + 2 * len(window.covariates)
    rows = complete_rows(window, aligned_covariates(window), needed, "the order search of AutoARIMA")
    if not rows.y.any():
        return lambda: rows.flat(window.horizon)

    from statsforecast.models import AutoARIMA

    past, ahead = regressors_of(rows, 0, 0, 1)
    varying = past.shape[1] > 0
    model = AutoARIMA(season_length=1).fit(rows.y, past if varying else None)
    return lambda: _in_price_units(rows, *_moments(model, window.horizon, ahead if varying else None))


def _fit(
    window: TrainingWindow, order: tuple[int, int, int], season: tuple[int, int, int, int], exog: NDArray[np.float64]
) -> Predict:
    what = f"an ARIMA of order {order}" + (f"{season}" if season[3] > 1 else "")
    if exog.shape[1]:
        what += f" with covariates (observed ones lagged by {window.horizon})"
    rows = complete_rows(window, exog, _rows_needed(order, season, exog.shape[1]), what)
    if not rows.y.any():  # a series that never moved has no likelihood to maximise
        return lambda: rows.flat(window.horizon)
    past, ahead = regressors_of(rows, order[1], *season[1::2])
    moments = _by_statsforecast(rows.y, past, ahead, order, season)
    if moments is None:
        moments = _by_statsmodels(rows.y, past, ahead, order, season)
    return lambda: _in_price_units(rows, *moments)


def _no_covariates(window: TrainingWindow) -> NDArray[np.float64]:
    return np.empty((len(window.y) + window.horizon, 0))


def _by_statsforecast(
    y: NDArray[np.float64],
    past: NDArray[np.float64],
    ahead: NDArray[np.float64],
    order: tuple[int, int, int],
    season: tuple[int, int, int, int],
) -> _Moments | None:
    """Means and standard deviations of the steps; None where statsforecast finds no maximum."""
    from statsforecast.arima import arima, predict_arima

    (d, seasonal_d), length, given = (order[1], season[1]), season[3], past.shape[1] > 0
    moved = differenced(np.column_stack([y, past]), d, seasonal_d, length)
    coefficients = _estimated(moved, (order[0], 0, order[2]), (season[0], 0, season[2], length), d + seasonal_d == 0)
    if coefficients is None:
        return None
    seasonal = {"order": season[:3], "period": length}
    try:
        model = arima(y, order=order, seasonal=seasonal, xreg=past if given else None, fixed=coefficients, method="ML")
        mean, deviation = predict_arima(model, len(ahead), ahead if given else None)
    except _FAILURES:
        return None
    usable = np.isfinite(mean).all() and np.isfinite(deviation).all()
    return (mean, deviation) if usable else None


def _estimated(
    moved: NDArray[np.float64], order: tuple[int, int, int], season: tuple[int, int, int, int], constant: bool
) -> dict[str, float] | None:
    """Coefficients of the highest maximum of the likelihood found from two starts; None if neither leads to one.

    `moved` is [N, 1 + R]: the series and the regressors, differenced. The starts are conditional least squares and 0.
    """
    from statsforecast.arima import arima

    regressors = held = None
    if moved.shape[1] > 1:
        # One regressor more, whose coefficient is held at 0, keeps the library from decomposing an N x N matrix.
        regressors = np.column_stack([moved[:, 1:], np.eye(len(moved), 1)])
        held = f"ex_{regressors.shape[1]}"
    found = []
    for method in ("CSS-ML", "ML"):
        try:
            with np.errstate(invalid="ignore"):  # a line search may leave the region where there is a likelihood
                model = arima(
                    moved[:, 0],
                    order=order,
                    seasonal={"order": season[:3], "period": season[3]},
                    xreg=regressors,
                    include_mean=constant,
                    fixed={held: 0.0} if held else None,
                    method=method,
                    tol=_TOLERANCE,
                )
        except _FAILURES:
            continue
        if model["code"] != _OUT_OF_ITERATIONS and np.isfinite(model["loglik"]):
            found.append(model)
    if not found:
        return None
    best = max(found, key=lambda model: model["loglik"])
    return {name: value for name, value in best["coef"].items() if name != held}


def _by_statsmodels(
    y: NDArray[np.float64],
    past: NDArray[np.float64],
    ahead: NDArray[np.float64],
    order: tuple[int, int, int],
    season: tuple[int, int, int, int],
) -> _Moments:
    """Means and standard deviations of the steps."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    model = SARIMAX(
        y,
        exog=past if past.shape[1] else None,
        order=order,
        seasonal_order=season if season[3] > 1 else (0, 0, 0, 0),
        trend="n" if order[1] + season[1] else "c",
        concentrate_scale=True,
    )
    # The covariance of the estimates is never read, and takes a tenth of the time.
    fitted = model.fit(disp=False, cov_type="none")
    ahead_given = ahead if past.shape[1] else None
    forecast = fitted.get_forecast(len(ahead), exog=ahead_given)
    return forecast.predicted_mean, np.sqrt(forecast.var_pred_mean)


def _moments(model: Any, horizon: int, ahead: NDArray[np.float64] | None) -> _Moments:
    """Means and standard deviations of a statsforecast model's forecasts."""
    said = model.predict(h=horizon, X=ahead, level=[80])
    mean = np.asarray(said["mean"], dtype=np.float64)
    return mean, (np.asarray(said["hi-80"], dtype=np.float64) - mean) / NormalDist().inv_cdf(0.9)


def _in_price_units(rows: Rows, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Forecast:
    return Forecast(
        y_hat=rows.last + rows.unit * mean,
        quantiles={
            level: rows.last + rows.unit * (mean + NormalDist().inv_cdf(level) * deviation) for level in QUANTILE_LEVELS
        },
    )


def _rows_needed(order: tuple[int, int, int], season: tuple[int, int, int, int], n_covariates: int) -> int:
    """Rows lost to differencing and to the longest lag, plus two for each coefficient."""
    (p, d, q), (seasonal_p, seasonal_d, seasonal_q, length) = order, season
    lost = d + length * seasonal_d
    longest = max(p + length * seasonal_p, q + length * seasonal_q)
    return lost + longest + 2 * (p + q + seasonal_p + seasonal_q + n_covariates + 1)


def _checked(name: str, order: Sequence[int]) -> tuple[int, int, int]:
    if len(order) != len(_TERMS) or any(type(term) is not int or term < 0 for term in order):
        msg = f"{name} is {order!r}: it must be three whole numbers of at least 0; the season length is the window's."
        raise InvalidInputError(msg)
    p, d, q = order
    return p, d, q
