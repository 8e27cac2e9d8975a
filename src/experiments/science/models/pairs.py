"""What a regression learns from: for each origin and step the features known at the origin, and the change to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from experiments.errors import NotEnoughDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.window import TrainingWindow

DIFFERENCE_LAGS = (0, 1, 2, 3, 4)
"""One-step changes given as features, counted back from the origin."""

ROLLING_SPANS = (5, 20, 60)
"""Observations in the rolling means and standard deviations."""

COVARIATE_SPANS = (1, 5)
"""Steps over which a covariate's change is a feature."""

MINIMUM_HISTORY = 20
"""Observations before an origin; with fewer its local scale says little."""

TAIL = max(*ROLLING_SPANS, *COVARIATE_SPANS, *DIFFERENCE_LAGS) + 1
"""Last observations on which the features of an origin depend, given its scale."""

_SCALE_SPAN = 60


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """One row for each origin t and step h with t + h inside the window.

    Parameters
    ----------
    names : tuple of F str
        The features; the first is the step.
    features : array [R, F] of float
        NaN where a feature was not available at the origin; the last are known covariates at t + h.
    target : array [R] of float
        (y[t + h] - y[t]) / (scale[t] sqrt(h)): about as wide at every step, as in a random walk; none if the series
        never moved.
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
        msg = f"a regression needs at least {needed} observations to forecast {horizon} steps; the window has {n}."
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


def local_scale(y: NDArray[np.float64], *, last: int | None = None) -> NDArray[np.float64]:
    """Typical size of a one-step change around each date, from the changes up to that date only.

    The median absolute change of the last 60; where that is zero, the mean absolute change since the beginning.

    Parameters
    ----------
    y : array [N] of float
        The series; at least two observations.
    last : int, optional
        Give only the last dates' scale, at most N - 1 of them; None for all.

    Returns
    -------
    array [N] or [last] of float
        In the unit of the series; NaN for the first 20 dates and as long as the series has not moved.
    """
    moves = np.abs(np.diff(y))
    overall = np.cumsum(moves) / np.arange(1, len(y))
    kept = slice(None if last is None else -last, None)
    spans = sliding_window_view(np.concatenate([np.full(_SCALE_SPAN - 1, np.nan), moves]), _SCALE_SPAN)[kept]
    partial = np.isnan(spans[:, 0])  # the slow median only where it is needed
    recent = np.concatenate([np.nanmedian(spans[partial], axis=1), np.median(spans[~partial], axis=1)])
    scale = np.where(recent > 0, recent, overall[kept])
    if last is None:
        scale = np.concatenate([[np.nan], scale])
    scale[: max(0, MINIMUM_HISTORY - (len(y) - len(scale)))] = np.nan
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
    columns["weekday"] = weekday(window.ds).astype(np.float64)
    for k, name in enumerate(window.covariates):
        level = window.x[:, k]
        columns[f"{name}_level"] = level
        columns |= {f"{name}_change_{span}": _change(level, span) for span in COVARIATE_SPANS}
    return tuple(columns), np.column_stack(list(columns.values()))


def next_dates(ds: NDArray[np.datetime64], n: int) -> NDArray[np.datetime64]:
    """The dates that follow by the rhythm of those given: a window does not hold what the calendar really brought.

    Parameters
    ----------
    ds : array [N] of datetime64[D]
        At least two dates.
    n : int
        How many.

    Returns
    -------
    array [n] of datetime64[D]
        Weekdays after daily dates without a weekend, else steps of the median gap.

    Examples
    --------
    >>> next_dates(np.array(["2024-02-28", "2024-02-29", "2024-03-01"], dtype="datetime64[D]"), 2).astype(str).tolist()
    ['2024-03-04', '2024-03-05']
    """
    gap = int(np.median(np.diff(ds).astype(int)))
    if gap == 1 and (weekday(ds) < 5).all():  # noqa: PLR2004  Monday is 0
        return np.asarray(np.busday_offset(ds[-1], np.arange(1, n + 1)))
    return np.asarray(ds[-1] + gap * np.arange(1, n + 1))


def weekday(ds: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Day of the week of each date, Monday is 0."""
    return np.asarray((ds.astype("datetime64[D]").astype(int) + 3) % 7)


def _shifted(values: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Row t holds the value at t - lag."""
    return np.concatenate([np.full(lag, np.nan), values])[: len(values)]


def _change(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Row t holds the change from t - span to t."""
    return values - _shifted(values, span)


def _rolling(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Row t holds the values t - span + 1..t, array [N, span]; NaN before the first."""
    return sliding_window_view(np.concatenate([np.full(span - 1, np.nan), values]), span)
