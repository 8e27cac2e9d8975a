"""Pictures of registered models: the lineage of a version, and two versions side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.services.plots import check_target, save
from experiments.services.registry.comparing import Measured, cell
from experiments.services.registry.telling import code_of, environment_of, figure, status_of, time
from experiments.services.reports.formats import one_line, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.services.registry.comparing import VersionComparison
    from experiments.services.registry.lineage import Lineage, Relative

_MODEL, _RUN, _DATA, _KNOWN, _GONE = "#1f5f99", "#5b6f82", "#3f7f5f", "#7a5a9a", "#b5432e"
_A, _B, _GREY, _INK = "#c2741f", "#1f5f99", "#8a8a8a", "#1b2733"

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 2.85, 0.66, 0.62, 0.2
_WIDE, _SMALL = 34, 48
"""Letters of a box's first line, and of its second."""

_BACK, _ON, _TALL = 3, 2, 6
"""Generations drawn to the left and to the right, and boxes of one kind above each other."""

_MOST, _ROWS = 24, 16
"""Metrics drawn of a comparison, and differences written below."""


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A box of the picture: in which column, 0 for the version itself, and what it says."""

    key: str
    column: int
    title: str
    words: str
    colour: str
    is_filled: bool = False


def plot_lineage(lineage: Lineage, path: str | Path) -> Path:
    """Draw where a version came from, on its left, and where it went, on its right.

    Parameters
    ----------
    lineage : Lineage
        Three generations back and two on are drawn, and at most six boxes of a kind above each other; what is left out
        is counted.
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
    from matplotlib.figure import Figure

    boxes, edges = _boxes(lineage)
    columns: dict[int, list[_Box]] = {}
    for box in boxes:
        columns.setdefault(box.column, []).append(box)
    first, tallest = min(columns), max(map(len, columns.values()))
    width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 0.4
    height = tallest * (_HEIGHT + _GAP_Y) + 0.75
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    axes.text(0.2, height - 0.34, one_line(f"Lineage of {lineage.model.label}"), fontsize=13, fontweight="bold",
              color=_INK, va="center", parse_math=False)  # fmt: skip
    places = {}
    middle = (height - 0.6) / 2
    for column, own in columns.items():
        top = middle + (len(own) * (_HEIGHT + _GAP_Y) - _GAP_Y) / 2
        for row, box in enumerate(own):
            places[box.key] = (0.2 + (column - first) * (_WIDTH + _GAP_X), top - row * (_HEIGHT + _GAP_Y) - _HEIGHT)
    colours = {box.key: box.colour for box in boxes}
    for start, end in edges:
        _arrow(axes, places[start], places[end], colours[start])
    for box in boxes:
        _draw_box(axes, places[box.key], box)
    return save(figure, target)


