"""What a report is made of, whatever it is written as: sections of blocks, every figure a column of a query's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Format = Callable[[Any], str]
"""How a value is shown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """A query that was asked, as anybody can ask it again.

    Attributes
    ----------
    key : str
        Its name within the report, such as "q3".
    name : str
        The file below `sql/statements` its text is from.
    sql : str
    parameters : mapping of str to str
        Values of the text's named parameters.
    """

    key: str
    name: str
    sql: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A query and the rows it returned; the index of the frame is the number of the row, from 0."""

    query: Query
    frame: pd.DataFrame

    def value(self, row: int, column: str, shown: Format) -> Value:
        """One figure of it."""
        return Value(query=self.query, row=row, column=column, text=shown(self.frame[column].loc[row]))


@dataclass(frozen=True, kw_only=True)
class Value:
    """One figure as it is shown, and where it is from."""

    query: Query
    row: int
    column: str
    text: str


Part = str | Value
"""A piece of a sentence: words, or a figure."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A line of a tree with the lines below it."""

    parts: tuple[Part, ...]
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Several roots, each with what belongs to it."""

    roots: tuple[Node, ...]

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries its figures are from."""
        return _queries(part for root in self.roots for node in walk(root) for part in node.parts)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number to remember, with what it counts and a note."""

    label: str
    value: Value
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A row of numbers to remember."""

    items: tuple[Figure, ...]

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries its figures are from."""
        return _queries(item.value for item in self.items)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: the query's column, its heading, and how its values are shown."""

    name: str
    heading: str
    shown: Format
    is_number: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows of a query.

    Attributes
    ----------
    query : Query
    frame : DataFrame
        Some of its rows, by their numbers.
    columns : tuple of Column
        What is shown of them.
    words : mapping of str to tuple of str
        Columns of words beside them, made from the rows: by heading, a text a row.
    title, caption : str
    """

    query: Query
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    title: str = ""
    caption: str = ""

    @property
    def queries(self) -> tuple[Query, ...]:
        """The query of its rows."""
        return (self.query,)

    @property
    def rows(self) -> list[list[Value]]:
        """The figures shown, row by row."""
        rows = [int(row) for row in self.frame.index]
        cells = [
            [
                Value(query=self.query, row=row, column=column.name, text=column.shown(value))
                for row, value in zip(rows, self.frame[column.name], strict=True)
            ]
            for column in self.columns
        ]
        return [list(row) for row in zip(*cells, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One direction of a chart.

    Attributes
    ----------
    column : str
    title : str
        What it measures, with its unit.
    kind : str
        "number", "share", "date", "step", "seconds" (logarithmic), "month" or "name".
    """

    column: str
    title: str
    kind: str = "number"


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """Rows of a query to be drawn.

    Attributes
    ----------
    kind : str
        "bars", "intervals" (a value with its ends, a row a name), "lines", "forecast" or "scatter".
    title, caption : str
        What it shows, and how to read it.
    n : tuple of str and Value
        Of how many.
    query : Query
    frame : DataFrame
        The rows drawn, by their numbers.
    x, y : Axis
        Of "intervals" the names are y.
    columns : tuple of Column
        The same as figures.
    series : str, optional
        The column that tells lines apart; of a "forecast" the windows.
    label : str
        What the line of y is, where there is no such column.
    beside : tuple of (str, str)
        Columns drawn as further lines, each with what it is.
    ends : (str, str), optional
        The columns of the lower and upper end.
    marked : str, optional
        A column of truth values that tells filled marks from hollow ones.
    marks : (str, str)
        What filled and hollow mean.
    zero : str
        What lies at zero, where something does.
    """

    kind: str
    title: str
    query: Query
    frame: pd.DataFrame
    x: Axis
    y: Axis
    columns: tuple[Column, ...]
    n: tuple[Part, ...]
    caption: str = ""
    series: str | None = None
    label: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    ends: tuple[str, str] | None = None
    marked: str | None = None
    marks: tuple[str, str] = ("", "")
    zero: str = ""

    @property
    def queries(self) -> tuple[Query, ...]:
        """The query of its rows, and of how many they are."""
        return tuple(dict.fromkeys((self.query, *_queries(self.n))))

    @property
    def lines(self) -> list[tuple[str, pd.DataFrame]]:
        """What is drawn as lines: the name of each, and its `x` and `y`."""
        if self.series is not None:
            groups = self.frame.groupby(self.series, sort=False)
            return [(str(name), self._points(rows, self.y.column)) for name, rows in groups]
        named = ((self.y.column, self.label), *self.beside)
        return [(name, self._points(self.frame, column)) for column, name in named]

    def _points(self, frame: pd.DataFrame, column: str) -> pd.DataFrame:
        return frame[[self.x.column, column]].set_axis(["x", "y"], axis="columns").dropna()

    @property
    def table(self) -> Table:
        """The same as figures."""
        return Table(query=self.query, frame=self.frame, columns=self.columns)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph; `basis` are the queries whose rows it puts in words, where it has no figures of its own."""

    parts: tuple[Part, ...]
    basis: tuple[Query, ...] = ()
    strong: bool = False

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries behind it."""
        return tuple(dict.fromkeys((*_queries(self.parts), *self.basis)))


Block = Tree | Figures | Table | Chart | Text


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what stands under it: a slide or more. `notes` are for whoever speaks."""

    title: str
    blocks: tuple[Block, ...]
    notes: str = ""

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries behind its blocks, each once."""
        found = {query.key: query for block in self.blocks for query in block.queries}
        return tuple(found.values())


@dataclass(frozen=True, kw_only=True, repr=False)
class Report:
    """A report to be written.

    Attributes
    ----------
    title : str
    headline : tuple of str and Value
        What it says, in one line.
    subtitle : str
        Of which ledger, and as of when.
    sections : tuple of Section
    """

    title: str
    headline: tuple[Part, ...]
    subtitle: str
    sections: tuple[Section, ...]

    @property
    def queries(self) -> tuple[Query, ...]:
        """All queries, each once."""
        found = {query.key: query for query in _queries(self.headline)}
        found |= {query.key: query for section in self.sections for query in section.queries}
        return tuple(found.values())

    def __repr__(self) -> str:
        return f"<Report {self.title!r}: {said(self.headline)}>"

    def write(self, path: str | Path) -> Path:
        """Write it as the page, slides or Markdown that the path ends with; see `writing.write`."""
        from experiments.services.reports.writing import write

        return write(self, path)

    def _repr_html_(self) -> str:
        """The page, as notebooks show it: in a frame, so that neither changes the looks of the other."""
        from experiments.services.reports.html import as_html

        return f'<iframe srcdoc="{escape(as_html(self))}" width="100%" height="720" style="border: 0"></iframe>'


def walk(node: Node) -> list[Node]:
    """A node and all below it, in order."""
    return [node, *(below for child in node.children for below in walk(child))]


def said(parts: tuple[Part, ...]) -> str:
    """A sentence as text."""
    return "".join(part if isinstance(part, str) else part.text for part in parts)


def _queries(parts: Any) -> tuple[Query, ...]:
    found = {part.query.key: part.query for part in parts if isinstance(part, Value)}
    return tuple(found.values())
