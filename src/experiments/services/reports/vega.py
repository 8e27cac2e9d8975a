"""Charts as Vega-Lite specifications, told apart by shape, dash and direct labels rather than by colour alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.services.reports import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.reports.model import Axis, Chart

Spec = dict[str, Any]

INK, ACCENT, GREY, PALE, RULE = "#1b2733", "#0b5d74", "#6b7680", "#cfe0e6", "#d9dee2"
COLOURS = ("#0b5d74", "#c2571a", "#5b4a9c", "#3d7a33", "#8a2f4b", "#6b7680")
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [4, 1], [1, 3])

WIDTH, HEIGHT = 640, 300

FAR = 6.0
"""Times the median beyond which a value leaves the picture, so that the others can be told apart."""

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"

_CONFIG: Spec = {
    "aria": False,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": GREY, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal",
        "gridColor": RULE, "gridOpacity": 0.7, "domainColor": GREY, "tickColor": GREY, "titlePadding": 8,
    },
    "legend": {
        "orient": "top", "title": None, "labelFontSize": 11, "labelColor": INK, "labelLimit": 360, "symbolSize": 90,
    },
    "text": {"font": _FONT, "fontSize": 11, "fill": INK},
}  # fmt: skip


def spec(chart: Chart) -> Spec:
    """The Vega-Lite specification of a chart, its data in it."""
    drawn: Spec = {
        "bars": _bars,
        "intervals": _intervals,
        "lines": _lines,
        "forecast": _forecast,
        "scatter": _scatter,
    }[chart.kind](chart)
    schema = "https://vega.github.io/schema/vega-lite/v6.json"
    return {"$schema": schema, "width": WIDTH, "height": HEIGHT, "background": "transparent", "config": _CONFIG} | drawn


def plain(value: Any) -> Any:
    """A value as JSON has it: dates in ISO form, NULL as null."""
    if formats.is_null(value):
        return None
    if hasattr(value, "isoformat"):
        return f"{value:%Y-%m-%dT%H:%M:%S}"
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return formats.one_line(value) if isinstance(value, str) else value


def reach(chart: Chart) -> float | None:
    """How far from zero intervals are drawn, where some lie so far off that they would squeeze the others."""
    names = [chart.x.column, *(chart.ends or ())]
    furthest = chart.frame[names].astype(float).abs().max(axis=1).dropna()
    middle = float(furthest.median()) if len(furthest) else 0.0
    if not middle or float(furthest.max()) <= FAR * middle:
        return None
    return FAR * middle


def spread(heights: Sequence[float], apart: float) -> list[float]:
    """Heights of labels, moved until they do not cover one another.

    Examples
    --------
    >>> spread([1.0, 1.0, 5.0], 1.0)
    [0.5, 1.5, 5.0]
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    groups: list[tuple[float, list[int]]] = []
    for place in order:
        groups.append((heights[place], [place]))
        while len(groups) > 1 and _top(groups[-2], apart) + apart > _bottom(groups[-1], apart):
            (low, below), (high, above) = groups[-2:]
            middle = (low * len(below) + high * len(above)) / (len(below) + len(above))
            groups[-2:] = [(middle, below + above)]
    found = list(heights)
    for group in groups:
        for number, place in enumerate(group[1]):
            found[place] = _bottom(group, apart) + number * apart
    return found


def _bottom(group: tuple[float, list[int]], apart: float) -> float:
    return group[0] - apart * (len(group[1]) - 1) / 2


def _top(group: tuple[float, list[int]], apart: float) -> float:
    return group[0] + apart * (len(group[1]) - 1) / 2


def _channel(axis: Axis, field: str, **more: Any) -> Spec:
    """An axis as an encoding channel."""
    kinds = {"date": "temporal", "name": "nominal", "month": "ordinal"}
    drawn: Spec = {"title": axis.title or None}
    if axis.kind == "share":
        drawn |= {"format": "+.0%", "tickCount": 7, "labelOverlap": "greedy", "grid": True}
    if axis.kind == "date":
        drawn |= {"format": "%Y-%m-%d", "labelOverlap": "greedy", "tickCount": 6}
    if axis.kind == "name":
        drawn |= {"labelLimit": 230, "domain": False, "ticks": False}
    if axis.kind == "month":
        drawn |= {"labelAngle": -45, "labelOverlap": "greedy"}
    if axis.kind == "step":
        drawn |= {"tickMinStep": 1, "format": "d"}
    channel: Spec = {"field": field, "type": kinds.get(axis.kind, "quantitative"), "axis": drawn}
    if axis.kind in ("name", "month"):
        channel["sort"] = None
    if axis.kind == "seconds":
        channel["scale"] = {"type": "log", "padding": 16}
        drawn |= {"format": "~g", "values": [10.0**power for power in range(-6, 7)]}
    return channel | more


