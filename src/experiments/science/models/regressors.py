"""What models with covariates share: the rows that are complete, the covariates as they enter, a unit of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.window import QUANTILE_LEVELS, Forecast

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.window import TrainingWindow

_DEPENDENT = 1e-8
"""Share of a regressor's size that is left of it beside the others, below which it adds nothing to them."""


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


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows whose covariates are all known, and the way back to prices.

    Parameters
    ----------
    y : array [N] of float
        The series in `own_units`.
    exog : array [N + H, K] of float
        The covariates as they enter, see `aligned_covariates`.
    last, unit : float
        See `own_units`.
    """

    y: NDArray[np.float64]
    exog: NDArray[np.float64]
    last: float
    unit: float

    def flat(self, horizon: int) -> Forecast:
        """The forecast of a series that never moved: its last value, and no doubt about it."""
        values = np.full(horizon, self.last)
        return Forecast(y_hat=values, quantiles=dict.fromkeys(QUANTILE_LEVELS, values))


def complete_rows(window: TrainingWindow, exog: NDArray[np.float64], needed: int, what: str) -> Rows:
    """Leave out the first rows, up to the one where all covariates are known.

    Parameters
    ----------
    window : TrainingWindow
        N observations, K covariates, horizon H.
    exog : array [N + H, K] of float
        See `aligned_covariates`.
    needed : int
        How many rows must be left.
    what : str
        What needs them, for the message.

    Raises
    ------
    NotEnoughDataError
        If there are fewer.
    """
    first = int(np.argmax(np.isfinite(exog).all(axis=1)))
    require_rows(max(len(window.y) - first, 0), needed, what)
    scaled, last, unit = own_units(window.y[first:])
    return Rows(y=scaled, exog=exog[first:], last=last, unit=unit)


def regressors_of(rows: Rows, d: int, seasonal_d: int, length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The covariates as orthogonal regressors of one size, [N, R] and [H, R]; R <= K, as some may depend on others.

    It is after the differencing that they are orthogonal, which spares the optimisers long valleys.

    Parameters
    ----------
    rows : Rows
        N rows, K covariates, horizon H.
    d, seasonal_d, length : int
        Differences, seasonal differences and the season's length.
    """
    n = len(rows.y)
    if not rows.exog.shape[1]:
        return rows.exog[:n], rows.exog[n:]
    centred = rows.exog - rows.exog[:n].mean(axis=0)
    moved = differenced(centred[:n], d, seasonal_d, length)
    size = np.sqrt(np.mean(moved**2, axis=0))
    varying = np.flatnonzero(size > _DEPENDENT**2 * np.abs(rows.exog[:n]).max(axis=0))
    if not varying.size:
        return rows.exog[:n, :0], rows.exog[n:, :0]

    from scipy.linalg import qr, solve_triangular

    triangle, order = qr(moved[:, varying] / size[varying], mode="r", pivoting=True)
    weight = np.abs(np.diag(triangle))
    rank = int((weight > _DEPENDENT * weight[0]).sum())
    kept = varying[order[:rank]]
    alone = solve_triangular(triangle[:rank, :rank], np.eye(rank)) * np.sqrt(len(moved))
    regressors = centred[:, kept] / size[kept] @ alone
    return regressors[:n], regressors[n:]


def differenced(values: NDArray[np.float64], d: int, seasonal_d: int, length: int) -> NDArray[np.float64]:
    """Rows of `values` [N, K], differenced d times, and seasonal_d times over `length` rows."""
    for span in (1,) * d + (length,) * seasonal_d:
        values = values[span:] - values[:-span]
    return values


def require_rows(given: int, needed: int, what: str) -> None:
    """Refuse a window with too few rows.

    Raises
    ------
    NotEnoughDataError
        If fewer are given than needed.
    """
    if given < needed:
        msg = f"{what} needs at least {needed} complete training rows; the window has {given}."
        raise NotEnoughDataError(msg)
