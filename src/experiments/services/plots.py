"""Pictures of evidence: who differs from naive, what accuracy costs, and when a difference arose."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import METRICS, known, series_name
from experiments.errors import EngineError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.services.comparison import Comparison

FORMATS = (".png", ".svg", ".pdf")

_FAR = 3.0
"""Times the median beyond which a model leaves the picture, so that the others can be told apart."""

_CORNER: dict[str, Any] = {"fontsize": 7.5, "color": "#555555", "va": "bottom"}
_BETTER, _WORSE, _OPEN, _GREY = "#1a7f5a", "#b5432e", "#4a6fa5", "#8a8a8a"


def check_target(path: str | Path) -> Path:
    """The file a picture goes to, before anything is computed.

    Raises
    ------
    InvalidInputError
        If its ending is no format of pictures, or its folder is not there.
    EngineError
        If matplotlib is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        msg = f"{str(path)!r} is no picture: end it with {', '.join(FORMATS)}."
        raise InvalidInputError(msg)
    if not target.parent.is_dir():
        msg = f"there is no folder {target.parent} to write {target.name} to."
        raise InvalidInputError(msg)
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        msg = "pictures need matplotlib: pip install 'experiment-ledger[plots]'."
        raise EngineError(msg) from error
    return target


def plot_leaderboard(boards: Sequence[pd.DataFrame], path: str | Path) -> Path:
    """Draw leaderboards: differences to naive with their intervals, and accuracy against cost.

    Parameters
    ----------
    boards : sequence of DataFrame
        From `Ledger.leaderboard`; a row of pictures for each series.
    path : str or Path
        A .png, .svg or .pdf file, which is replaced.

    Raises
    ------
    InvalidInputError
        If the path is no picture's.
    EngineError
        If matplotlib is not installed, or the file cannot be written.
    """
    target = check_target(path)
    series = [rows for board in boards for _, rows in board.groupby("unique_id", sort=True)]
    most = max(int(rows["place"].notna().sum()) for rows in series)
    figure = _figure(12, len(series) * (1.8 + 0.34 * most))
    axes = figure.subplots(len(series), 2, squeeze=False, width_ratios=[3, 2])
    for (left, right), rows in zip(axes, series, strict=True):
        _draw_differences(left, rows)
        _draw_costs(right, rows)
    return _save(figure, target)


def plot_comparison(comparisons: Sequence[Comparison], path: str | Path) -> Path:
    """Draw when the differences between models arose: cumulative losses of one series, a panel a metric.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Of one series, from `Ledger.compare`.
    path : str or Path
        A .png, .svg or .pdf file, which is replaced.

    Raises
    ------
    InvalidInputError
        If the path is no picture's.
    EngineError
        If matplotlib is not installed, or the file cannot be written.
    """
    target = check_target(path)
    rows = (len(comparisons) + 1) // 2
    figure = _figure(12, 3.6 * rows)
    axes = figure.subplots(rows, 2, squeeze=False, sharex=True).ravel()
    for axis, one in zip(axes, comparisons, strict=False):
        _draw_cumulative(axis, one)
    for axis in axes[len(comparisons) :]:
        axis.set_visible(False)
    figure.suptitle(f"{comparisons[0].unique_id}: errors summed over the windows", x=0.01, ha="left")
    return _save(figure, target)


def _draw_differences(axis: Axes, rows: pd.DataFrame) -> None:
    """A line a model: its difference to naive in percent with the 95 % interval."""
    from experiments.science.evidence.family import BETTER, EQUIVALENCE_MARGIN, WORSE

    shown = _by_place(rows)
    percent = 100 * shown[["naive_difference", "naive_lower", "naive_upper"]].div(shown["naive_loss"], axis=0)
    percent = percent.astype(float)
    widest = _FAR * float(percent.abs().max(axis=1).median()) + 100 * EQUIVALENCE_MARGIN
    axis.axvspan(-100 * EQUIVALENCE_MARGIN, 100 * EQUIVALENCE_MARGIN, color="#eeeeee", zorder=0)
    axis.axvline(0, color=_GREY, linewidth=1, zorder=1)
    for height, (_, row) in enumerate(shown.iterrows()):
        middle, lower, upper = percent.iloc[height].fillna({"naive_difference": 0.0})
        colour = {BETTER: _BETTER, WORSE: _WORSE}.get(row["verdict"], _OPEN)
        if abs(middle) > widest:  # one this far off would squeeze the others
            axis.text(
                widest if middle > 0 else -widest, height, f"{middle:+,.0f} %", color=colour, va="center",
                ha="right" if middle > 0 else "left",
            )  # fmt: skip
            continue
        if known(lower) is not None:
            axis.plot([lower, upper], [height, height], color=colour, linewidth=2, solid_capstyle="round", zorder=2)
        face = colour if row["in_confidence_set"] else "white"
        axis.plot(middle, height, "o", color=colour, markerfacecolor=face, markersize=7, zorder=3)
    axis.set_xlim(-widest, widest)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.set_yticks(range(len(shown)), [f"{row['model_name']}  {int(row['place'])}" for _, row in shown.iterrows()])
    axis.set_xlabel(
        "difference to naive in % of its error, negative is better, with 95 % interval\n"
        f"filled: may be the best (confidence set); grey: within {EQUIVALENCE_MARGIN:.0%} of naive"
    )
    axis.set_title(f"{_subject(rows)}, {int(rows['n_shared'].iloc[0])} shared windows", loc="left")


