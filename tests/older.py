"""Ledgers as an older program made them, and what stands in their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.storage import catalog, sql_files
from made import rows_of

if TYPE_CHECKING:
    import pytest

    from experiments.services.ledger import Ledger
    from experiments.storage.engine import Engine

FIRST_COLUMNS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "storage" / "first_columns.json").read_text()
)
"""The columns each table had in the first release that had the table."""

NEWER = {
    *("schema_version", "families", "standings", "comparisons", "decisions"),
    *("metrics", "hyperparameters", "artifacts", "datasets", "experiment_datasets", "checkpoints", "models"),
}
"""Tables that 0.1.0 did not have."""


def make_older(monkeypatch: pytest.MonkeyPatch, start: Callable[[], Engine]) -> None:
    """Make the tables of 0.1.0, without rows, by an engine that is started for it."""
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "names", lambda kind: tuple(FIRST_COLUMNS.keys() - NEWER))
        patched.setattr(catalog, "define_views", lambda engine: None)
        patched.setattr(catalog, "statement", lambda kind, name: first_definition(name))
        patched.setattr(catalog, "migrations", lambda: ())
        running = start()
        catalog.open_tables(running)
        running.close()


def first_definition(table: str) -> str:
    """The table's file without the columns it has gained since its first release."""
    lines = sql_files.statement("tables", table).splitlines()
    gained = {column.name for column in sql_files.columns(table)} - set(FIRST_COLUMNS[table])
    return "\n".join(line for line in lines if line.split()[:1] not in [[name] for name in gained])


def columns_of(path: Path, table: str) -> list[str]:
    log = sorted((path / "experiments" / table / "_delta_log").glob("*.json"))
    found = [
        json.loads(line)["metaData"] for file in log for line in file.read_text().splitlines() if "metaData" in line
    ]
    return [field["name"] for field in json.loads(found[-1]["schemaString"])["fields"]]


def everything(path: Path) -> dict[str, int]:
    """Every file of a ledger with its size."""
    return {str(file): file.stat().st_size for file in path.rglob("*") if file.is_file()}


def recorded(ledger: Ledger) -> list[tuple[int, str]]:
    return sorted((row["version"], row["name"]) for row in rows_of(ledger, "schema_version"))
