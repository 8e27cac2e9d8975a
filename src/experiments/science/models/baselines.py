"""Naive and random walk: what a forecast must beat to be worth anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import NotEnoughDataError

if TYPE_CHECKING:
    from experiments.science.window import Predict, TrainingWindow

_DRIFT_MINIMUM = 2


def fit_naive(window: TrainingWindow) -> Predict:
    """Repeat the last observed value.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff T.

    Returns
    -------
    callable
        Gives y[T] at every step, array [H].
    """
    last = window.y[-1]
    return lambda: np.full(window.horizon, last)


def fit_random_walk_drift(window: TrainingWindow) -> Predict:
    """Go on from the last value by the mean one-step change of the training span.

    The forecast at step h is y[T] + h (y[T] - y[1]) / (N - 1).

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff T.

    Returns
    -------
    callable
        Gives the forecasts, array [H].

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two observations.
    """
    n = len(window.y)
    if n < _DRIFT_MINIMUM:
        msg = f"a drift needs at least {_DRIFT_MINIMUM} observations; the window has {n}."
        raise NotEnoughDataError(msg)
    last = window.y[-1]
    drift = (last - window.y[0]) / (n - 1)
    return lambda: last + drift * np.arange(1, window.horizon + 1)
