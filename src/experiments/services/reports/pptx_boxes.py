"""Boxes on slides: text, figures, tables and trees, laid out by estimates of how wide their letters are."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from experiments.services.reports import formats
from experiments.services.reports.markdown import tree_lines
from experiments.services.reports.model import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.reports.model import Figures, Node, Part, Table, Text

INCH, POINT = 914_400, 12_700
LEFT, TOP, WIDTH, BOTTOM = int(0.6 * INCH), int(1.3 * INCH), int(12.13 * INCH), int(7.1 * INCH)
INK, ACCENT, GREY, WHITE, WASH = "1B2733", "0B5D74", "56636E", "FFFFFF", "F1F5F6"
FONT = "Arial"
COLUMNS, OWN_COLUMNS = 3, 2
"""Columns of a tree, and the roots of it that share theirs with none."""

Box = tuple[int, int, int, int]

_LETTER = 0.47
"""Width of a letter as a share of its size."""

_LINE = 1.22
_TREE_SIZE = 13
_TREE_ROOM = int(5.3 * INCH)
_COLUMN_GAP = int(0.45 * INCH)
_COLUMN_WIDTH = (WIDTH - _COLUMN_GAP * (COLUMNS - 1)) // COLUMNS
_CELL = 110
"""Letters of a cell; what is longer is cut."""


def write(frame: Any, words: str, *, size: float, bold: bool = False, colour: str = INK) -> None:
    """Words as the only paragraphs of a text frame."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN

    frame.word_wrap = True
    frame.vertical_anchor = MSO_ANCHOR.TOP
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
    for number, line in enumerate(formats.plain(words).split("\n")):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        paragraph.alignment = PP_ALIGN.LEFT
        run = paragraph.add_run() if not paragraph.runs else paragraph.runs[0]
        run.text = line
        font = run.font
        font.size, font.bold, font.name = int(size * POINT), bold, FONT
        font.color.rgb = RGBColor.from_string(colour)


def text_box(slide: Any, box: Box, words: str, *, size: float, bold: bool = False, colour: str = INK) -> None:
    """A box of text."""
    shape = slide.shapes.add_textbox(*box)
    write(shape.text_frame, words, size=size, bold=bold, colour=colour)


def text_height(words: str, size: float, width: int = WIDTH) -> int:
    """How high a text stands at a width."""
    return int(lines_of(words, size, width) * size * _LINE * POINT)


def lines_of(words: str, size: float, width: int) -> int:
    """Lines a text takes at a width."""
    across = max(1, int(width / (size * _LETTER * POINT)))
    found = sum(max(1, math.ceil(len(line) / across)) for line in words.split("\n"))
    return found + found // 4  # words do not break where they would fill a line


def said_text(block: Text) -> str:
    """A paragraph as one string."""
    return said_parts(block.parts)


def said_parts(parts: tuple[Part, ...]) -> str:
    """Words and figures as one string, none of it too long for a slide."""
    return formats.shortened(said(parts), 900)


def heading_height(title: str) -> int:
    """How high a heading inside a slide stands."""
    return int(0.34 * INCH) if title else 0


def heading(slide: Any, y: int, title: str, more: str = "") -> int:
    """A heading inside a slide, with what it is of; returns its height."""
    words = formats.shortened(title, 110) + (f"   {more}" if more else "")
    text_box(slide, (LEFT, y, WIDTH, heading_height(title)), words, size=14, bold=True)
    return heading_height(title)


def figures(slide: Any, y: int, block: Figures) -> int:
    """Numbers beside each other; returns the height."""
    across = max(1, len(block.items))
    width = WIDTH // across
    for number, item in enumerate(block.items):
        left = LEFT + number * width
        text_box(slide, (left, y, width, int(0.5 * INCH)), item.value.text, size=28, bold=True, colour=ACCENT)
        label = (left, y + int(0.52 * INCH), width - int(0.1 * INCH), int(0.5 * INCH))
        text_box(slide, label, item.label, size=11, colour=GREY)
    return int(1.0 * INCH)


def laid_out(roots: Sequence[Node]) -> list[list[list[list[str]]]]:
    """The lines of roots by slide and column: the first two have a column each, the others share as they fit."""
    slides: list[list[list[list[str]]]] = [[]]
    for number, root in enumerate(roots):
        head, *below = tree_lines(root)
        lines = [formats.shortened(head, 80), *(formats.shortened(line, 260) for line in below)]
        column = slides[-1][-1] if slides[-1] and number > OWN_COLUMNS else None
        if column is not None and _stacked([*column, lines]) <= _TREE_ROOM:
            column.append(lines)
            continue
        if len(slides[-1]) == COLUMNS:
            slides.append([])
        slides[-1].append([lines])
    return slides


