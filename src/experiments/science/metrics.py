"""The metrics of an evaluation, computed from its forecasts and windows and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.definitions import EQUALITY_TOLERANCE, SIGNIFICANCE_LEVEL, check_count
from experiments.errors import InvalidInputError
from experiments.science.cells import Cells, cells_of
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.direction import pesaran_timmermann
from experiments.science.evidence.family import NO_WINDOW, SAME_AS_NAIVE
from experiments.science.intervals import coverage, pinball_loss

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WindowScores:
    """Per-window figures, each an array [W]: losses in the unit of the series, counts of steps."""

    mae_path: Floats
    naive_mae_path: Floats
    n_direction_hits: NDArray[np.int64]
    n_direction_moves: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The metric columns of `model_runs`, under their names; None where a metric is not defined."""

    mae_1day: float | None = None
    mae_7day: float | None = None
    mae_14day: float | None = None
    rmse_14day: float | None = None
    mape_14day: float | None = None
    mase_14day: float | None = None
    mae_path: float | None = None
    naive_mae_path: float | None = None
    directional_accuracy: float | None = None
    pt_pvalue: float | None = None
    dm_test_vs_naive: float | None = None
    dm_pvalue: float | None = None
    beats_baseline: bool | None = None
    dm_method: str | None = None
    dm_n: int | None = None
    evidence_note: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepScores:
    """The metrics of one evaluation at one step h; None where a metric is not defined.

    Attributes
    ----------
    n_windows : int
        Windows that succeeded.
    mae, rmse : float or None
        Mean absolute error, and root of the mean squared error, at step h, unit of the series.
    mae_path : float or None
        Mean over windows of the mean absolute error over steps 1 to h, unit of the series.
    naive_mae_path : float or None
        The same of the last observed value.
    mape, smape : float or None
        Mean of abs(y - y_hat) over abs(y), and over the mean of abs(y) and abs(y_hat) (Makridakis, Spiliotis and
        Assimakopoulos 2020, doi 10.1016/j.ijforecast.2019.04.014), at step h, percent; None where one divides by 0.
    mase : float or None
        Mean of the absolute error at step h over the scale; None where a scale is 0 or not known.
    bias : float or None
        Mean of y_hat - y at step h, unit of the series: positive where forecasts are too high.
    directional_accuracy : float or None
        Share in [0, 1] of the windows whose actual at step h moved from day 0 and whose forecast moved to the same
        side; None where no actual or no forecast moved. (The column of `model_runs` is over all steps.)
    dm_test_vs_naive, dm_pvalue : float or None
        Diebold-Mariano against naive on the losses of `mae_path`: negative is better.
    coverage_80 : float or None
        Share in [0, 1] of the windows with quantiles whose actual at step h lies between the outer ones.
    pinball_loss : float or None
        Mean pinball loss of the quantiles at step h, unit of the series.
    evidence_note : str or None
        Why there is no test, where there is none.
    """

    n_windows: int = 0
    mae: float | None = None
    mae_path: float | None = None
    naive_mae_path: float | None = None
    rmse: float | None = None
    mape: float | None = None
    smape: float | None = None
    mase: float | None = None
    bias: float | None = None
    directional_accuracy: float | None = None
    dm_test_vs_naive: float | None = None
    dm_pvalue: float | None = None
    coverage_80: float | None = None
    pinball_loss: float | None = None
    evidence_note: str | None = None


def window_scores(*, y: Floats, y_hat: Floats, day0: Floats, level: Floats) -> WindowScores:
    """Score each window by itself.

    Parameters
    ----------
    y, y_hat : array [W, H]
        Actuals and forecasts of steps 1 to H.
    day0 : array [W]
        Last observed value of each window: also its naive forecast.
    level : array [W]
        Mean absolute value of the series up to the cutoff; sets the tolerance of equality.
    """
    actual, forecast = _moves(y, day0, level), _moves(y_hat, day0, level)
    return WindowScores(
        mae_path=np.abs(y - y_hat).mean(axis=1),
        naive_mae_path=np.abs(y - day0[:, None]).mean(axis=1),
        n_direction_hits=((actual != 0) & (actual == forecast)).sum(axis=1),
        n_direction_moves=(actual != 0).sum(axis=1),
    )


