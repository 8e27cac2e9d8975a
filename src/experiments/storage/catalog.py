"""The SQL files, and the tables and views made from them: created once, adopted ever after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.definitions import check_identifier
from experiments.errors import EngineError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from experiments.storage.engine import Engine

_CHECK = re.compile(r"""'delta\.constraints\.(\w+)' = "([^"]*)\"""")
_COLUMN = re.compile(r"^  (\w+) ((?:map|array)<[^>]*>|\w+)(.*)$", re.MULTILINE)
_REFERENCE = re.compile(r"\b(?:from|join)\s+(\w+)")


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
    """The objects of a kind ("tables", "views"), sorted; views after the views they read."""
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


_NO_STATISTICS = "'delta.dataSkippingNumIndexedCols' = '0'"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as its table's file defines it."""

    name: str
    type: str
    required: bool
    generated: bool


@cache
def checks(table: str) -> dict[str, str]:
    """The CHECKs of a table by name, with one more over its NOT NULL columns.

    Sail's cost of a write doubles with every CHECK beside a NOT NULL column: ten of each take 10 s a row,
    one CHECK over all required columns 0.04 s.
    """
    required = " and ".join(f"{column.name} is not null" for column in columns(table) if column.required)
    return dict(_CHECK.findall(statement("tables", table))) | {"required_present": required}


@cache
def columns(table: str) -> tuple[Column, ...]:
    """The columns of a table, in order."""
    body = statement("tables", table).partition("(\n")[2].partition("\n)\n")[0]
    return tuple(
        Column(name=name, type=kind, required=" not null" in rest, generated="generated always" in rest)
        for name, kind, rest in _COLUMN.findall(body)
    )


def table_folder(engine: Engine, table: str) -> Path:
    """Where a table's files lie."""
    return engine.location / table


def missing_tables(folder: Path) -> list[str]:
    """The tables without a Delta log below this folder of a schema."""
    return [table for table in names("tables") if not _has_log(folder / table)]


def open_tables(engine: Engine) -> list[str]:
    """Create what is missing, adopt what is there; returns the names of the tables created. Never drops anything."""
    created = []
    for table in names("tables"):
        if not _has_log(table_folder(engine, table)) and _create(engine, table):
            created.append(table)
        else:
            _adopt(engine, table)
    for view in names("views"):
        engine.spark.sql(statement("views", view))
    return created


def _create(engine: Engine, table: str) -> bool:
    """Create a table with its full definition; False where another process was faster."""
    location = f"location '{table_folder(engine, check_identifier('table', table))}'\n"
    definition = statement("tables", table).partition("\ntblproperties")[0].replace(" not null", "")
    try:
        engine.spark.sql(f"{definition}\n{location}{_properties(table)}")
    except Exception as error:
        if _has_log(table_folder(engine, table)):
            return False
        msg = f"cannot create the table {table} at {table_folder(engine, table)}: {error}"
        raise EngineError(msg) from error
    return True


def _adopt(engine: Engine, table: str) -> None:
    """Tell the engine of a table that is there.

    Sail forgets CHECK constraints of an adopted table on UPDATE and MERGE unless they are restated.
    """
    location = table_folder(engine, check_identifier("table", table))
    try:
        engine.spark.sql(f"create table if not exists {table} using delta location '{location}' {_properties(table)}")
    except Exception as error:
        msg = f"the table {table} at {location} cannot be read: {error}"
        raise EngineError(msg) from error


def _properties(table: str) -> str:
    """The table's CHECKs as properties, and no column statistics.

    A column that is constant in a file Sail reads from the statistics, where a double is off in its last digit;
    partitions prune what is worth pruning.
    """
    stated = [f"'delta.constraints.{name}' = \"{check}\"" for name, check in checks(table).items()]
    return f"tblproperties ({', '.join([*stated, _NO_STATISTICS])})"


def _has_log(folder: Path) -> bool:
    log = folder / "_delta_log"
    return log.is_dir() and any(log.glob("*.json"))
