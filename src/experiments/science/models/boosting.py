"""Gradient-boosted trees (XGBoost), direct or recursive.

References
----------
Chen, T. and Guestrin, C. (2016), XGBoost: a scalable tree boosting system, doi 10.1145/2939672.2939785.
Ben Taieb, S. et al. (2012), A review and comparison of strategies for multi-step ahead time series forecasting,
doi 10.1016/j.eswa.2012.01.039.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import unknown
from experiments.science.models.pairs import TAIL, local_scale, next_dates, origin_features, training_pairs

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
"""Parameters of XGBoost that a variant may set.

Where one model serves all steps, the rows of one origin overlap: 200 rows are about 200 / H origins.
"""

STRATEGIES = ("direct", "recursive")
"""How the steps beyond the first are forecast."""

_FIXED = {"objective": "reg:squarederror", "tree_method": "hist", "max_bin": 128, "nthread": 1}
"""128 bins instead of 256 are a tenth faster and forecast as well on coffee and WTI; 64 are 1 % worse on coffee."""


def fit_xgboost(window: TrainingWindow, *, strategy: str = "direct", **parameters: float) -> Predict:
    """Fit boosted trees on the changes of a series.

    `direct`: one model for all steps, trained on every origin and step of the window (pooled), the step being a
    feature; it forecasts each step from the cutoff at once. A row's features end at its origin, but for covariates
    known in advance, which also give their value at the step's own date.

    `recursive`: a model of the next step only, trained on every origin, and asked again step by step: its forecasts
    become the last observations, from which lags, rolling statistics, scale and calendar are computed anew. The
    calendar goes on by the rhythm of the training dates. Observed covariates keep their last value; those known in
    advance take their own at each step.

    The target is the change from the origin in units of a local scale known at the origin, times the square root of
    the step. No logarithm is taken: prices may be zero or negative. A series that never moved is forecast flat.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used, and may hold NaN.
    strategy : str
        "direct" or "recursive".
    **parameters : float
        As in XGBoost, for those in `DEFAULTS`.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    NotFoundError
        If the strategy or a parameter is not known.
    NotEnoughDataError
        If there are fewer than 40 + H observations (41 if recursive).
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy of XGBoost", strategy, STRATEGIES)
    for name in parameters:
        if name not in DEFAULTS:
            raise unknown("parameter of XGBoost", name, ["strategy", *DEFAULTS])
    settings = {**DEFAULTS, **parameters}
    return _direct(window, settings) if strategy == "direct" else _recursive(window, settings)


def _direct(window: TrainingWindow, settings: dict[str, float]) -> Predict:
    pairs = training_pairs(window)
    last = window.y[-1]
    if not pairs.target.size:
        return lambda: np.full(window.horizon, last)
    booster = _trained(pairs.features, pairs.target, settings, window.seed)
    return lambda: np.asarray(last + pairs.unit * booster.inplace_predict(pairs.ahead), dtype=np.float64)


def _recursive(window: TrainingWindow, settings: dict[str, float]) -> Predict:
    pairs = training_pairs(replace(window, horizon=1, x_future=window.x_future[:1]))
    if not pairs.target.size:
        return lambda: np.full(window.horizon, window.y[-1])
    booster = _trained(pairs.features, pairs.target, settings, window.seed)

    def predict() -> NDArray[np.float64]:
        path = _continued(window)
        for end in range(len(window.y), len(path.y)):
            row, unit = _last_origin(path, end)
            path.y[end] = path.y[end - 1] + unit * float(booster.inplace_predict(row)[0])
        return path.y[len(window.y) :]

    return predict


def _continued(window: TrainingWindow) -> TrainingWindow:
    """The window with H more rows: dates and covariates as known at the cutoff, `y` still to be forecast."""
    known = np.isin(window.covariates, window.known)
    return replace(
        window,
        ds=np.concatenate([window.ds, next_dates(window.ds, window.horizon)]),
        y=np.concatenate([window.y, np.full(window.horizon, np.nan)]),
        x=np.concatenate([window.x, np.where(known, window.x_future, window.x[-1])]),
    )


def _last_origin(path: TrainingWindow, end: int) -> tuple[NDArray[np.float64], float]:
    """Features [1, F] and scale of the origin `end` - 1, as `training_pairs` has them for step 1."""
    seen = slice(max(0, end - TAIL), end)
    tail = replace(path, ds=path.ds[seen], y=path.y[seen], x=path.x[seen])
    scale = local_scale(path.y[:end], last=min(TAIL, end - 1))
    scale = np.concatenate([np.full(len(tail.y) - len(scale), np.nan), scale])
    _, features = origin_features(tail, scale)
    known = [k for k, name in enumerate(path.covariates) if name in path.known]
    return np.concatenate([[1.0], features[-1], path.x[end, known]])[None], float(scale[-1])


def _trained(features: NDArray[np.float64], target: NDArray[np.float64], settings: dict[str, float], seed: int) -> Any:
    import xgboost

    data = xgboost.QuantileDMatrix(features, target, nthread=_FIXED["nthread"], max_bin=_FIXED["max_bin"])
    rounds = int(settings["n_estimators"])
    chosen = {name: value for name, value in settings.items() if name != "n_estimators"}
    return xgboost.train({**chosen, **_FIXED, "seed": seed}, data, num_boost_round=rounds)