def plot_version_comparison(comparison: VersionComparison, path: str | Path) -> Path:
    """Draw the metrics of two versions side by side, with what else differs below.

    Parameters
    ----------
    comparison : VersionComparison
        The first 24 metrics are drawn and the first 16 other differences written; what is left out is counted.
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
    from matplotlib.figure import Figure

    rows = [row for row in comparison.section("metrics").rows if isinstance(row, Measured)]
    told, left_out = _differences(comparison)
    if len(rows) > _MOST:
        left_out += len(rows) - _MOST
        rows = rows[:_MOST]
    lines = max(1, math.ceil(len(rows) / 3))
    top, panels, words = 1.3, 1.15 * lines, 0.27 * (len(told) + 2 + bool(left_out)) + 0.2
    height = top + panels + words
    figure = Figure(figsize=(11, height))
    _draw_heading(figure, comparison, height)
    across = min(3, max(1, len(rows)))
    grid = figure.add_gridspec(
        lines,
        across,
        left=0.04,
        right=0.97,
        top=1 - top / height,
        bottom=(words + 0.3) / height,
        hspace=0.8,
        wspace=0.25,
    )
    for place, row in enumerate(rows):
        _draw_metric(figure.add_subplot(grid[place // across, place % across]), row)
    axes = figure.add_axes((0.03, 0, 0.94, words / height))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(words, 0)
    if not rows:
        figure.text(0.03, (words + panels / 2) / height, "No metric is recorded of either.", color=_GREY, fontsize=10)
    _write_differences(axes, told, left_out)
    return save(figure, target)


def _boxes(lineage: Lineage) -> tuple[list[_Box], list[tuple[str, str]]]:
    """The boxes of a lineage, in each column from the top, and which of them leads to which."""
    boxes, edges = _relatives(lineage)
    own = boxes[0].key
    made = _made_by(lineage)
    boxes += made
    edges += [(box.key, own if box.column == -1 else "run") for box in made]
    found = [(one.subject, f"{one.error}, {one.verdict.partition(' (')[0]}") for one in lineage.evaluations] or [
        ("no evaluation is recorded", "model_runs has none of this version")
    ]
    colour = _KNOWN if lineage.evaluations else _GREY
    after = _stack("evaluation", 1, found, colour, "more evaluation")
    done = [
        (event, f"{more}{', ' if more else ''}{time(one.decided_at)} by {one.decided_by}")
        for one in reversed(lineage.deployments)
        for event, _, more in (one.event.partition(", "),)
    ]
    after += _stack("deployment", 1, done, _RUN, "earlier decision")
    return [*boxes, *after], [*edges, *((own, box.key) for box in after)]


def _relatives(lineage: Lineage) -> tuple[list[_Box], list[tuple[str, str]]]:
    """The version itself, and its relatives on both sides, each in the column of the generation it is met in first."""
    model = lineage.model
    root = model.model_id
    family = {one.model_id: one for one in (*lineage.ancestors, *lineage.descendants)}
    parents = {one.model_id: one.parents for one in family.values()} | {root: model.parents}
    children: dict[int, list[int]] = {}
    for one in lineage.descendants:
        for parent in one.parents:
            children.setdefault(parent, []).append(one.model_id)
    columns = {root: 0}
    for sign, most, nearest in ((-1, _BACK, parents), (1, _ON, children)):
        for generation in range(1, most + 1):
            near = [one for one in columns if columns[one] == sign * (generation - 1)]
            met = dict.fromkeys(other for one in near for other in nearest.get(one, ()) if other not in columns)
            columns |= dict.fromkeys(list(met)[:_TALL], sign * generation)
    words = f"{model.model_type}, {status_of(model)}"
    boxes = [_Box(key=_key(root), column=0, title=model.label, words=words, colour=_MODEL, is_filled=True)]
    boxes += [_box(family[one], column) for one, column in columns.items() if one != root]
    edges = [
        (_key(parent), _key(one))
        for one, column in columns.items()
        for parent in parents[one]
        if columns.get(parent) == column - 1  # a longer one would cross boxes
    ]
    sides = ((lineage.ancestors, min(columns.values()), "more further back"),
             (lineage.descendants, max(columns.values()), "more made from it"))  # fmt: skip
    for relatives, column, what in sides:
        if left_out := sum(one.model_id not in columns for one in relatives):
            told = "the lineage as text has them all"
            boxes.append(_Box(key=what, column=column, title=f"{left_out:,} {what}", words=told, colour=_GREY))
    return boxes, edges


def _made_by(lineage: Lineage) -> list[_Box]:
    """The run, code and environment, and left of them what the run read."""
    model, run = lineage.model, lineage.run
    boxes = []
    if run is not None:
        words = f"{run['experiment_type']}, {run['status']}, {time(run['started_at'])}"
        boxes.append(_Box(key="run", column=-1, title=f"run {run['name']}", words=words, colour=_RUN))
    elif model.experiment_id is not None:
        words = "not recorded any more"
        boxes.append(_Box(key="run", column=-1, title=f"run {model.experiment_id}", words=words, colour=_GONE))
    told = {"code": code_of(vars(model)), "environment": environment_of(lineage.environment)}
    boxes += [_Box(key=what, column=-1, title=what, words=words, colour=_RUN) for what, words in told.items()]
    read = []
    for row in lineage.datasets:
        rows = "not registered" if row["n_rows"] is None else counted(int(row["n_rows"]), "row")
        words = f"{row['role']}, {rows}, version {str(row['dataset_id'])[:8]}"
        read.append((f"data {row['name'] or row['dataset_id']}", words))
    return [*boxes, *_stack("dataset", -2, read, _DATA, "more dataset")]


def _stack(kind: str, column: int, told: Sequence[tuple[str, str]], colour: str, left_out: str) -> list[_Box]:
    """Boxes of a kind above each other, and how many more there are."""
    boxes = [
        _Box(key=f"{kind} {place}", column=column, title=title, words=words, colour=colour)
        for place, (title, words) in enumerate(told[:_TALL])
    ]
    if len(told) > _TALL:
        title, words = counted(len(told) - _TALL, left_out), "the lineage as text has them all"
        boxes.append(_Box(key=f"{kind} more", column=column, title=title, words=words, colour=_GREY))
    return boxes


def _box(one: Relative, column: int) -> _Box:
    if one.deleted_at is not None or one.model_name is None:
        words = "not recorded any more" if one.deleted_at is None else f"deleted {time(one.deleted_at)}"
        return _Box(key=_key(one.model_id), column=column, title=one.label, words=words, colour=_GONE)
    made = {"fine-tuned": "fine-tuned", "ensemble": f"ensemble of {len(one.parents)}"}.get(one.parentage or "")
    words = ", ".join(part for part in (one.model_type, made, one.alias) if part)
    return _Box(key=_key(one.model_id), column=column, title=one.label, words=words, colour=_MODEL)


def _key(model_id: int) -> str:
    return f"model {model_id}"


def _draw_box(axes: Axes, place: tuple[float, float], box: _Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    face, ink = (box.colour, "white") if box.is_filled else ("white", _INK)
    frame = FancyBboxPatch(
        (x, y), _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.07", linewidth=1.4, edgecolor=box.colour,
        facecolor=face, zorder=2,
    )  # fmt: skip
    axes.add_patch(frame)
    upper: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "color": ink}
    lower: dict[str, Any] = {"fontsize": 7, "color": ink if box.is_filled else "#56636e"}
    for words, most, height, looks in ((box.title, _WIDE, 0.64, upper), (box.words, _SMALL, 0.28, lower)):
        told = axes.text(x + 0.11, y + height * _HEIGHT, shortened(words, most), va="center", zorder=3,
                         parse_math=False, **looks)  # fmt: skip
        told.set_clip_path(frame)  # letters of some scripts are twice as wide


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """A curve from the right of a box to the left of another, its head at the end."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Course

    x0, y0, x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2, end[0], end[1] + _HEIGHT / 2
    middle = (x0 + x1) / 2
    course = Course([(x0, y0), (middle, y0), (middle, y1), (x1 - 0.08, y1)], [1, 4, 4, 4])
    axes.add_patch(PathPatch(course, linewidth=1.1, edgecolor=colour, alpha=0.75, fill=False, zorder=1))
    axes.fill([x1 - 0.1, x1, x1 - 0.1], [y1 - 0.05, y1, y1 + 0.05], color=colour, linewidth=0, zorder=1)


