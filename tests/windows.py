"""Training windows made by hand: a price, covariates, dates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.science.window import TrainingWindow

Array = NDArray[np.float64]

HORIZON = 14

COVARIATES = ("vix", "usd", "rain")


def dates(n: int) -> NDArray[np.datetime64]:
    """`n` weekdays."""
    return np.busday_offset(np.datetime64("2015-01-01", "D"), np.arange(n))


def window_of(
    y: Array,
    x: Array | None = None,
    *,
    horizon: int = HORIZON,
    season_length: int = 5,
    seed: int = 7,
    ahead: dict[str, Array] | None = None,
) -> TrainingWindow:
    """Covariates in `ahead` are known in advance, with these values at the steps 1..H."""
    values = np.empty((len(y), 0)) if x is None else x.reshape(len(y), -1)
    names = COVARIATES[: values.shape[1]]
    known = ahead or {}
    return TrainingWindow(
        ds=dates(len(y)),
        y=y,
        x=values,
        x_future=np.column_stack([np.empty((horizon, 0)), *(known.get(n, np.full(horizon, np.nan)) for n in names)]),
        covariates=names,
        known=tuple(name for name in names if name in known),
        horizon=horizon,
        season_length=season_length,
        seed=seed,
    )


def walk(n: int, seed: int = 0) -> Array:
    """An ARIMA(1, 1, 1) price: phi 0.6, theta 0.3, unit innovations."""
    noise = np.random.default_rng(seed).normal(size=n + 1)
    change = np.zeros(n + 1)
    for t in range(1, n + 1):
        change[t] = 0.6 * change[t - 1] + noise[t] + 0.3 * noise[t - 1]
    return 50 + np.cumsum(change[1:])


def index(n: int, seed: int = 1) -> Array:
    """A covariate that reverts to 20, array [n, 1]."""
    noise = np.random.default_rng(seed).normal(size=n)
    level = np.zeros(n)
    for t in range(1, n):
        level[t] = 0.9 * level[t - 1] + noise[t]
    return (20 + level)[:, None]
