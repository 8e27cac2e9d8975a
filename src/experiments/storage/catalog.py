"""The tables and views of a ledger: created once, adopted ever after, brought up to date in between."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from experiments.definitions import check_identifier
from experiments.errors import EngineError, first_line
from experiments.storage.folder import read_folder
from experiments.storage.migrations import Migration, apply, migrations, pending, program_version
from experiments.storage.sql_files import checks, columns, names, quoted, statement
from experiments.storage.table import merge_new, select
from experiments.storage.views import define_views, place_of

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.storage.engine import Engine

VERSIONS = "schema_version"
"""The table of applied migrations."""

VERSIONS_KEY = ("version",)
"""Its key."""

_TRUTH = "model_runs"
"""The table that makes a schema a ledger."""

_AT_ONCE = 4

_SETTINGS = {
    # a column that is constant in a file Sail reads from the statistics, where a double is off in its last digit;
    # partitions prune what is worth pruning
    "delta.dataSkippingNumIndexedCols": "0",
    # the log of thousands of small commits slows every one after: what a checkpoint replaces is kept for a while only,
    # and so far back time travel by version reaches
    "delta.logRetentionDuration": "interval 10 minutes",
    "delta.deletedFileRetentionDuration": "interval 10 minutes",
}
"""Properties of every table whose files are ours."""


def missing_tables(folder: Path) -> list[str]:
    """The tables without a Delta log below this folder of a schema."""
    return [table for table in names("tables") if not _has_log(folder / table)]


def is_ledger_folder(folder: Path) -> bool:
    """Whether a ledger lies in this folder of a schema, of whatever version."""
    return _has_log(folder / _TRUTH)


def is_ledger(engine: Engine) -> bool:
    """Whether the engine's schema holds a ledger, of whatever version."""
    return _is_there(engine, _TRUTH)


def unrecorded(folder: Path) -> list[str]:
    """The migrations a ledger in this folder of a schema still needs, found without an engine.

    Raises
    ------
    EngineError
        If a newer program has been at these tables.
    """
    rows, _ = read_folder(folder / VERSIONS)
    return [migration.name for migration in pending(set(rows["version"]), where=str(folder))]


def open_tables(engine: Engine) -> list[str]:
    """Adopt what is there, bring it up to date, create what is missing; returns the tables created.

    Nothing is ever dropped. Killed on the way or run by two processes at once, the next call ends the same.

    Raises
    ------
    EngineError
        If the tables are newer than this program, or are not this program's; nothing was written.
    """
    there = [table for table in names("tables") if _is_there(engine, table)]
    waiting = unapplied(engine) if VERSIONS in there else migrations()
    if waiting:
        for table in there:
            _check_columns(engine, table, waiting)
        for migration in waiting:
            if migration.table in there:
                apply(engine, migration)
    missing = [table for table in names("tables") if table not in there]
    # the engine looks at the files of every table that is named, which it can do of several at once
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        made = threads.map(lambda table: _create(engine, table), missing)
        created = [table for table, new in zip(missing, made, strict=True) if new]
        known = {VERSIONS, *created} if VERSIONS in there else {*created}  # that was read already
        list(threads.map(lambda table: _adopt(engine, table), [name for name in names("tables") if name not in known]))
    define_views(engine)
    if waiting:
        _record(engine, waiting)
    return created


def unapplied(engine: Engine) -> tuple[Migration, ...]:
    """The migrations these tables still need, in order.

    Raises
    ------
    EngineError
        If a newer program has been at these tables.
    """
    _adopt(engine, VERSIONS)
    applied = {int(found) for found in select(engine, "applied_migrations")["version"]}
    return pending(applied, where=place_of(engine))


def _record(engine: Engine, applied: tuple[Migration, ...]) -> None:
    by, now = program_version(), dt.datetime.now(dt.UTC)
    rows = [
        {"version": migration.version, "name": migration.name, "applied_at": now, "applied_by": by}
        for migration in applied
    ]
    merge_new(engine, VERSIONS, rows, key=VERSIONS_KEY)


def _check_columns(engine: Engine, table: str, waiting: tuple[Migration, ...]) -> None:
    """See that a table is one of ours before anything is done to it: what no migration brings must be there."""
    to_come = {column.name for migration in waiting if migration.table == table for column in migration.columns}
    expected = {column.name: column.type.replace(" ", "") for column in columns(table)}
    if engine.location is None:
        frame = engine.spark.table(check_identifier("table", table))
    else:
        frame = engine.spark.read.format("delta").load(str(engine.location / table))
    found = dict(frame.dtypes)
    for name, kind in expected.items():
        if name not in found and name in to_come:
            continue
        if found.get(name) != kind:
            has = f"{name} as {found[name]}" if name in found else f"no column {name}"
            msg = (
                f"the table {table} of {place_of(engine)} is not this program's: it has {has}, where {kind} belongs. "
                "Nothing was written; choose another path or schema."
            )
            raise EngineError(msg)


def _create(engine: Engine, table: str) -> bool:
    """Create a table with its full definition; False where another process was faster."""
    definition = statement("tables", check_identifier("table", table))
    if engine.location is not None:
        definition = definition.partition("\ntblproperties")[0].replace(" not null", "")
        definition += f"\nlocation '{quoted(engine.location / table)}'\n{_properties(table)}"
    try:
        engine.spark.sql(definition)
    except Exception as error:
        if _is_there(engine, table):
            return False
        msg = f"cannot create the table {table} of {place_of(engine)}: {first_line(error)}"
        if engine.location is None:
            msg += " Whoever makes a ledger needs USE SCHEMA and CREATE TABLE on the schema: ask its owner."
        raise EngineError(msg) from error
    return True


def _adopt(engine: Engine, table: str) -> None:
    """Tell the engine of a table that is there; a catalog that manages tables knows.

    Sail forgets CHECK constraints of an adopted table on UPDATE and MERGE unless they are restated; Spark knows them
    and refuses that.
    """
    if engine.location is None:
        return
    location = engine.location / check_identifier("table", table)
    restated = _properties(table) if engine.name == "sail" else ""
    try:
        engine.spark.sql(f"create table if not exists {table} using delta location '{quoted(location)}' {restated}")
    except Exception as error:
        msg = f"the table {table} at {location} cannot be read: {first_line(error)}"
        raise EngineError(msg) from error


def _properties(table: str) -> str:
    """The table's CHECKs and our settings as properties."""
    stated = [f"'delta.constraints.{name}' = \"{check}\"" for name, check in checks(table).items()]
    settings = [f"'{name}' = '{value}'" for name, value in _SETTINGS.items()]
    return f"tblproperties ({', '.join(stated + settings)})"


def _is_there(engine: Engine, table: str) -> bool:
    if engine.location is None:
        return bool(engine.spark.catalog.tableExists(table))
    return _has_log(engine.location / table)


def _has_log(folder: Path) -> bool:
    log = folder / "_delta_log"
    return (log / "_last_checkpoint").is_file() or (log.is_dir() and any(log.glob("*.json")))
