"""Changes of the tables since 0.1.0: in order, each recorded, each harmless when it is applied again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from experiments.definitions import check_identifier
from experiments.errors import EngineError, first_line
from experiments.storage.arrow import arrow_schema
from experiments.storage.sql_files import Column, names, parse_columns, statement

if TYPE_CHECKING:
    from experiments.storage.engine import Engine

_FILE = re.compile(r"(\d{3})_\w+")
_ADD_COLUMNS = re.compile(r"alter table (\w+) add columns \((.*)\)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of `sql/migrations`: columns that a table gains.

    Parameters
    ----------
    version : int
        Its number: the tables are at the highest applied.
    name : str
        Its file, without the ending.
    table : str
    columns : tuple of Column
        All of them may be NULL: rows that are there have no value.
    """

    version: int
    name: str
    table: str
    columns: tuple[Column, ...]


@cache
def program_version() -> str:
    """The version of this program that is installed."""
    try:
        return version("experiment-ledger")
    except PackageNotFoundError:  # a checkout that is only on the path
        return "unreleased"


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration this program knows, in order.

    Raises
    ------
    EngineError
        If a file is not one that `apply` can apply again without harm.
    """
    found = []
    for number, name in enumerate(names("migrations"), start=1):
        numbered = _FILE.fullmatch(name)
        change = _ADD_COLUMNS.search(statement("migrations", name))
        if numbered is None or int(numbered.group(1)) != number or change is None:
            msg = f"sql/migrations/{name}.sql is not migration {number:03d}: one 'alter table ... add columns (...)'."
            raise EngineError(msg)
        columns = parse_columns(change.group(2))
        comments = [line.count(" comment '") for line in change.group(2).splitlines() if line.strip()]
        if not columns or comments != [1] * len(columns) or any(column.required for column in columns):
            msg = f"sql/migrations/{name}.sql does not add columns one a line, each with a comment and not NOT NULL."
            raise EngineError(msg)
        found.append(Migration(version=number, name=name, table=change.group(1), columns=columns))
    return tuple(found)


def pending(recorded: set[int], *, where: str) -> tuple[Migration, ...]:
    """The migrations that are not recorded.

    Parameters
    ----------
    recorded : set of int
        What the table `schema_version` holds.
    where : str
        The ledger, for the message.

    Raises
    ------
    EngineError
        If a newer program has been at these tables.
    """
    known = migrations()
    newest = max(recorded, default=0)
    if newest > len(known):
        msg = (
            f"the tables of {where} are at version {newest}, and this program, {program_version()}, "
            f"knows up to {len(known)}: upgrade experiment-ledger. Nothing was written."
        )
        raise EngineError(msg)
    return tuple(migration for migration in known if migration.version not in recorded)


def apply(engine: Engine, migration: Migration) -> None:
    """Give a table the columns it lacks; columns that are there, from an earlier or another attempt, stay.

    Parameters
    ----------
    engine : Engine
    migration : Migration

    Raises
    ------
    EngineError
        If the table cannot be changed.
    """
    from tenacity import Retrying, retry_if_not_exception_type, stop_after_delay, wait_random_exponential

    change = _add_in_catalog if engine.location is None else _add_in_files
    retrying = Retrying(
        retry=retry_if_not_exception_type(ImportError),  # another process changed the table meanwhile: look again
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(20),
        reraise=True,
    )
    try:
        retrying(change, engine, migration)
    except Exception as error:
        msg = f"migration {migration.name} cannot be applied to {migration.table}: {first_line(error)}"
        raise EngineError(msg) from error


def _add_in_files(engine: Engine, migration: Migration) -> None:
    """Sail has no ALTER TABLE ADD COLUMNS, so the change of files goes through delta-rs on every engine."""
    from deltalake import DeltaTable, Schema
    from deltalake.schema import Field

    table = DeltaTable(f"{engine.location}/{migration.table}")
    there = {field.name for field in table.schema().fields}
    new = [column for column in migration.columns if column.name not in there]
    if new:
        types = [field.type for field in Schema.from_arrow(arrow_schema(new)).fields]
        table.alter.add_columns(
            [
                Field(column.name, kind, nullable=True, metadata={"comment": column.comment})
                for column, kind in zip(new, types, strict=True)
            ]
        )


def _add_in_catalog(engine: Engine, migration: Migration) -> None:
    there = set(engine.spark.table(check_identifier("table", migration.table)).columns)
    if not {column.name for column in migration.columns} <= there:
        engine.spark.sql(statement("migrations", migration.name))
