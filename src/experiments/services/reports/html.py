"""Reports as one HTML file: no script, no font, no address; charts inside, every query below what it gave."""

from __future__ import annotations

import re
import secrets
import shlex
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from experiments.services.reports import formats
from experiments.services.reports.drawing import drawer
from experiments.services.reports.model import Chart, Figures, Report, Table, Text, Tree, Value
from experiments.services.reports.vega import spec

if TYPE_CHECKING:
    from concurrent.futures import Future

    from experiments.services.reports.model import Query, Section

_PLACE = re.compile(r"\[\[drawing c[0-9a-f]{16}\]\]")

_drawn: WeakKeyDictionary[Chart, tuple[str, Future[str]]] = WeakKeyDictionary()
"""The name and the drawing of each chart."""


def as_html(report: Report) -> str:
    """A report as the text of an HTML file.

    Raises
    ------
    EngineError
        If a chart cannot be drawn.
    """
    from jinja2 import Environment, StrictUndefined

    for section in report.sections:
        draw(section)
    folder = files("experiments.services.reports") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {"kind_of": kind_of, "is_value": is_value, "command": command, "after": queries_after}
    environment.filters |= {"plain": formats.plain, "place": lambda chart: _place(_drawn[chart][0])}
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    style = (folder / "report.css").read_text(encoding="utf-8")
    page = template.render(report=report, style=style)
    charts = [block for section in report.sections for block in section.blocks if isinstance(block, Chart)]
    drawn = {_place(name): drawing.result() for name, drawing in (_drawn.pop(chart) for chart in charts)}
    return _PLACE.sub(lambda found: drawn[found.group()], page)


def kind_of(block: Any) -> str:
    """The name of a block's kind, as the template knows it."""
    return {Tree: "tree", Figures: "figures", Table: "table", Chart: "chart", Text: "text"}[type(block)]


def is_value(part: Any) -> bool:
    """Whether a piece of a sentence is a figure."""
    return isinstance(part, Value)


def queries_after(section: Section, place: int) -> tuple[Query, ...]:
    """The queries to show below a block: those of the block below it too are shown there."""
    below = section.blocks[place + 1].queries if place + 1 < len(section.blocks) else ()
    return tuple(query for query in section.blocks[place].queries if query not in below)


def command(query: Query) -> str:
    """What to type to ask a query again; its text is to be put into a file of its name."""
    given = " ".join(f"--param {shlex.quote(f'{name}={value}')}" for name, value in query.parameters.items())
    return formats.plain(f'experiments sql "$(cat {query.name}.sql)" {given}').rstrip()


def draw(section: Section) -> None:
    """Begin to draw the charts of a section, in another process."""
    for chart in section.blocks:
        if isinstance(chart, Chart) and chart not in _drawn:
            name = f"c{secrets.token_hex(8)}"
            _drawn[chart] = name, drawer().draw(spec(chart), name)


def _place(name: str) -> str:
    """What stands for a drawing until it is made."""
    return f"[[drawing {name}]]"
