"""Spark meets tables of another version of this program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.errors import EngineError
from experiments.services.ledger import connect
from experiments.storage import migrations, sail, sql_files
from made import put, rows_of, run_row, version_row
from older import FIRST_COLUMNS, NEWER, everything, make_older, recorded

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

KNOWN = [(migration.version, migration.name) for migration in migrations.migrations()]


def test_an_older_ledger_is_brought_up_to_date(
    spark: SparkSession, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_older(monkeypatch, lambda: sail.start_sail(tmp_path, catalog="commodity", schema=name))
    with connect(tmp_path, schema=name, engine="spark") as ledger:
        assert set(ledger.created) == NEWER
        assert recorded(ledger) == KNOWN
        columns = ledger._engine.spark.table("model_runs").columns
        assert columns[: len(FIRST_COLUMNS["model_runs"])] == list(FIRST_COLUMNS["model_runs"])
        assert sorted(columns) == sorted(column.name for column in sql_files.columns("model_runs"))
        put(ledger, "model_runs", run_row(data_notes="said"))
        assert [row["data_notes"] for row in rows_of(ledger, "latest_runs")] == ["said"]
    before = everything(tmp_path)
    for engine in ("spark", "sail"):
        with connect(tmp_path, schema=name, engine=engine) as again:
            assert again.created == ()
            assert [row["data_notes"] for row in rows_of(again, "model_runs")] == ["said"]
    assert everything(tmp_path) == before


def test_newer_tables_are_left_alone(spark: SparkSession, tmp_path: Path, name: str) -> None:
    with connect(tmp_path, schema=name) as ledger:
        put(ledger, "schema_version", version_row(version=99, name="099_later"))
    before = everything(tmp_path)
    for create in (True, False):
        with pytest.raises(EngineError, match=r"at version 99, and this program.*upgrade"):
            connect(tmp_path, schema=name, engine="spark", create=create)
    assert everything(tmp_path) == before


def test_a_table_of_somebody_else_is_left_alone(spark: SparkSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    spark.createDataFrame([("a", 1)], "model_name string, n int").write.save(str(tmp_path / name / "model_runs"))
    before = everything(tmp_path)
    with pytest.raises(EngineError, match=r"model_runs of .* is not this program's"):
        connect(tmp_path, schema=name, engine="spark")
    assert everything(tmp_path) == before
