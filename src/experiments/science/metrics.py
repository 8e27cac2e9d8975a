"""The metrics of an evaluation, computed from its forecasts and windows and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.definitions import EQUALITY_TOLERANCE, SIGNIFICANCE_LEVEL
from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.direction import pesaran_timmermann
from experiments.science.evidence.family import NO_WINDOW, SAME_AS_NAIVE
from experiments.science.grid import observed_overlap, overlap

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
    at_14 = _at_step(14, y=y, y_hat=y_hat, scale=scale, level=level)
    return Scores(
        mae_1day=_mae_at(1, y, y_hat),
        mae_7day=_mae_at(7, y, y_hat),
        mae_14day=_mae_at(14, y, y_hat),
        rmse_14day=at_14["rmse"],
        mape_14day=at_14["mape"],
        mase_14day=at_14["mase"],
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
    import pandas as pd

    _require(forecasts, ("cutoff", "step", "ds", "y", "y_hat"), "forecasts")
    _require(windows, ("cutoff", "day0", "scale", "level"), "windows")
    if "status" in windows:
        windows = windows[windows["status"] == "ok"]
    windows = windows.assign(cutoff=pd.to_datetime(windows["cutoff"])).set_index("cutoff").sort_index()
    if windows.empty:
        return Scores(evidence_note=NO_WINDOW)
    cells = forecasts.assign(cutoff=pd.to_datetime(forecasts["cutoff"]), ds=pd.to_datetime(forecasts["ds"]))
    wide = _by_step(cells[cells["cutoff"].isin(windows.index)], windows)
    horizon = wide["y"].shape[1]
    ends = wide["ds"].iloc[:, -1].to_numpy().astype("datetime64[D]")
    seen = observed_overlap(windows.index.to_numpy().astype("datetime64[D]"), ends)
    # numpy sums an array in the order of its memory: the same order gives the figures recorded to the last bit
    y, y_hat = (np.ascontiguousarray(wide[name].to_numpy(dtype=float)) for name in ("y", "y_hat"))
    return score(
        y=y,
        y_hat=y_hat,
        day0=windows["day0"].to_numpy(dtype=float),
        scale=windows["scale"].to_numpy(dtype=float),
        level=windows["level"].to_numpy(dtype=float),
        step_overlap=max(seen, overlap(horizon, step_size or horizon)),
    )


def scale_and_level(y: Floats) -> tuple[float, float]:
    """The denominator of MASE and the level that sets the tolerance, of a series [N] up to a cutoff."""
    scale = float(np.abs(np.diff(y)).mean()) if len(y) > 1 else float("nan")
    return scale, float(np.abs(y).mean())


def _require(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    if not hasattr(frame, "columns"):
        msg = f"{what} is {type(frame).__name__}: give the frame that Ledger.{what} returns."
        raise InvalidInputError(msg)
    missing = [name for name in columns if name not in frame]
    if missing:
        msg = f"{what} lacks the columns {missing}; it has {list(map(str, frame.columns))}."
        raise InvalidInputError(msg)


def _by_step(cells: pd.DataFrame, windows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`y`, `y_hat` and `ds` as frames [W, H], a row a window; complete, or refused."""
    if windows.index.has_duplicates or cells.duplicated(["cutoff", "step"]).any():
        msg = "a cutoff, or a step of one, stands twice: give the forecasts and windows of one evaluation."
        raise InvalidInputError(msg)
    wide = {
        name: cells.pivot(index="cutoff", columns="step", values=name).reindex(windows.index)
        for name in ("y", "y_hat", "ds")
    }
    steps = wide["y"].columns.to_list()
    gaps = any(bool(frame.isna().any(axis=None)) for frame in wide.values())
    if gaps or not steps or steps != [*range(1, len(steps) + 1)]:
        msg = (
            "forecasts lack a step of a successful window: every cutoff in windows needs the same steps 1 to H, each "
            f"with ds, y and y_hat; given steps {steps}."
        )
        raise InvalidInputError(msg)
    unknown = windows[["day0", "level"]].isna().any(axis=1)
    if unknown.any():
        msg = f"windows lack day0 or level at {windows.index[unknown][0].date()}: every successful window needs both."
        raise InvalidInputError(msg)
    return wide


def _moves(values: Floats, day0: Floats, level: Floats) -> Floats:
    """Sign of each value's move from day 0, 0 within the tolerance: [W, H] or [W]."""
    if values.ndim > 1:
        day0, level = day0[:, None], level[:, None]
    change = values - day0
    return np.where(np.abs(change) <= EQUALITY_TOLERANCE * level, 0.0, np.sign(change))


def _mae_at(step: int, y: Floats, y_hat: Floats) -> float | None:
    return None if y.shape[1] < step else float(np.abs(y[:, step - 1] - y_hat[:, step - 1]).mean())


def _at_step(step: int, *, y: Floats, y_hat: Floats, scale: Floats, level: Floats) -> dict[str, float | None]:
    if y.shape[1] < step:
        return {"rmse": None, "mape": None, "mase": None}
    actual = y[:, step - 1]
    error = np.abs(actual - y_hat[:, step - 1])
    zero = EQUALITY_TOLERANCE * level  # what is equal to 0 is no denominator: only rounding would be magnified
    scaled = bool(np.all(scale > zero))  # NaN is not known, so not above 0 either
    return {
        "rmse": float(np.sqrt((error**2).mean())),
        "mape": None if (np.abs(actual) <= zero).any() else float(100 * (error / np.abs(actual)).mean()),
        "mase": float((error / scale).mean()) if scaled else None,
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
