"""Gradient-boosted trees (XGBoost) that forecast every step directly from one origin.

References
----------
Chen, T. and Guestrin, C. (2016), XGBoost: a scalable tree boosting system, doi 10.1145/2939672.2939785.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from experiments.errors import NotEnoughDataError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from experiments.science.window import Predict, TrainingWindow

DEFAULTS: Mapping[str, float] = {
    "n_estimators": 150,
    "max_depth": 3,
    "learning_rate": 0.05,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "min_child_weight": 200,
    "reg_alpha": 0,
    "reg_lambda": 1,
}
"""Parameters of XGBoost that a variant may set. The rows of one origin overlap: 200 rows are about 200 / H origins."""

DIFFERENCE_LAGS = (0, 1, 2, 3, 4)
"""One-step changes given as features, counted back from the origin."""

ROLLING_SPANS = (5, 20, 60)
"""Observations in the rolling means and standard deviations."""

COVARIATE_SPANS = (1, 5)
"""Steps over which a covariate's change is a feature."""

MINIMUM_HISTORY = 20
"""Observations before an origin; with fewer its local scale says little."""

_SCALE_SPAN = 60


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What the trees learn from: one row for each origin t and step h with t + h inside the window.

    Parameters
    ----------
    names : tuple of F str
        The features; the first is the step.
    features : array [R, F] of float
        NaN where a feature was not available at the origin; the last are known covariates at t + h.
    target : array [R] of float
        (y[t + h] - y[t]) / (scale[t] sqrt(h)): about as wide at every step, as in a random walk.
    ahead : array [H, F] of float
        The features of the last origin, the cutoff, at the steps 1..H.
    unit : array [H] of float
        scale sqrt(h) at the cutoff, in the unit of the series; NaN if the series never moved.
    """

    names: tuple[str, ...]
    features: NDArray[np.float64]
    target: NDArray[np.float64]
    ahead: NDArray[np.float64]
    unit: NDArray[np.float64]


def fit_xgboost(window: TrainingWindow, **parameters: float) -> Predict:
    """Fit one forest of boosted trees on all origins and steps of the window (pooled, direct forecasting).

    The target is the change from the origin in units of a local scale known at the origin, times the square root
    of the step; a row's features end at its origin, but for covariates known in advance, which also give their value
    at the step's own date. No logarithm is taken: prices may be zero or negative. A series
    that never moved is forecast flat.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used, and may hold NaN.
    **parameters : float
        As in XGBoost, for those in `DEFAULTS`.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    NotFoundError
        If a parameter is not in `DEFAULTS`.
    NotEnoughDataError
        If there are fewer than 40 + H observations.
    """
    for name in parameters:
        if name not in DEFAULTS:
            raise unknown("parameter of XGBoost", name, DEFAULTS)
    pairs = training_pairs(window)
    last, horizon = window.y[-1], window.horizon
    if not pairs.target.size:
        return lambda: np.full(horizon, last)

    import xgboost

    settings = {**DEFAULTS, **parameters}
    rounds = int(settings.pop("n_estimators"))
    fixed = {"objective": "reg:squarederror", "tree_method": "hist", "nthread": 1, "seed": window.seed}
    data = xgboost.QuantileDMatrix(pairs.features, pairs.target, nthread=1)
    booster = xgboost.train(settings | fixed, data, num_boost_round=rounds)

    def predict() -> NDArray[np.float64]:
        ahead = xgboost.DMatrix(pairs.ahead, nthread=1)
        changes = np.asarray(booster.predict(ahead), dtype=np.float64)
        return np.asarray(last + pairs.unit * changes)

    return predict


def training_pairs(window: TrainingWindow) -> Pairs:
    """Pair every usable origin with every step that ends inside the window.

    Parameters
    ----------
    window : TrainingWindow
        N observations, horizon H.

    Raises
    ------
    NotEnoughDataError
        If not every step could have at least 20 origins, each with 20 observations before it.
    """
    n, horizon = len(window.y), window.horizon
    needed = 2 * MINIMUM_HISTORY + horizon
    if n < needed:
        msg = f"XGBoost needs at least {needed} observations to forecast {horizon} steps; the window has {n}."
        raise NotEnoughDataError(msg)
    scale = local_scale(window.y)
    names, features = origin_features(window, scale)
    usable, steps = np.flatnonzero(np.isfinite(scale)), np.arange(1, horizon + 1)
    origin, step = (grid.ravel() for grid in np.meshgrid(usable, steps, indexing="ij"))
    inside = origin + step < n
    origin, step = origin[inside], step[inside]
    known = [k for k, name in enumerate(window.covariates) if name in window.known]
    at_date = np.concatenate([window.x, window.x_future])[:, known]
    return Pairs(
        names=("step", *names, *(f"{window.covariates[k]}_at_step" for k in known)),
        features=np.column_stack([step, features[origin], at_date[origin + step]]),
        target=(window.y[origin + step] - window.y[origin]) / (scale[origin] * np.sqrt(step)),
        ahead=np.column_stack([steps, np.repeat(features[-1:], horizon, axis=0), at_date[n:]]),
        unit=scale[-1] * np.sqrt(steps),
    )


def local_scale(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Typical size of a one-step change around each date, from the changes up to that date only.

    The median absolute change of the last 60; where that is zero, the mean absolute change since the beginning.

    Parameters
    ----------
    y : array [N] of float
        The series.

    Returns
    -------
    array [N] of float
        In the unit of the series; NaN for the first 20 dates and as long as the series has not moved.
    """
    moves = np.abs(np.diff(y))
    padded = np.concatenate([np.full(_SCALE_SPAN - 1, np.nan), moves])
    recent = np.nanmedian(sliding_window_view(padded, _SCALE_SPAN), axis=1)
    overall = np.cumsum(moves) / np.arange(1, len(y))
    scale = np.concatenate([[np.nan], np.where(recent > 0, recent, overall)])
    scale[:MINIMUM_HISTORY] = np.nan
    scale[scale == 0] = np.nan
    return scale