def _draw_costs(axis: Axes, rows: pd.DataFrame) -> None:
    """Loss against seconds by place, with the models that none beats in both, and what to expect of the leader."""
    axis.set_title("accuracy against cost", loc="left")
    axis.set_xlabel("seconds for all windows; numbers are places")
    axis.set_ylabel("mean absolute error")
    shown = _by_place(rows)
    timed = shown[shown["execution_time_seconds"] > 0].sort_values("execution_time_seconds")
    if timed.empty:
        axis.text(0.5, 0.5, "no times are recorded", transform=axis.transAxes, ha="center", color=_GREY)
        return
    axis.set_xscale("log")
    efficient = timed[timed["loss"] <= timed["loss"].cummin()]
    axis.step(efficient["execution_time_seconds"], efficient["loss"], where="post", color=_GREY, linewidth=1)
    axis.plot(timed["execution_time_seconds"], timed["loss"], alpha=0)  # text alone would not widen the axis
    for _, row in timed.iterrows():
        inside = bool(row["in_confidence_set"])
        axis.text(
            row["execution_time_seconds"], row["loss"], f"{int(row['place'])}", ha="center", va="center", fontsize=8,
            color="white" if inside else _OPEN, clip_on=True,
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": _OPEN if inside else "white", "edgecolor": _OPEN},
        )  # fmt: skip
    leader = timed[timed["place"] == 1]
    expected = shown["leader_loss_corrected"].iloc[0]
    if not leader.empty and known(expected) is not None:
        axis.axhline(expected, color=_WORSE, linewidth=1, linestyle="--")
        axis.text(0.01, expected, "expected of 1, once selected", color=_WORSE, fontsize=8, va="bottom",
                  transform=axis.get_yaxis_transform())  # fmt: skip
    near = timed.loc[timed["loss"] <= _FAR / 2 * timed["loss"].median(), "loss"]
    low, high = min(near.min(), near.min() if known(expected) is None else expected), near.max()
    margin = 0.12 * (high - low) or 0.05 * high
    axis.set_ylim(low - margin, high + margin)
    axis.margins(x=0.12)


def _by_place(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["place"].notna()].sort_values("place").reset_index(drop=True)


def _draw_cumulative(axis: Axes, one: Comparison) -> None:
    """Each model's losses minus the first one's, summed in order of the cutoffs."""
    first, *others = one.losses.columns
    axis.axhline(0, color=_GREY, linewidth=1)
    axis.set_title(f"{_metric_name(one.metric)}, minus {first}", loc="left", fontsize=10)
    if one.losses.empty:
        axis.text(0.5, 0.5, "no shared window", transform=axis.transAxes, ha="center", color=_GREY)
        return
    dates = one.losses.index
    tested = {pair.other: pair for pair in one.pairs if pair.model == first}
    for other in others:
        summed = (one.losses[other] - one.losses[first]).cumsum()
        pvalue = tested[other].pvalue_holm
        axis.plot(dates, summed, linewidth=1.6, label=other + ("" if pvalue is None else f"  p {pvalue:.3f}"))
    if len(others) == 1:
        _draw_limits(axis, one)
    axis.axvline(dates[len(dates) // 2], color=_GREY, linewidth=0.8, linestyle=":")
    axis.text(dates[len(dates) // 2], axis.get_ylim()[0], " second half", **_CORNER)
    axis.legend(frameon=False, fontsize=8, loc="upper left")
    axis.tick_params(axis="x", labelrotation=20)


def _draw_limits(axis: Axes, one: Comparison) -> None:
    """The limits that hold at every look, around the line of two models."""
    limits = one.limits
    if limits is None:
        return
    for ends in (limits.lower, limits.upper):
        axis.plot(one.losses.index, -ends * limits.n, color=_GREY, linewidth=0.9, linestyle="--")
    axis.plot([], [], color=_GREY, linewidth=0.9, linestyle="--", label="95 % limits, at every look")


def _metric_name(metric: str) -> str:
    return "mean over all steps" if METRICS[metric] is None else f"step {METRICS[metric]}"


def _subject(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    return f"{series_name(first['commodity'], first['unique_id'])}, {_metric_name(first['metric'])}"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, target: Path) -> Path:
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    return save(figure, target)


def save(figure: Figure, target: Path) -> Path:
    """Write a picture to a target that was checked; returns it.

    Raises
    ------
    EngineError
        If the file cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name may have signs no font has
            figure.savefig(target, dpi=130)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror}."
        raise EngineError(msg) from error
    return target