def score(
    *,
    y: Floats,
    y_hat: Floats,
    day0: Floats,
    scale: Floats,
    level: Floats,
    step_overlap: int,
) -> Scores:
    """Compute every metric of an evaluation from its successful windows (design, section 4).

    Parameters
    ----------
    y, y_hat : array [W, H]
        Actuals and forecasts of steps 1 to H, windows in order of time; W may be 0.
    day0, level : array [W]
        As in `window_scores`.
    scale : array [W]
        Mean absolute one-step change of the whole series up to the cutoff; NaN where it is not known.
    step_overlap : int
        Windows whose path losses share an observation, see `grid.overlap`.
    """
    if len(y) == 0:
        return Scores(evidence_note=NO_WINDOW)
    windows = window_scores(y=y, y_hat=y_hat, day0=day0, level=level)
    evidence = _evidence_against_naive(windows, y_hat=y_hat, day0=day0, level=level, step_overlap=step_overlap)
    moves = int(windows.n_direction_moves.sum())
    always_flat = not _moves(y_hat, day0, level).any()
    at = {step: _at_step(step, y=y, y_hat=y_hat, scale=scale, level=level) for step in (1, 7, 14)}
    return Scores(
        mae_1day=at[1].get("mae"),
        mae_7day=at[7].get("mae"),
        mae_14day=at[14].get("mae"),
        rmse_14day=at[14].get("rmse"),
        mape_14day=at[14].get("mape"),
        mase_14day=at[14].get("mase"),
        mae_path=float(windows.mae_path.mean()),
        naive_mae_path=float(windows.naive_mae_path.mean()),
        directional_accuracy=None if always_flat or moves == 0 else float(windows.n_direction_hits.sum() / moves),
        pt_pvalue=_direction_pvalue(y[:, -1], y_hat[:, -1], day0, level) if step_overlap == 1 else None,
        **evidence,
    )


def evaluate(forecasts: pd.DataFrame, windows: pd.DataFrame, *, step_size: int | None = None) -> Scores:
    """Recompute the metrics of one evaluation from its stored forecasts, without refitting.

    Parameters
    ----------
    forecasts : DataFrame
        Columns `cutoff`, `step`, `ds`, `y`, `y_hat`: one row per cutoff and step of one evaluation.
    windows : DataFrame
        Columns `cutoff`, `day0`, `scale`, `level`, and `status` where some windows failed.
    step_size : int, optional
        Observations between two cutoffs; the horizon by default. Cutoffs that lie closer together
        than announced are noticed from their dates.

    Returns
    -------
    Scores
        The figures of `model_runs`.

    Raises
    ------
    InvalidInputError
        If a column is missing.
    InvalidInputError
        If a cutoff, or a step of one, stands twice: the rows of more than one evaluation.
    InvalidInputError
        If a successful window lacks one of its steps, or a value it is scored with.

    Examples
    --------
    >>> import pandas as pd
    >>> cutoff = pd.to_datetime(["2024-01-01"])
    >>> forecasts = pd.DataFrame({"cutoff": cutoff, "step": 1, "ds": "2024-01-02", "y": 3.0, "y_hat": 2.0})
    >>> windows = pd.DataFrame({"cutoff": cutoff, "day0": 2.0, "scale": 1.0, "level": 2.0})
    >>> evaluate(forecasts, windows).mae_1day
    1.0
    """
    cells = cells_of(forecasts, windows)
    return score(
        y=cells.y,
        y_hat=cells.y_hat,
        day0=cells.day0,
        scale=cells.scale,
        level=cells.level,
        step_overlap=cells.overlap(cells.y.shape[1], step_size) if len(cells.y) else 1,
    )


