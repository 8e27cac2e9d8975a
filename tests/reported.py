"""What a page, a deck and a text of a report hold, taken apart again."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from experiments.definitions import known

VOID = {"meta", "link", "br", "img", "hr", "path", "rect", "line"}


@dataclass
class Shown:
    """A figure on a page, and where it says it is from."""

    query: str
    column: str
    row: int
    text: str = ""


@dataclass
class Asked:
    """A query on a page."""

    sql: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page's figures, queries, headings and tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.figures: list[Shown] = []
        self.queries: dict[str, Asked] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[tuple[str, Any]] = []
        self._asked: Asked | None = None
        self._name = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag in VOID:
            return
        what: Any = None
        kind = given.get("class") or ""
        if "data-column" in given:
            what = Shown(str(given["data-query"]), str(given["data-column"]), int(str(given["data-row"])))
            self.figures.append(what)
        elif tag == "details" and "data-query" in given:
            self._asked = self.queries.setdefault(str(given["data-query"]), Asked())
            self._asked.sql = ""
            self._asked.parameters = {}
        elif tag == "pre" and kind == "sql":
            what = "sql"
        elif tag in ("dt", "dd") and self._asked is not None:
            what = tag
            if tag == "dd":
                self._asked.parameters[self._name] = ""
            else:
                self._name = ""
        elif tag == "h2":
            what = "h2"
            self.headings.append("")
        self._open.append((tag, what))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            opened, _ = self._open.pop()
            if opened == tag:
                break
        if tag == "details":
            self._asked = None

    def handle_data(self, data: str) -> None:
        self.text += data
        for _, what in reversed(self._open):
            if isinstance(what, Shown):
                what.text += data
                return
            if what is None:
                continue
            if what == "h2":
                self.headings[-1] += data
            elif self._asked is not None and what == "sql":
                self._asked.sql += data
            elif self._asked is not None and what == "dt":
                self._name += data
            elif self._asked is not None and what == "dd":
                self._asked.parameters[self._name] += data
            return


def says(text: str, value: Any) -> bool:  # noqa: PLR0911  a return a kind
    """Whether a text shows a value: to the digits it has, a share as a percentage."""
    text = text.strip()
    if known(value) is None or type(value).__name__ in ("NaTType", "NAType"):
        return text == "-"
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return text == ("yes" if value else "no")
    if isinstance(value, dt.datetime):
        return text in (f"{value:%Y-%m-%d}", f"{value:%Y-%m-%d %H:%M}")
    if isinstance(value, dt.date):
        return text == value.isoformat()
    if isinstance(value, str):
        return text == value.strip()
    if text.startswith("<"):
        return float(value) < float(text.removeprefix("< "))
    number = re.fullmatch(r"([+-]?[\d,]*\.?\d*(?:e[+-]?\d+)?)( %)?", text)
    if number is None:
        return False
    digits, percent = number.groups()
    read = float(digits.replace(",", ""))
    meant = float(value) * (100 if percent else 1)
    mantissa, _, exponent = digits.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - decimals)
    return math.isclose(read, meant, rel_tol=0, abs_tol=0.5000001 * unit)
