"""What the jobs initialise and maintenance do where a catalog manages the tables: local Spark's own stands in."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from contract.conftest import ONE_PART
from experiments.errors import EngineError
from experiments.identity import uuid7
from experiments.services import maintenance
from experiments.services.initialise import initialise
from experiments.services.ledger import Ledger, connect
from experiments.services.maintenance import maintain
from experiments.storage import catalog, sql_files, views
from experiments.storage.databricks import start_databricks
from made import counts, put, run_row, standing_row, window_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

CATALOG, SCHEMA = "spark_catalog", "kept"
VACUUM_IN_ONE = {"spark.sql.sources.parallelPartitionDiscovery.parallelism": "1"}
"""A vacuum lists a handful of folders in ten thousand tasks otherwise."""

OLD = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)


@pytest.fixture(scope="module")
def workspace(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    notebook = spark.newSession()
    notebook.createDataFrame([(1,)], "a int")  # this makes it the active one
    notebook.sql(f"create schema {SCHEMA} location '{tmp_path_factory.mktemp('kept')}'")
    yield notebook
    spark.createDataFrame([(1,)], "a int")


def opened(**more: Any) -> Ledger:
    ledger = connect(engine="databricks", catalog=CATALOG, schema=SCHEMA, **more)
    for name, value in (ONE_PART | VACUUM_IN_ONE).items():
        ledger.engine.spark.conf.set(name, value)
    return ledger


@pytest.fixture(scope="module")
def first(workspace: SparkSession) -> Any:
    return initialise(opened)


def test_made_once_with_one_note_on_what_only_unity_catalog_has(first: Any) -> None:
    assert set(first.created) == set(sql_files.names("tables"))
    assert (first.where, first.migrated) == (f"{CATALOG}.{SCHEMA}", ())
    refused, *more = first.notes
    assert more == []
    assert "files of sql/databricks could not be applied, keys/artifacts first: " in refused


def test_a_view_replaced_by_hand_that_may_not_be_defined_anew_serves_and_is_named(
    first: Any, workspace: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.sql(f"create or replace view {SCHEMA}.champions as select 1 as by_hand")
    own = views.statement
    monkeypatch.setattr(
        views, "statement", lambda kind, name: "select nothing" if name == "champions" else own(kind, name)
    )
    done = initialise(opened)
    assert (done.created, done.migrated) == ((), ())
    assert "1 view could not be defined anew, and the one that is there serves: champions. Only its" in done.notes[-1]
    assert workspace.table(f"{SCHEMA}.champions").columns == ["by_hand"]


def test_files_and_rows_are_looked_after(first: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_QUIET", dt.timedelta(0))
    monkeypatch.setattr(maintenance, "names", lambda kind: ("run_windows", "schema_version", "standings"))
    old = {"experiment_id": uuid7(OLD), "run_month": f"{OLD:%Y-%m}"}
    with opened(create=False) as ledger:
        assert "by_hand" not in ledger.engine.spark.table("champions").columns  # now that it may be defined anew
        for day in (1, 2):
            run = run_row()
            put(ledger, "model_runs", run)
            ours = {"experiment_id": run["experiment_id"], "cutoff": dt.date(2024, 1, day)}
            put(ledger, "run_windows", window_row(**ours), window_row(**old | {"cutoff": dt.date(2024, 1, day)}))
        put(ledger, "standings", standing_row(family_id="f-0"))
        before = counts(ledger)
        dry = {one.table: one for one in maintain(ledger, dry_run=True)}
        assert {name: one.rows_swept for name, one in dry.items() if one.rows_swept} == {
            "run_windows": 2,
            "standings": 1,
        }
        assert counts(ledger) == before
        done = {one.table: one for one in maintain(ledger)}
        assert [one.error for one in done.values() if one.error] == []
        assert counts(ledger) == before | {"run_windows": 2, "standings": before["standings"] - 1}
        told = done["run_windows"]
        assert (told.files_before, told.files_after) == (2, 1)
        assert (done["schema_version"].files_before, done["schema_version"].files_after) == (1, 1)


def test_where_nothing_may_be_created_one_line_says_what_to_ask_for(
    workspace: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        connect(engine="databricks", catalog="nowhere", schema="mine")
    assert "Ask the owner of the catalog nowhere for USE CATALOG on it, and for USE SCHEMA on nowhere.mine or" in str(
        caught.value
    )
    workspace.sql(f"create schema bare location '{tmp_path / 'bare'}'")
    monkeypatch.setattr(catalog, "statement", lambda kind, name: "create nothing")
    running = start_databricks(catalog=CATALOG, schema="bare", create=True)
    with pytest.raises(EngineError) as caught:
        catalog.open_tables(running)
    assert str(caught.value).startswith("cannot create the table artifacts of spark_catalog.bare: ")
    assert str(caught.value).endswith("needs USE SCHEMA and CREATE TABLE on the schema: ask its owner.")