def metrics_at(cells: Cells, step: int, *, step_size: int | None = None) -> StepScores:
    """Every metric of an evaluation at one of its steps, whichever the backtest recorded.

    Parameters
    ----------
    cells : Cells
        From `cells_of`.
    step : int
        h, from 1 to the horizon H of the windows; at H the path and its test are those of `evaluate`.
    step_size : int, optional
        As in `evaluate`.

    Returns
    -------
    StepScores

    Raises
    ------
    InvalidInputError
        If `step` is not a whole number from 1 to H.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"cutoff": ["2024-01-01"], "step": 1, "ds": "2024-01-02", "y": 3.0, "y_hat": 2.0}
    >>> windows = pd.DataFrame({"cutoff": ["2024-01-01"], "day0": 2.0, "scale": 1.0, "level": 2.0})
    >>> found = metrics_at(cells_of(pd.DataFrame(row), windows), 1)
    >>> found.smape, found.bias
    (40.0, -1.0)
    """
    check_count("step", step)
    if len(cells.y) == 0:
        return StepScores(evidence_note=NO_WINDOW)
    if step > cells.y.shape[1]:
        msg = f"step is {step}: the windows have {cells.y.shape[1]} steps."
        raise InvalidInputError(msg)
    y, y_hat, day0, level = cells.y[:, :step], cells.y_hat[:, :step], cells.day0, cells.level
    windows = window_scores(y=y, y_hat=y_hat, day0=day0, level=level)
    evidence = _evidence_against_naive(
        windows, y_hat=y_hat, day0=day0, level=level, step_overlap=cells.overlap(step, step_size)
    )
    actual, forecast = (_moves(values[:, -1], day0, level) for values in (y, y_hat))
    moved, quantiles = actual != 0, cells.quantiles[:, step - 1]
    return StepScores(
        n_windows=len(y),
        mae_path=float(windows.mae_path.mean()),
        naive_mae_path=float(windows.naive_mae_path.mean()),
        directional_accuracy=float((actual == forecast)[moved].mean()) if moved.any() and forecast.any() else None,
        coverage_80=coverage(y[:, -1], quantiles[:, 0], quantiles[:, -1]),
        pinball_loss=pinball_loss(y[:, -1], quantiles),
        **{name: evidence[name] for name in ("dm_test_vs_naive", "dm_pvalue", "evidence_note")},
        **_at_step(step, y=y, y_hat=y_hat, scale=cells.scale, level=level),
    )


def scale_and_level(y: Floats) -> tuple[float, float]:
    """The denominator of MASE and the level that sets the tolerance, of a series [N] up to a cutoff."""
    scale = float(np.abs(np.diff(y)).mean()) if len(y) > 1 else float("nan")
    return scale, float(np.abs(y).mean())


def _moves(values: Floats, day0: Floats, level: Floats) -> Floats:
    """Sign of each value's move from day 0, 0 within the tolerance: [W, H] or [W]."""
    if values.ndim > 1:
        day0, level = day0[:, None], level[:, None]
    change = values - day0
    return np.where(np.abs(change) <= EQUALITY_TOLERANCE * level, 0.0, np.sign(change))


def _at_step(step: int, *, y: Floats, y_hat: Floats, scale: Floats, level: Floats) -> dict[str, Any]:
    """The metrics of one step; none of a step beyond the horizon."""
    if y.shape[1] < step:
        return {}
    actual, forecast = y[:, step - 1], y_hat[:, step - 1]
    error, size = np.abs(actual - forecast), np.abs(actual)
    zero = EQUALITY_TOLERANCE * level  # what is equal to 0 is no denominator: only rounding would be magnified
    both = size + np.abs(forecast)
    scaled = bool(np.all(scale > zero))  # NaN is not known, so not above 0 either
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mape": None if (size <= zero).any() else float(100 * (error / size).mean()),
        "smape": None if (both <= zero).any() else float(200 * (error / both).mean()),
        "mase": float((error / scale).mean()) if scaled else None,
        "bias": float((forecast - actual).mean()),
    }


def _direction_pvalue(y: Floats, y_hat: Floats, day0: Floats, level: Floats) -> float | None:
    actual, forecast = _moves(y, day0, level), _moves(y_hat, day0, level)
    called = (actual != 0) & (forecast != 0)  # a flat forecast calls neither up nor down
    return pesaran_timmermann(actual[called] > 0, forecast[called] > 0).pvalue


def _evidence_against_naive(
    windows: WindowScores, *, y_hat: Floats, day0: Floats, level: Floats, step_overlap: int
) -> dict[str, Any]:
    n = len(y_hat)
    none = {"dm_test_vs_naive": None, "dm_pvalue": None, "beats_baseline": None, "dm_method": None, "dm_n": n}
    if not _moves(y_hat, day0, level).any():
        return {**none, "evidence_note": SAME_AS_NAIVE}
    result = diebold_mariano(windows.mae_path, windows.naive_mae_path, overlap=step_overlap)
    if result.statistic is None or result.pvalue is None:
        return {**none, "evidence_note": result.note}
    return {
        "dm_test_vs_naive": result.statistic,
        "dm_pvalue": result.pvalue,
        "beats_baseline": result.statistic < 0 and result.pvalue < SIGNIFICANCE_LEVEL,
        "dm_method": result.method,
        "dm_n": n,
        "evidence_note": None,
    }
