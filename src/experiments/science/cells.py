"""The cells of an evaluation, one a window and step: what its metrics are computed from, read from stored rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.errors import InvalidInputError
from experiments.science.grid import observed_overlap, overlap
from experiments.science.window import QUANTILE_LEVELS

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

QUANTILE_COLUMNS = ("q10", "q50", "q90")
"""Columns of the quantiles in a frame of forecasts, by `QUANTILE_LEVELS`."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The successful windows of one evaluation, in order of time: all that its metrics are computed from.

    Parameters
    ----------
    cutoffs : array [W] of datetime64[D]
    ds : array [W, H] of datetime64[D]
        Date of each step.
    y, y_hat : array [W, H]
        Actuals and forecasts of steps 1 to H, unit of the series.
    day0, scale, level : array [W]
        As in `metrics.score`.
    quantiles : array [W, H, 3]
        By `QUANTILE_LEVELS`; NaN where there are none.
    """

    cutoffs: NDArray[np.datetime64]
    ds: NDArray[np.datetime64]
    y: Floats
    y_hat: Floats
    day0: Floats
    scale: Floats
    level: Floats
    quantiles: Floats

    def naive(self) -> Cells:
        """The same windows, forecast by the last observed value."""
        flat = np.broadcast_to(self.day0[:, None], self.y.shape)
        return replace(self, y_hat=flat, quantiles=np.full_like(self.quantiles, np.nan))

    def overlap(self, step: int, step_size: int | None) -> int:
        """Windows whose losses up to a step share an observation: as announced, or more where the dates show it."""
        return max(observed_overlap(self.cutoffs, self.ds[:, step - 1]), overlap(step, step_size or self.y.shape[1]))


def cells_of(forecasts: pd.DataFrame, windows: pd.DataFrame) -> Cells:
    """The successful windows of one evaluation from its stored rows, in any order.

    Parameters
    ----------
    forecasts, windows : DataFrame
        As in `metrics.evaluate`; `forecasts` may have `QUANTILE_COLUMNS` too.

    Returns
    -------
    Cells
        With W and H of 0 where no window succeeded.

    Raises
    ------
    InvalidInputError
        As `metrics.evaluate` does.
    """
    _require(forecasts, ("cutoff", "step", "ds", "y", "y_hat"), "forecasts")
    _require(windows, ("cutoff", "day0", "scale", "level"), "windows")
    # in numpy throughout: pandas would take ten times as long, and there may be hundreds of evaluations
    good = windows["status"].to_numpy() == "ok" if "status" in windows else np.ones(len(windows), dtype=bool)
    cutoffs = _days(windows["cutoff"])
    order = np.flatnonzero(good)[np.argsort(cutoffs[good], kind="stable")]
    cutoffs = cutoffs[order]
    day0, scale, level = (windows[name].to_numpy(dtype=float)[order] for name in ("day0", "scale", "level"))
    at, step = _days(forecasts["cutoff"]), forecasts["step"].to_numpy()
    rows = np.flatnonzero(np.isin(at, cutoffs))
    if rows.size and step.dtype.kind not in "iuf":
        raise _lacking(step[rows])
    rows = rows[np.lexsort((step[rows], at[rows]))] if rows.size else rows
    shape = _complete_shape(cutoffs, at[rows], step[rows])
    # rows of windows, the order they were recorded from: numpy sums as an array lies in memory, so to the last bit
    y, y_hat = (forecasts[name].to_numpy(dtype=float)[rows].reshape(shape) for name in ("y", "y_hat"))
    ds = _days(forecasts["ds"])[rows].reshape(shape)
    if np.isnan(y).any() or np.isnan(y_hat).any() or np.isnat(ds).any():
        raise _lacking(step[rows])
    unknown = np.isnan(day0) | np.isnan(level)
    if unknown.any():
        msg = f"windows lack day0 or level at {cutoffs[unknown][0]}: every successful window needs both."
        raise InvalidInputError(msg)
    quantiles = np.full((*shape, len(QUANTILE_LEVELS)), np.nan)
    if set(QUANTILE_COLUMNS) <= {*forecasts.columns}:
        quantiles = forecasts[[*QUANTILE_COLUMNS]].to_numpy(dtype=float)[rows].reshape(quantiles.shape)
    return Cells(cutoffs=cutoffs, ds=ds, y=y, y_hat=y_hat, day0=day0, scale=scale, level=level, quantiles=quantiles)


def _days(values: pd.Series[Any]) -> NDArray[np.datetime64]:
    """Dates given as text, dates or timestamps."""
    import pandas as pd

    return pd.to_datetime(values).to_numpy().astype("datetime64[D]")


def _require(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    if not hasattr(frame, "columns"):
        msg = f"{what} is {type(frame).__name__}: give the frame that Ledger.{what} returns."
        raise InvalidInputError(msg)
    missing = [name for name in columns if name not in frame]
    if missing:
        msg = f"{what} lacks the columns {missing}; it has {list(map(str, frame.columns))}."
        raise InvalidInputError(msg)


def _complete_shape(
    cutoffs: NDArray[np.datetime64], at: NDArray[np.datetime64], step: NDArray[np.int64]
) -> tuple[int, int]:
    """Windows and steps; refuses rows of several evaluations, and windows that lack a step. All is in order of time."""
    again = (at[1:] == at[:-1]) & (step[1:] == step[:-1])
    if again.any() or (cutoffs[1:] == cutoffs[:-1]).any():
        msg = "a cutoff, or a step of one, stands twice: give the forecasts and windows of one evaluation."
        raise InvalidInputError(msg)
    if not cutoffs.size:
        return 0, 0
    horizon = np.unique(step).size
    whole = horizon > 0 and step.size == cutoffs.size * horizon
    if not whole or (step.reshape(-1, horizon) != np.arange(1, horizon + 1)).any():
        raise _lacking(step)
    return cutoffs.size, horizon


def _lacking(step: NDArray[Any]) -> InvalidInputError:
    msg = (
        "forecasts lack a step of a successful window: every cutoff in windows needs the same steps 1 to H, each "
        f"with ds, y and y_hat; given steps {np.unique(step).tolist()}."
    )
    return InvalidInputError(msg)