def origin_features(window: TrainingWindow, scale: NDArray[np.float64]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """What is known at each origin: recent changes, rolling statistics, the calendar, the covariates.

    Parameters
    ----------
    window : TrainingWindow
        N observations, K covariates.
    scale : array [N] of float
        The unit of everything that is a difference of the series.

    Returns
    -------
    names : tuple of F str
    features : array [N, F] of float
        Row t uses nothing after t; NaN where there is not enough history.
    """
    y = window.y
    change = _change(y, 1)
    columns = {f"change_lag_{lag}": _shifted(change, lag) / scale for lag in DIFFERENCE_LAGS}
    for span in ROLLING_SPANS:
        columns[f"above_mean_{span}"] = (y - _rolling(y, span).mean(axis=1)) / scale
        columns[f"std_{span}"] = _rolling(change, span).std(axis=1) / scale
    columns["month"] = (window.ds.astype("datetime64[M]").astype(int) % 12 + 1).astype(np.float64)
    columns["weekday"] = ((window.ds.astype("datetime64[D]").astype(int) + 3) % 7).astype(np.float64)
    for k, name in enumerate(window.covariates):
        level = window.x[:, k]
        columns[f"{name}_level"] = level
        columns |= {f"{name}_change_{span}": _change(level, span) for span in COVARIATE_SPANS}
    return tuple(columns), np.column_stack(list(columns.values()))


def _shifted(values: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Row t holds the value at t - lag."""
    return np.concatenate([np.full(lag, np.nan), values])[: len(values)]


def _change(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Row t holds the change from t - span to t."""
    return values - _shifted(values, span)


def _rolling(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Row t holds the values t - span + 1..t, array [N, span]; NaN before the first."""
    return sliding_window_view(np.concatenate([np.full(span - 1, np.nan), values]), span)