def tree(slide: Any, y: int, columns: list[list[list[str]]]) -> int:
    """Columns of roots with their lines; returns the height."""
    for number, column in enumerate(columns):
        left, top = LEFT + number * (_COLUMN_WIDTH + _COLUMN_GAP), y
        for lines in column:
            _rule(slide, left, top, _COLUMN_WIDTH)
            head, body = _root_heights(lines)
            below = top + int(0.12 * INCH)
            text_box(slide, (left, below, _COLUMN_WIDTH, head), lines[0], size=_TREE_SIZE + 4, bold=True)
            text_box(slide, (left, below + head, _COLUMN_WIDTH, body), "\n".join(lines[1:]), size=_TREE_SIZE)
            top = below + head + body
    return max(_stacked(column) for column in columns)


def _root_heights(lines: list[str]) -> tuple[int, int]:
    """How high a root and the lines below it stand in a column."""
    head = text_height(lines[0], 1.1 * (_TREE_SIZE + 4), _COLUMN_WIDTH) + int(0.08 * INCH)
    return head, text_height("\n".join(lines[1:]), _TREE_SIZE, _COLUMN_WIDTH) + int(0.25 * INCH)


def _stacked(column: list[list[str]]) -> int:
    return sum(sum(_root_heights(lines)) + int(0.12 * INCH) for lines in column)


def _rule(slide: Any, left: int, y: int, width: int) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.shapes import MSO_CONNECTOR

    line = slide.shapes.add_connector(MSO_CONNECTOR.STRAIGHT, left, y, left + width, y)
    line.line.color.rgb = RGBColor.from_string(ACCENT)
    line.line.width = 2 * POINT


class Grid:
    """A table measured for slides: its cells as text, the widths of its columns and heights of its rows."""

    def __init__(self, table: Table) -> None:
        self.head = [column.heading for column in table.columns] + list(table.words)
        self.numeric = [column.is_number for column in table.columns] + [False] * len(table.words)
        self.rows = [
            [formats.shortened(value.text, _CELL) for value in values]
            + [formats.shortened(texts[place], _CELL) for texts in table.words.values()]
            for place, values in enumerate(table.rows)
        ]
        self.size = 11 if len(self.head) < 10 else 9.5  # noqa: PLR2004  wide tables
        self.pad = int(0.06 * INCH)
        self.widths = self._widths()
        self.heights = [self._height(self.head), *(self._height(row) for row in self.rows)]
        self.row_heights = self.heights[1:]

    def _widths(self) -> list[int]:
        """Columns as wide as their longest cell or word of the heading, long ones as the rest allows."""
        letters = []
        for place, head in enumerate(self.head):
            longest = max((len(row[place]) for row in self.rows), default=1)
            letters.append(min(46, max(longest, *(len(word) for word in [*head.split(), ""]), 4)) + 3)
        return [int(WIDTH * count / sum(letters)) for count in letters]

    def _height(self, cells: Sequence[str]) -> int:
        lines = max(
            lines_of(cell, self.size, width - 2 * self.pad) for cell, width in zip(cells, self.widths, strict=True)
        )
        return int(lines * self.size * _LINE * POINT) + int(0.1 * INCH)

    def fitting(self, start: int, room: int) -> int:
        """The row after the last that fits, from a row on; one fits always."""
        used, end = self.heights[0], start
        while end < len(self.rows) and (end == start or used + self.row_heights[end] <= room):
            used += self.row_heights[end]
            end += 1
        return end

    def draw(self, slide: Any, y: int, start: int, end: int) -> int:
        """Rows on a slide under the headings; returns the height."""
        rows = [self.head, *self.rows[start:end]]
        heights = [self.heights[0], *self.row_heights[start:end]]
        shape = slide.shapes.add_table(len(rows), len(self.head), LEFT, y, sum(self.widths), sum(heights))
        table = shape.table
        table.horz_banding = False
        for place, width in enumerate(self.widths):
            table.columns[place].width = width
        made: dict[tuple[bool, bool], Any] = {}
        for number, (cells, height) in enumerate(zip(rows, heights, strict=True)):
            table.rows[number].height = height
            for place, words in enumerate(cells):
                kind = self.numeric[place], number == 0
                cell = table.cell(number, place)
                if kind in made:  # formatting takes a millisecond, so the others are copies of the first of a kind
                    cell._tc.getparent().replace(cell._tc, deepcopy(made[kind]))
                    cell = table.cell(number, place)
                else:
                    self._format(cell, numeric=kind[0], is_head=kind[1])
                    made[kind] = cell._tc
                cell.text_frame.paragraphs[0].runs[0].text = words
        return sum(heights)

    def _format(self, cell: Any, *, numeric: bool, is_head: bool) -> None:
        from pptx.dml.color import RGBColor
        from pptx.enum.text import PP_ALIGN

        cell.margin_left = cell.margin_right = self.pad
        cell.margin_top = cell.margin_bottom = int(0.04 * INCH)
        cell.fill.solid()
        cell.fill.fore_color.rgb = RGBColor.from_string(ACCENT if is_head else WHITE)
        paragraph = cell.text_frame.paragraphs[0]
        paragraph.alignment = PP_ALIGN.RIGHT if numeric else PP_ALIGN.LEFT
        run = paragraph.add_run()
        run.font.size, run.font.bold, run.font.name = int(self.size * POINT), is_head, FONT
        run.font.color.rgb = RGBColor.from_string(WHITE if is_head else INK)
