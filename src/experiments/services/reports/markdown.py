"""Reports as Markdown: trees, figures and tables; charts as the tables behind them; the queries at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from experiments.services.reports import formats
from experiments.services.reports.html import command
from experiments.services.reports.model import Chart, Figures, Node, Table, Text, Tree, said

if TYPE_CHECKING:
    from experiments.services.reports.model import Block, Query, Report

MOST_ROWS = 40
"""Rows of a chart's table up to which it stands in the text; of more only that they are left out."""

_MARKED = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&])")
_BACKTICKS = re.compile(r"`+")


def as_markdown(report: Report) -> str:
    """A report as the text of a Markdown file."""
    lines = [f"# {escaped(report.title)}", "", escaped(said(report.headline)), "", f"*{escaped(report.subtitle)}*", ""]
    for section in report.sections:
        lines += [f"## {escaped(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
            if block.queries:
                told = ", ".join(f"[{query.key}](#{query.key})" for query in block.queries)
                lines += [f"<sub>Figures of {told}</sub>", ""]
    lines += ["## Queries", "", "Every figure above is a column of one of these.", ""]
    for query in report.queries:
        lines += _query(query)
    return "\n".join(lines).rstrip() + "\n"


def escaped(words: str) -> str:
    r"""Words as they are, whatever they hold that Markdown or HTML would read.

    Examples
    --------
    >>> escaped("a|b `c` <d>")
    'a\\|b \\`c\\` &lt;d&gt;'
    """
    marked = _MARKED.sub(r"\\\1", formats.one_line(words))
    return marked.replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\&", "&amp;")


def _block(block: Block) -> list[str]:
    if isinstance(block, Tree):
        return _tree(block)
    if isinstance(block, Figures):
        return [f"- {escaped(item.label)}: **{escaped(item.value.text)}**" for item in block.items]
    if isinstance(block, Text):
        words = escaped(said(block.parts))
        return [f"**{words}**" if block.strong else words]
    if isinstance(block, Chart):
        return _chart(block)
    title = [f"### {escaped(block.title)}", ""] if block.title else []
    caption = ["", escaped(block.caption)] if block.caption else []
    return [*title, *_table(block), *caption]


def _tree(tree: Tree) -> list[str]:
    """The tree in a block of its own, as one types it."""
    lines: list[str] = []
    for root in tree.roots:
        lines += ["", *tree_lines(root)]
    return _fenced("\n".join(lines[1:]), "text")


def tree_lines(root: Node, before: str = "") -> list[str]:
    """A root and what belongs to it, drawn with lines."""
    lines = [formats.one_line(said(root.parts))]
    for number, child in enumerate(root.children, 1):
        last = number == len(root.children)
        first, *below = tree_lines(child)
        lines.append(f"{before}{'└─ ' if last else '├─ '}{first}")
        lines += [f"{before}{'   ' if last else '│  '}{line}" for line in below]
    return lines


def _chart(chart: Chart) -> list[str]:
    of = f" ({escaped(said(chart.n))})" if chart.n else ""
    lines = [f"### {escaped(chart.title)}{of}", ""]
    if len(chart.frame) > MOST_ROWS:
        key = chart.query.key
        return [*lines, f"A chart of {len(chart.frame):,} rows of [{key}](#{key}), which Markdown leaves out."]
    return [*lines, *_table(chart.table), *(["", escaped(chart.caption)] if chart.caption else [])]


def _table(table: Table) -> list[str]:
    headings = [column.heading for column in table.columns] + list(table.words)
    rules = ["---:" if column.is_number else "---" for column in table.columns] + ["---"] * len(table.words)
    rows = [
        [value.text for value in values] + [texts[place] for texts in table.words.values()]
        for place, values in enumerate(table.rows)
    ]
    return [_row(headings), f"| {' | '.join(rules)} |", *(_row(row) for row in rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def _query(query: Query) -> list[str]:
    return [
        f'### <a id="{query.key}"></a>{query.key}: {query.name}',
        "",
        *_fenced(query.sql.strip(), "sql"),
        "",
        *_fenced(command(query), "bash"),
        "",
    ]


def _fenced(words: str, language: str) -> list[str]:
    """A block whose fence is longer than any inside."""
    longest = max((len(run) for run in _BACKTICKS.findall(words)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", formats.plain(words), fence]
