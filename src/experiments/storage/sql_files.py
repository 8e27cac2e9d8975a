"""The files below `sql/`: their texts, and what a table's file says of its columns and CHECKs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_CHECK = re.compile(r"""'delta\.constraints\.(\w+)' = "([^"]*)\"""")
_COLUMN = re.compile(r"^\s*(\w+) ((?:map|array)<[^>]*>|\w+)(.*?)(?: comment '([^']*)')?,?$", re.MULTILINE)
_REFERENCE = re.compile(r"\b(?:from|join)\s+(\w+)")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as its table's file defines it."""

    name: str
    type: str
    required: bool
    generated: bool
    comment: str


def sql_root() -> Traversable:
    """The folder of SQL files: the packaged copy, else the checkout's."""
    packaged = files("experiments") / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "sql"


@cache
def statement(kind: str, name: str) -> str:
    """The text of `sql/<kind>/<name>.sql`."""
    return (sql_root() / kind / f"{name}.sql").read_text(encoding="utf-8")


@cache
def names(kind: str) -> tuple[str, ...]:
    """The objects of a kind ("tables", "views", "migrations"), sorted; views after the views they read."""
    found = sorted(entry.name.removesuffix(".sql") for entry in (sql_root() / kind).iterdir())
    if kind != "views":
        return tuple(found)
    ordered: list[str] = []
    while len(ordered) < len(found):
        waiting = [name for name in found if name not in ordered]
        ordered += [
            name for name in waiting if not set(_REFERENCE.findall(statement(kind, name))) & {*waiting} - {name}
        ]
    return tuple(ordered)


@cache
def columns(table: str) -> tuple[Column, ...]:
    """The columns of a table, in order."""
    return parse_columns(statement("tables", table).partition("(\n")[2].partition("\n)\n")[0])


def parse_columns(definitions: str) -> tuple[Column, ...]:
    """The columns defined in a text, one a line."""
    return tuple(
        Column(
            name=name,
            type=kind,
            required=" not null" in rest,
            generated="generated always" in rest,
            comment=comment,
        )
        for name, kind, rest, comment in _COLUMN.findall(definitions)
    )


@cache
def checks(table: str) -> dict[str, str]:
    """The CHECKs of a table by name, with one more over its NOT NULL columns.

    Sail's cost of a write doubles with every CHECK beside a NOT NULL column: ten of each take 10 s a row,
    one CHECK over all required columns 0.04 s.
    """
    required = " and ".join(f"{column.name} is not null" for column in columns(table) if column.required)
    return dict(_CHECK.findall(statement("tables", table))) | {"required_present": required}


def quoted(path: Path) -> str:
    """A path as it stands inside the quotes of a SQL text."""
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
