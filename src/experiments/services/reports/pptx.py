"""Reports as slides: real tables and charts, a section one slide or more, its queries in the notes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from experiments.services.reports import formats, pptx_boxes
from experiments.services.reports.html import command
from experiments.services.reports.model import Chart, Figures, Table, Text, Tree, said
from experiments.services.reports.pptx_boxes import BOTTOM, INCH, LEFT, POINT, TOP, WIDTH
from experiments.services.reports.pptx_charts import add_chart, marks_in_words

if TYPE_CHECKING:
    from experiments.services.reports.model import Block, Report, Section

SLIDE = (int(13.333 * INCH), int(7.5 * INCH))

_TITLE_ONLY = 5
_LEAST_CHART = int(3.6 * INCH)
_GAP = int(0.14 * INCH)


def as_pptx(report: Report) -> bytes:
    """A report as the content of a PowerPoint file."""
    from pptx import Presentation

    deck = _Deck(Presentation())
    deck.cover(report)
    for section in report.sections:
        deck.section(section)
    deck.properties(report)
    content = io.BytesIO()
    deck.presentation.save(content)
    return content.getvalue()


class _Deck:
    """Slides being made: blocks flow down a slide, and on to another where they do not fit."""

    def __init__(self, presentation: Any) -> None:
        self.presentation = presentation
        self.presentation.slide_width, self.presentation.slide_height = SLIDE
        self.title, self.notes = "", ""
        self.slide: Any = None
        self.y = TOP
        self.number = 0

    def cover(self, report: Report) -> None:
        """The first slide: title, headline, and as of when."""
        self.title, self.notes = report.title, said(report.headline)
        self._open()
        title = self.slide.shapes.title
        title.left, title.top, title.width, title.height = LEFT, int(2.2 * INCH), WIDTH, int(1.2 * INCH)
        pptx_boxes.write(title.text_frame, formats.shortened(report.title, 90), size=40, bold=True)
        box = (LEFT, int(3.5 * INCH), WIDTH, int(1.5 * INCH))
        pptx_boxes.text_box(self.slide, box, formats.shortened(said(report.headline), 300), size=20)
        below = (LEFT, int(6.4 * INCH), WIDTH, int(0.5 * INCH))
        pptx_boxes.text_box(self.slide, below, report.subtitle, size=13, colour=pptx_boxes.GREY)

    def section(self, section: Section) -> None:
        """The slides of a section."""
        asked = [f"{query.key}: {query.name}\n{command(query)}\n{query.sql.strip()}" for query in section.queries]
        self.title, self.notes = section.title, "\n\n".join([section.notes, *asked]).strip()
        self.number = 0
        self._open()
        for block in section.blocks:
            self._add(block)

    def properties(self, report: Report) -> None:
        """What the file says of itself."""
        own = self.presentation.core_properties
        own.title = formats.shortened(report.title, 200)
        own.subject = formats.shortened(report.subtitle, 200)
        own.author = "experiment-ledger"

    def _open(self) -> None:
        """Another slide under the same heading."""
        self.slide = self.presentation.slides.add_slide(self.presentation.slide_layouts[_TITLE_ONLY])
        self.number += 1
        title = self.slide.shapes.title
        title.left, title.top, title.width, title.height = LEFT, int(0.42 * INCH), WIDTH, int(0.75 * INCH)
        more = "" if self.number == 1 else " (continued)"
        pptx_boxes.write(title.text_frame, formats.shortened(self.title, 80) + more, size=28, bold=True)
        self.slide.notes_slide.notes_text_frame.text = formats.plain(self.notes)
        self.y = TOP

    def _room(self, height: int) -> None:
        """A slide with this much left."""
        if self.y + height > BOTTOM and self.y > TOP:
            self._open()

    def _add(self, block: Block) -> None:
        if isinstance(block, Tree):
            self._tree(block)
        elif isinstance(block, Figures):
            self._room(int(1.15 * INCH))
            self.y += pptx_boxes.figures(self.slide, self.y, block) + _GAP
        elif isinstance(block, Text):
            size = 15 if block.strong else 12
            height = pptx_boxes.text_height(pptx_boxes.said_text(block), size)
            self._room(height)
            box = (LEFT, self.y, WIDTH, height)
            pptx_boxes.text_box(self.slide, box, pptx_boxes.said_text(block), size=size)
            self.y += height + _GAP
        elif isinstance(block, Table):
            self._table(block)
        else:
            self._chart(block)

    def _tree(self, tree: Tree) -> None:
        """Roots in columns, on as many slides as they take."""
        for number, columns in enumerate(pptx_boxes.laid_out(tree.roots)):
            if number:
                self._open()
            self.y += pptx_boxes.tree(self.slide, self.y, columns) + _GAP

    def _table(self, table: Table) -> None:
        """As many rows as fit, the others on further slides."""
        grid = pptx_boxes.Grid(table)
        start = 0
        while start < len(grid.rows):
            head = pptx_boxes.heading_height(table.title) + grid.heights[0] + grid.row_heights[start]
            self._room(head)
            if table.title and not start:
                self.y += pptx_boxes.heading(self.slide, self.y, table.title)
            end = grid.fitting(start, BOTTOM - self.y)
            self.y += grid.draw(self.slide, self.y, start, end) + _GAP
            start = end
            if start < len(grid.rows):
                self._open()
        if table.caption:
            height = pptx_boxes.text_height(table.caption, 10)
            self._room(height)
            box = (LEFT, self.y, WIDTH, height)
            pptx_boxes.text_box(self.slide, box, table.caption, size=10, colour=pptx_boxes.GREY)
            self.y += height + _GAP

    def _chart(self, chart: Chart) -> None:
        words = f"{marks_in_words(chart)} {chart.caption}".strip()
        caption = pptx_boxes.text_height(words, 10) if words else 0
        self._room(_LEAST_CHART + caption)
        self.y += pptx_boxes.heading(self.slide, self.y, chart.title, pptx_boxes.said_parts(chart.n))
        height = BOTTOM - self.y - caption - 4 * POINT
        add_chart(self.slide, chart, (LEFT, self.y, WIDTH, height))
        self.y += height
        if caption:
            box = (LEFT, self.y + 4 * POINT, WIDTH, caption)
            pptx_boxes.text_box(self.slide, box, words, size=10, colour=pptx_boxes.GREY)
        self.y = BOTTOM