def _draw_heading(figure: Figure, comparison: VersionComparison, height: float) -> None:
    """Which is which, and which is better."""
    for row, (mark, model, colour) in enumerate((("a", comparison.a, _A), ("b", comparison.b, _B))):
        words = shortened(f"{mark}  {model.label}: {model.model_type}, {status_of(model)}", 110)
        figure.text(0.03, 1 - (0.28 + 0.26 * row) / height, words, fontsize=11, fontweight="bold", color=colour,
                    va="center", parse_math=False)  # fmt: skip
    figure.text(0.03, 1 - 0.8 / height, shortened(comparison.verdict, 150), fontsize=9, color=_INK, va="center",
                parse_math=False)  # fmt: skip


def _draw_metric(axes: Axes, row: Measured) -> None:
    """Two bars of one metric from zero; a figure that is no number has its name in place of one."""
    values = [row.a, row.b]
    numbers = [value if value is not None and math.isfinite(value) else 0.0 for value in values]
    axes.barh([0, 1], numbers, color=[_A, _B], height=0.62)
    least, most = min(0.0, *numbers), max(0.0, *numbers)
    room = (most - least) or 1.0
    axes.set_xlim(least - (0.3 * room if least < 0 else 0), most + (0.3 * room if most > 0 or least == 0 else 0))
    for place, (side, value, number) in enumerate(zip("ab", values, numbers, strict=True)):
        shown = "not recorded" if value is None else figure(value)
        words = f"{shown}  better" if row.better == side else shown
        is_left = number < 0
        axes.annotate(words, (number, place), xytext=(-4 if is_left else 4, 0), textcoords="offset points",
                      va="center", ha="right" if is_left else "left", fontsize=8, color=_INK,
                      fontweight="bold" if row.better == side else "normal")  # fmt: skip
    axes.axvline(0, color=_GREY, linewidth=0.8)
    axes.set_ylim(1.5, -0.5)
    axes.set_yticks([0, 1], ["a", "b"])
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=8)
    better = "smaller" if row.mode == "min" else "larger"
    axes.set_title(f"{shortened(row.name, 34)}  ({better} is better)", fontsize=8.5, loc="left", parse_math=False)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)


def _differences(comparison: VersionComparison) -> tuple[list[tuple[str, str, str]], int]:
    """What differs besides the metrics, as many rows as are drawn, and how many are left out."""
    rows = [
        (row.name if name == "version" else f"{name}: {row.name}", cell(row, "a") or "-", cell(row, "b") or "-")
        for name in ("evaluations", "version", "hyperparameters", "data", "code", "file", "environment")
        for row in comparison.section(name).differing
    ]
    return rows[:_ROWS], len(rows[_ROWS:])


def _write_differences(axes: Axes, told: list[tuple[str, str, str]], left_out: int) -> None:
    looks: dict[str, Any] = {"fontsize": 7.6, "va": "center", "parse_math": False}
    heads = ("what else differs", "a", "b") if told else ("Nothing else differs that is recorded.", "", "")
    columns = (0.0, 0.26, 0.64)
    for place, words in zip(columns, heads, strict=True):
        axes.text(place, 0.15, words, fontweight="bold", color=_INK, **looks)
    axes.plot([0, 1], [0.3, 0.3], color=_GREY, linewidth=0.8)
    for row, cells in enumerate(told):
        for place, words, most in zip(columns, cells, (36, 52, 50), strict=True):
            axes.text(place, 0.46 + 0.27 * row, shortened(words, most), color=_INK, **looks)
    if left_out:
        words = f"and {left_out:,} more: the comparison as text has them all"
        axes.text(0, 0.46 + 0.27 * len(told), words, color=_GREY, **looks)