def _bars(chart: Chart) -> Spec:
    rows = [
        {"x": plain(x), "y": plain(y), "label": formats.count(y)}
        for x, y in zip(chart.frame[chart.x.column], chart.frame[chart.y.column], strict=True)
    ]
    sideways = chart.x.kind == "name"
    name, value = _channel(chart.x, "x"), _channel(chart.y, "y")
    if not sideways:
        name["axis"]["values"] = [row["x"] for row in rows[:: -(-len(rows) // 24)]]
    encoding = {"y": name, "x": value} if sideways else {"x": name, "y": value}
    place: Spec = {"align": "left", "dx": 5} if sideways else {"baseline": "bottom", "dy": -4}
    layers: list[Spec] = [{"mark": {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 2}}]
    if len(rows) <= 24:  # noqa: PLR2004  more numbers would cover each other
        layers.append({"mark": {"type": "text", **place}, "encoding": {"text": {"field": "label"}}})
    height: Any = {"step": 28} if sideways else 220
    return {"data": {"values": rows}, "height": height, "encoding": encoding, "layer": layers}


def _intervals(chart: Chart) -> Spec:
    limit = reach(chart)
    rows = [_interval(chart, row, limit) for row in chart.frame.to_dict("records")]
    scale: Spec = {"nice": True} if limit is None else {"domain": [-limit, limit], "nice": False}
    x, y = _channel(chart.x, "value", scale=scale), _channel(chart.y, "name")
    inside = [row for row in rows if not row["outside"]]
    shape: Spec = {
        "field": "mark",
        "type": "nominal",
        "scale": {"domain": list(chart.marks), "range": ["circle", "diamond"]},
    }
    fill: Spec = {
        "field": "mark",
        "type": "nominal",
        "scale": {"domain": list(chart.marks), "range": [ACCENT, "white"]},
    }
    every = {"data": {"values": rows}}
    layers: list[Spec] = [
        {**every, "mark": {"type": "point", "opacity": 0}, "encoding": {"y": y}},  # a row for each, drawn or not
        {
            "data": {"values": [{"zero": 0}]},
            "mark": {"type": "rule", "color": GREY, "strokeWidth": 1.2},
            "encoding": {"x": {"field": "zero", "type": "quantitative"}},
        },
        {
            "data": {"values": [{"zero": 0, "label": chart.zero}]},
            "mark": {"type": "text", "baseline": "bottom", "dy": -3, "y": 0, "fill": GREY},
            "encoding": {"x": {"field": "zero", "type": "quantitative"}, "text": {"field": "label"}},
        },
        {
            "data": {"values": [row for row in inside if row["lower"] is not None]},
            "mark": {"type": "rule", "color": ACCENT, "strokeWidth": 1.8},
            "encoding": {"y": y, "x": _channel(chart.x, "lower", scale=scale), "x2": {"field": "upper"}},
        },
        {
            "data": {"values": inside},
            "mark": {"type": "point", "stroke": ACCENT, "strokeWidth": 1.6, "size": 75, "opacity": 1},
            "encoding": {"y": y, "x": x, "shape": shape, "fill": fill},
        },
        *_outside(rows, limit, y),
    ]
    return {"height": {"step": 24}, "layer": layers}


def _interval(chart: Chart, row: dict[Any, Any], limit: float | None) -> Spec:
    lower, upper = chart.ends or ("", "")
    value = float(row[chart.x.column])
    ends = [plain(row.get(end)) for end in (lower, upper)]
    if limit is not None:
        ends = [None if end is None else max(-limit, min(limit, end)) for end in ends]
    return {
        "name": plain(str(row[chart.y.column])),
        "value": value,
        "lower": ends[0],
        "upper": ends[1],
        "mark": chart.marks[0] if known(row.get(chart.marked)) else chart.marks[1],
        "outside": limit is not None and abs(value) > limit,
        "label": formats.change(value),
    }


def _outside(rows: list[Spec], limit: float | None, y: Spec) -> list[Spec]:
    """Those beyond the picture, as numbers at its edge."""
    layers = []
    for sign, align in ((-1, "left"), (1, "right")):
        far = [row for row in rows if row["outside"] and row["value"] * sign > 0]
        if limit is not None and far:
            arrow = "datum.label + ' ▸'" if sign > 0 else "'◂ ' + datum.label"
            layers.append(
                {
                    "data": {"values": far},
                    "transform": [{"calculate": arrow, "as": "shown"}],
                    "mark": {"type": "text", "align": align},
                    "encoding": {
                        "y": y,
                        "x": {"datum": sign * limit, "type": "quantitative"},
                        "text": {"field": "shown"},
                    },
                }
            )
    return layers


def _lines(chart: Chart) -> Spec:
    lines = chart.lines
    rows = [
        {"x": plain(x), "y": plain(y), "line": str(number)}
        for number, (_, points) in enumerate(lines)
        for x, y in zip(points["x"], points["y"], strict=True)
    ]
    keys = [str(number) for number in range(len(lines))]
    line: Spec = {
        "stroke": {"scale": {"domain": keys, "range": [COLOURS[n % len(COLOURS)] for n in range(len(keys))]}},
        "strokeDash": {"scale": {"domain": keys, "range": [DASHES[n % len(DASHES)] for n in range(len(keys))]}},
    }
    line = {name: {"field": "line", "type": "nominal", "legend": None, **scale} for name, scale in line.items()}
    x = _channel(chart.x, "x")
    y = _channel(chart.y, "y", scale={"zero": False})
    labels = _end_labels(lines, chart.zero)
    layers: list[Spec] = []
    if chart.zero:
        at_zero = {"y": {"datum": 0, "type": "quantitative"}}
        layers.append({"mark": {"type": "rule", "color": GREY}, "encoding": at_zero})
    layers += [
        {"mark": {"type": "line", "strokeWidth": 1.9}, "encoding": {"x": x, "y": y} | line},
        {
            "data": {"values": labels},
            "mark": {"type": "text", "align": "left", "dx": 7, "limit": 180},
            "encoding": {
                "x": {"field": "x", "type": x["type"]},
                "y": {"field": "y", "type": "quantitative"},
                "text": {"field": "label"},
            },
        },
    ]
    return {"width": WIDTH - 110, "data": {"values": rows}, "layer": layers}


def _end_labels(lines: Sequence[tuple[str, Any]], zero: str) -> list[Spec]:
    """The names of lines at their ends, none over another."""
    ends = [(name, points["x"].iloc[-1], float(points["y"].iloc[-1])) for name, points in lines if len(points)]
    every = [float(y) for _, points in lines for y in points["y"]] + ([0.0] if zero else [])
    if not ends:
        return []
    if zero:
        ends.append((zero, max(x for _, x, _ in ends), 0.0))
    apart = (max(every) - min(every) or 1.0) * 14 / HEIGHT
    heights = spread([y for *_, y in ends], apart)
    return [
        {"x": plain(x), "y": height, "label": formats.one_line(name)}
        for (name, x, _), height in zip(ends, heights, strict=True)
    ]


def _forecast(chart: Chart) -> Spec:
    lower, upper = chart.ends or ("", "")
    records = chart.frame.to_dict("records")
    names = {"actual": "y", "forecast": "y_hat"}
    rows = [
        {"x": plain(row[chart.x.column]), "y": plain(row[column]), "what": name, "window": plain(row[chart.series])}
        for name, column in names.items()
        for row in records
    ]
    x, y = _channel(chart.x, "x"), _channel(chart.y, "y", scale={"zero": False})
    window: Spec = {"detail": {"field": "window", "type": "nominal"}}
    what: Spec = {"field": "what", "type": "nominal"}
    look: Spec = {
        "stroke": what | {"scale": {"domain": [*names], "range": [INK, COLOURS[1]]}},
        "strokeDash": what | {"scale": {"domain": [*names], "range": [[1, 0], [5, 3]]}},
    }
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": cutoff} for cutoff in dict.fromkeys(row["window"] for row in rows)]},
            "mark": {"type": "rule", "color": GREY, "strokeDash": [1, 3]},
            "encoding": {"x": x},
        }
    ]
    if chart.ends:
        between = [
            dict(zip(("x", "y", "y2", "window"), map(plain, ends), strict=True))
            for ends in chart.frame[[chart.x.column, lower, upper, chart.series]].itertuples(index=False)
        ]
        area: Spec = {"type": "area", "color": PALE, "opacity": 0.9}
        encoding = {"x": x, "y": y, "y2": {"field": "y2"}} | window
        layers.append({"data": {"values": between}, "mark": area, "encoding": encoding})
    layers.append({"mark": {"type": "line", "strokeWidth": 1.9}, "encoding": {"x": x, "y": y} | look | window})
    return {"data": {"values": rows}, "layer": layers}


def _scatter(chart: Chart) -> Spec:
    rows = [
        {
            "x": plain(row[chart.x.column]),
            "y": plain(row[chart.y.column]),
            "mark": chart.marks[0] if known(row.get(chart.marked)) else chart.marks[1],
            "place": formats.count(row["place"]),
            "name": formats.shortened(str(row["label"]), 28) if known(row.get(chart.marked)) else "",
        }
        for row in chart.frame.to_dict("records")
    ]
    domain = list(chart.marks)
    x, y = _channel(chart.x, "x"), _channel(chart.y, "y", scale={"zero": False, "padding": 18})
    look: Spec = {
        "shape": {"field": "mark", "type": "nominal", "scale": {"domain": domain, "range": ["circle", "diamond"]}},
        "fill": {"field": "mark", "type": "nominal", "scale": {"domain": domain, "range": [ACCENT, "white"]}},
    }
    where = {"x": x, "y": y}
    point = {"type": "point", "stroke": ACCENT, "strokeWidth": 1.5, "size": 80, "opacity": 1}
    layers: list[Spec] = [
        {"mark": point, "encoding": where | look},
        {
            "mark": {"type": "text", "dy": -12, "fontSize": 10, "fill": GREY},
            "encoding": where | {"text": {"field": "place"}},
        },
        {
            "mark": {"type": "text", "dy": 15, "align": "center", "limit": 170},
            "encoding": where | {"text": {"field": "name"}},
        },
    ]
    return {"data": {"values": rows}, "height": HEIGHT + 40, "layer": layers}
