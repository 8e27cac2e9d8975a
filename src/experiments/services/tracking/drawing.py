"""A picture of a run's metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from experiments.errors import InvalidInputError
from experiments.services.plots import check_target, save
from experiments.services.tracking.runs import COUNTED_BY

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_MOST = 24
"""Metrics in one picture."""


def plot_points(points: pd.DataFrame, path: str | Path, title: str) -> Path:
    """Draw the metrics of a run, each over the steps, episodes or epochs it is counted by, else in the order logged.

    Parameters
    ----------
    points : DataFrame
        Of `runs.points`; the first 24 metrics of it are drawn.
    path : str or Path
        A .png, .svg or .pdf file, which is replaced.
    title : str

    Raises
    ------
    InvalidInputError
        If the path is no picture's, or there is nothing to draw.
    EngineError
        If matplotlib is not installed, or the file cannot be written.
    """
    target = check_target(path)
    if points.empty:
        msg = f"{title!r} has no metrics to draw."
        raise InvalidInputError(msg)
    from matplotlib.figure import Figure

    series = list(points.groupby("name", sort=True))[:_MOST]
    columns = min(len(series), 3)
    lines = math.ceil(len(series) / columns)
    figure = Figure(figsize=(4.2 * columns, 2.6 * lines + 0.4), layout="constrained")
    figure.suptitle(title, parse_math=False)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(series) :]:
        axis.set_axis_off()
    for axis, (name, own) in zip(axes, series, strict=False):
        by = next((column for column in COUNTED_BY if own[column].notna().any()), None)
        places = range(len(own)) if by is None else own[by].astype("Float64").to_numpy(dtype=float, na_value=math.nan)
        axis.plot(places, own["value"], marker="." if len(own) < 50 else "", linewidth=1)  # noqa: PLR2004  few points
        axis.set_title(str(name), fontsize=9, parse_math=False)
        axis.set_xlabel(by or "points", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return save(figure, target)
