"""Charts of slides: native ones, which can be edited, from the same rows as the drawings of a page."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.services.reports import formats
from experiments.services.reports.pptx_boxes import ACCENT, FONT, GREY, INK, POINT, WHITE, Box
from experiments.services.reports.vega import COLOURS, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.reports.model import Axis, Chart

_DASHES = ("SOLID", "DASH", "ROUND_DOT", "DASH_DOT", "LONG_DASH", "SQUARE_DOT")
_NUMBERS = {"share": "+0%;-0%;0%"}

PALE = "9CC3CF"
NAMES_BELOW = 12
"""Names below a chart up to which each is written."""


def add_chart(slide: Any, chart: Chart, box: Box) -> None:
    """A chart on a slide."""
    made = {"bars": _bars, "intervals": _intervals, "lines": _lines, "forecast": _forecast, "scatter": _scatter}
    drawn = made[chart.kind](slide, chart, box)
    drawn.font.size, drawn.font.name = 11 * POINT, FONT


def label(words: object, most: int = 34) -> str:
    """A name in a chart: in one line, and no formula to the sheet behind it.

    Examples
    --------
    >>> label("=1+1")
    ' =1+1'
    """
    line = formats.shortened(str(words), most)
    return f" {line}" if line.startswith(("=", "{", "+", "-", "@")) else line or " "


def _number(value: Any) -> float | None:
    return None if known(value) is None else float(value)


def _add(slide: Any, kind: str, box: Box, data: Any) -> Any:
    from pptx.enum.chart import XL_CHART_TYPE

    made = slide.shapes.add_chart(getattr(XL_CHART_TYPE, kind), *box, data).chart
    made.has_title = False
    made.has_legend = False
    return made


def _legend(made: Any, without: Sequence[int] = ()) -> None:
    """A legend above the chart, some series left out of it."""
    from pptx.enum.chart import XL_LEGEND_POSITION
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    made.has_legend = True
    made.legend.position = XL_LEGEND_POSITION.TOP
    made.legend.include_in_layout = False
    place = made.legend._element.find(f"{{{_namespace()}}}legendPos")
    for number in reversed(list(without)):
        xml = f'<c:legendEntry {nsdecls("c")}><c:idx val="{number}"/><c:delete val="1"/></c:legendEntry>'
        place.addnext(parse_xml(xml))


def _namespace() -> str:
    from pptx.oxml.ns import qn

    return str(qn("c:chart")).partition("}")[0].removeprefix("{")


def _axes(made: Any, x: Axis, y: Axis) -> None:
    """Titles and light lines; of a chart that lies on its side x is the upright axis."""
    from pptx.dml.color import RGBColor
    from pptx.enum.chart import XL_TICK_LABEL_POSITION

    for own, axis in ((made.category_axis, x), (made.value_axis, y)):
        if axis.title:
            own.has_title = True
            own.axis_title.text_frame.text = axis.title
            font = own.axis_title.text_frame.paragraphs[0].runs[0].font
            font.size, font.bold = 11 * POINT, False
            font.color.rgb = RGBColor.from_string(GREY)
        own.tick_label_position = XL_TICK_LABEL_POSITION.LOW
        own.format.line.color.rgb = RGBColor.from_string("9AA7B0")
        if axis.kind in _NUMBERS:
            own.tick_labels.number_format, own.tick_labels.number_format_is_linked = _NUMBERS[axis.kind], False
    made.category_axis.has_major_gridlines = False
    made.value_axis.has_major_gridlines = True
    made.value_axis.major_gridlines.format.line.color.rgb = RGBColor.from_string("DDE3E7")


def _scale(axis: Any, values: Sequence[Any]) -> None:
    """An axis from a round number below all values to one above."""
    import math

    there = [float(value) for value in values if known(value) is not None]
    if not there or min(there) == max(there):
        return
    step = 10.0 ** math.floor(math.log10(max(there) - min(there)))
    step = next(size for size in (step / 5, step / 2, step) if (max(there) - min(there)) / size <= 10)  # noqa: PLR2004
    axis.minimum_scale = round(math.floor(min(there) / step) * step, 12)
    axis.maximum_scale = round(math.ceil(max(there) / step) * step, 12)
    axis.major_unit = step


def _dates(order: Sequence[Any]) -> list[Any]:
    """Dates as dates, so that an axis is one of time; times of the same day, and steps, by name."""
    days = [formats.date(x) for x in order]
    if len(set(days)) < len(days) or not all(hasattr(x, "isoformat") for x in order):
        return [label(day) for day in days]
    return [dt.date.fromisoformat(day) for day in days]


def _sparse(made: Any, order: Sequence[Any]) -> None:
    """About a dozen names below a chart of many."""
    from pptx.enum.chart import XL_TICK_MARK
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls, qn

    count = len(order)
    made.category_axis.major_tick_mark = XL_TICK_MARK.NONE
    base = made.category_axis._element.find(qn("c:baseTimeUnit"))
    if base is not None:
        days = max(1, -(-(order[-1] - order[0]).days // NAMES_BELOW))
        for name, value in (("majorTimeUnit", "days"), ("majorUnit", days)):
            base.addnext(parse_xml(f'<c:{name} {nsdecls("c")} val="{value}"/>'))
        return
    last = made.category_axis._element.find(qn("c:noMultiLvlLbl"))
    if last is None or count <= NAMES_BELOW:
        return
    for name in ("tickLblSkip", "tickMarkSkip"):
        last.addprevious(parse_xml(f'<c:{name} {nsdecls("c")} val="{-(-count // NAMES_BELOW)}"/>'))


def marks_in_words(chart: Chart) -> str:
    """What filled and light marks mean, where there is no legend to tell."""
    return f"Dark: {chart.marks[0]}; light: {chart.marks[1]}." if chart.kind == "scatter" else ""


def _fill(own: Any, colour: str) -> None:
    """A mark filled with a colour."""
    from pptx.dml.color import RGBColor

    own.fill.solid()
    own.fill.fore_color.rgb = RGBColor.from_string(colour)
    own.line.color.rgb = RGBColor.from_string(ACCENT)
    own.line.width = int(1.25 * POINT)


def _bars(slide: Any, chart: Chart, box: Box) -> Any:
    from pptx.chart.data import CategoryChartData

    sideways = chart.x.kind == "name"
    frame = chart.frame[::-1] if sideways else chart.frame  # the first row of a chart on its side is the lowest
    data = CategoryChartData()
    data.categories = [label(name) for name in frame[chart.x.column]]
    data.add_series(chart.y.title, [_number(value) for value in frame[chart.y.column]])
    made = _add(slide, "BAR_CLUSTERED" if sideways else "COLUMN_CLUSTERED", box, data)
    _axes(made, chart.x, chart.y)
    plot = made.plots[0]
    plot.gap_width, plot.has_data_labels = 60, True
    plot.data_labels.show_value = True
    plot.data_labels.number_format, plot.data_labels.number_format_is_linked = "#,##0", False
    _fill(plot.series[0].format, ACCENT)
    return made


def _intervals(slide: Any, chart: Chart, box: Box) -> Any:
    """Bars from zero with error bars; filled for those that are marked."""
    from pptx.chart.data import CategoryChartData

    frame = chart.frame[::-1]
    data = CategoryChartData(number_format="+0.0%;-0.0%;0.0%")
    data.categories = [label(name) for name in frame[chart.y.column]]
    values = [_number(value) for value in frame[chart.x.column]]
    marked = [bool(known(mark)) for mark in frame[chart.marked or chart.y.column]]
    for name, own in zip(chart.marks, (True, False), strict=True):  # a series a mark, so that the legend tells them
        data.add_series(name, [value if mark is own else None for value, mark in zip(values, marked, strict=True)])
    made = _add(slide, "BAR_CLUSTERED", box, data)
    _axes(made, chart.y, chart.x)
    plot = made.plots[0]
    plot.gap_width, plot.overlap = 70, 100
    for series, own in zip(plot.series, (True, False), strict=True):
        _fill(series.format, PALE if own else WHITE)
        series.invert_if_negative = False
        ends = [
            [known(end) if mark is own else None for end, mark in zip(frame[name], marked, strict=True)]
            for name in chart.ends or ()
        ]
        if ends:
            _error_bars(series, values, *ends)
    limit, every = reach(chart), [*values, *(end for name in chart.ends or () for end in frame[name])]
    _scale(made.value_axis, [0.0, *every] if limit is None else [-limit, limit])
    _legend(made)
    return made


def _error_bars(series: Any, values: Sequence[float | None], lower: Sequence[Any], upper: Sequence[Any]) -> None:
    """The ends of intervals, which python-pptx has no words for."""
    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    def literal(name: str, amounts: list[float | None]) -> str:
        points = "".join(
            f'<c:pt idx="{number}"><c:v>{amount!r}</c:v></c:pt>'
            for number, amount in enumerate(amounts)
            if amount is not None
        )
        return f'<c:{name}><c:numLit><c:ptCount val="{len(amounts)}"/>{points}</c:numLit></c:{name}>'

    above = [None if end is None or v is None else float(end) - v for v, end in zip(values, upper, strict=True)]
    below = [None if end is None or v is None else v - float(end) for v, end in zip(values, lower, strict=True)]
    xml = (
        f'<c:errBars {nsdecls("c", "a")}><c:errBarType val="both"/><c:errValType val="cust"/><c:noEndCap val="0"/>'
        f"{literal('plus', above)}{literal('minus', below)}"
        f'<c:spPr><a:ln w="15875"><a:solidFill><a:srgbClr val="{INK}"/></a:solidFill></a:ln></c:spPr></c:errBars>'
    )
    series._element.cat.addprevious(parse_xml(xml))


def _line(series: Any, colour: str, dash: str, *, width: float = 2.0) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.dml import MSO_LINE

    series.smooth = False
    own = series.format.line
    own.color.rgb = RGBColor.from_string(colour.lstrip("#").upper())
    own.width = int(width * POINT)
    own.dash_style = getattr(MSO_LINE, dash)


def _lines(slide: Any, chart: Chart, box: Box) -> Any:
    from pptx.chart.data import CategoryChartData

    lines = chart.lines
    order = sorted({x for _, points in lines for x in points["x"]})
    data = CategoryChartData(number_format="General")
    data.categories = _dates(order)
    for name, points in lines:
        at = dict(zip(points["x"], points["y"], strict=True))
        data.add_series(label(name), [_number(at.get(x)) for x in order])
    made = _add(slide, "LINE", box, data)
    _axes(made, chart.x, chart.y)
    _sparse(made, order)
    for number, series in enumerate(made.plots[0].series):
        _line(series, COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)])
    _legend(made)
    return made


def _forecast(slide: Any, chart: Chart, box: Box) -> Any:
    """Actual values, and the forecasts of windows that do not overlap, by turns in two series so that none join."""
    from pptx.chart.data import CategoryChartData

    windows = _apart(chart)
    frame = chart.frame[chart.frame[chart.series].isin([one for turn in windows for one in turn])]
    order = sorted(set(frame[chart.x.column]))
    data = CategoryChartData(number_format="General")
    data.categories = _dates(order)
    names = {"actual": "y", "forecast": "y_hat"}
    if chart.ends:
        names |= dict(zip(("80 % interval", "its upper end"), chart.ends, strict=True))
    looks: list[tuple[str, str]] = []
    hidden: list[int] = []
    for name, column in names.items():
        for turn, own in enumerate(windows if name != "actual" else ([*windows[0], *windows[1]],)):
            rows = frame[frame[chart.series].isin(own)]
            at = dict(zip(rows[chart.x.column], rows[column], strict=True))
            if turn or name == "its upper end":
                hidden.append(len(looks))
            data.add_series(name, [_number(at.get(x)) for x in order])
            looks.append({"actual": (INK, "SOLID"), "forecast": (COLOURS[1], "DASH")}.get(name, (GREY, "ROUND_DOT")))
    made = _add(slide, "LINE", box, data)
    _axes(made, chart.x, chart.y)
    _sparse(made, order)
    _scale(made.value_axis, [value for column in names.values() for value in frame[column]])
    for series, (colour, dash) in zip(made.plots[0].series, looks, strict=True):
        _line(series, colour, dash, width=1.0 if colour == GREY else 2.0)
    _legend(made, hidden)
    return made


def _apart(chart: Chart) -> tuple[list[Any], list[Any]]:
    """Windows that do not overlap, counted back from the last, by turns."""
    frame, x = chart.frame, chart.x.column
    first, last = frame.groupby(chart.series)[x].min(), frame.groupby(chart.series)[x].max()
    chosen: list[Any] = []
    for window in sorted(first.index, reverse=True):
        if not chosen or last[window] < first[chosen[-1]]:
            chosen.append(window)
    return chosen[::2], chosen[1::2]


def _scatter(slide: Any, chart: Chart, box: Box) -> Any:
    """One series, its points marked one by one: LibreOffice loses the first of two that differ in length."""
    from pptx.chart.data import XyChartData
    from pptx.enum.chart import XL_LABEL_POSITION, XL_MARKER_STYLE

    data = XyChartData(number_format="General")
    series = data.add_series("models")
    for x, y in zip(chart.frame[chart.x.column], chart.frame[chart.y.column], strict=True):
        series.add_data_point(float(x), float(y))
    made = _add(slide, "XY_SCATTER", box, data)
    _axes(made, chart.x, chart.y)
    if chart.x.kind == "seconds":
        _logarithmic(made.category_axis, chart.frame[chart.x.column])
    _scale(made.value_axis, list(chart.frame[chart.y.column]))
    drawn = made.plots[0].series[0]
    drawn.format.line.fill.background()
    for number, row in enumerate(chart.frame.to_dict("records")):
        full = bool(known(row.get(chart.marked)))
        point = drawn.points[number]
        point.marker.style = XL_MARKER_STYLE.CIRCLE if full else XL_MARKER_STYLE.DIAMOND
        point.marker.size = 9
        _fill(point.marker.format, ACCENT if full else PALE)
        told = formats.count(row["place"])
        point.data_label.text_frame.text = f"{told} {label(row['label'], 24)}" if full else told
        point.data_label.position = XL_LABEL_POSITION.ABOVE
    return made


def _logarithmic(axis: Any, values: Any) -> None:
    """A logarithmic axis around its values."""
    import math

    from pptx.oxml import parse_xml
    from pptx.oxml.ns import nsdecls

    axis._element.scaling.insert(0, parse_xml(f'<c:logBase {nsdecls("c")} val="10"/>'))
    axis.minimum_scale = 10.0 ** math.floor(math.log10(float(values.min())))
    axis.maximum_scale = 10.0 ** math.ceil(math.log10(float(values.max())) + 1e-9)
