"""The Databricks engine against a stand-in: local Spark's own catalog in place of Unity Catalog, tables managed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.errors import EngineError, NotFoundError
from experiments.services.ledger import Ledger, connect
from experiments.storage import sql_files
from experiments.storage.databricks import start_databricks
from experiments.storage.migrations import migrations
from made import CONFIG, ROWS, counts, put, rows_of, run_row, windows
from older import FIRST_COLUMNS, NEWER, make_older, recorded
from violating import REFUSED, engine_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

CATALOG = "spark_catalog"

TAGS = {
    "clusterId": "1121-060000-abcd123",
    "driverNodeType": "i3.xlarge",
    "clusterNodeType": "m5.xlarge",
    "clusterWorkers": "2",
}

EVALUATED = {"backtests": 1, "environments": 1, "experiments": 1, "forecasts": 28, "model_runs": 1, "run_windows": 2}
"""The rows that the evaluation of two windows writes."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A notebook's session, and a schema whose managed tables lie in a folder."""

    spark: SparkSession
    schema: str
    folder: Path

    def connect(self, **more: Any) -> Ledger:
        return connect(engine="databricks", catalog=CATALOG, schema=self.schema, **more)


@pytest.fixture
def workspace(spark: SparkSession, tmp_path: Path, name: str) -> Iterator[Workspace]:
    notebook = spark.newSession()
    notebook.createDataFrame([(1,)], "a int")  # this makes it the active one
    notebook.sql(f"create schema {name} location '{tmp_path / 'managed'}'")
    yield Workspace(spark=notebook, schema=name, folder=tmp_path / "managed")
    spark.createDataFrame([(1,)], "a int")


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A schema with the tables of a ledger."""
    workspace = Workspace(spark=spark, schema="made", folder=tmp_path_factory.mktemp("made"))
    spark.sql(f"create schema made location '{workspace.folder}'")
    with workspace.connect() as ledger:
        assert set(ledger.created) == set(sql_files.names("tables"))
    return workspace


@pytest.fixture
def found(workspace: Workspace, made: Workspace) -> Workspace:
    """The same schema, in the notebook's session of this test."""
    return replace(made, spark=workspace.spark)


def test_tables_are_managed_made_once_and_found_again(found: Workspace) -> None:
    with found.connect() as first:
        assert first.created == ()
        assert (first.path, first.where) == (None, f"{CATALOG}.{found.schema}")
        before = counts(first)
        new = {"artifacts", "decisions", "environments", "metrics", "models"}
        for table in new:
            assert put(first, table, ROWS[table]()) == 1
        for table in ("environments", "schema_version"):
            assert put(first, table, ROWS[table]()) == 0
        for table in sql_files.names("tables"):
            assert found.spark.catalog.getTable(f"{found.schema}.{table}").tableType == "MANAGED"
            assert (found.folder / table / "_delta_log").is_dir()
        with pytest.raises(Exception, match=REFUSED):
            put(first, "model_runs", run_row(status="guessed"))
        with pytest.raises(Exception, match=r"(?i)null"):
            put(first, "model_runs", run_row(model_type=None))
    with found.connect(create=False) as again:
        assert again.created == ()
        assert counts(again) == before | {table: before[table] + 1 for table in new}
        assert recorded(again) == list(enumerate(sql_files.names("migrations"), 1))


def test_an_evaluation_names_its_cluster(found: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for tag, value in TAGS.items():
        found.spark.conf.set(f"spark.databricks.clusterUsageTags.{tag}", value)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")  # so no engine need be named
    with connect(catalog=CATALOG, schema=found.schema) as ledger:
        assert engine_of(ledger).name == "databricks"
        assert engine_of(ledger).cluster == TAGS
        before = counts(ledger)
        ids = {ledger.log_experiment("mine", one, CONFIG | {"n_windows": 2}) for one in windows(2)}
        again = {ledger.log_experiment("mine", one, CONFIG | {"n_windows": 2}) for one in windows(2)}
        assert len(ids) == 1
        assert again & ids == ids
        assert {table: n - before[table] for table, n in counts(ledger).items() if n > before[table]} == EVALUATED
        (run,) = rows_of(ledger, "model_runs")
        assert run["databricks_cluster_id"] == TAGS["clusterId"]
        assert TAGS["driverNodeType"] in run["hardware_config"]
        assert run["run_month"] == f"{run['run_timestamp']:%Y-%m}"
        assert ledger.leaderboard("Coffee")["model_name"].tolist() == ["mine", "naive"]
        assert len(ledger.sql("select * from accuracy_by_horizon")) == 14
        assert len(ledger.sql(f"select * from {CATALOG}.{found.schema}.model_runs")) == 1  # noqa: S608


def test_without_tags_nothing_is_told_of_a_cluster(workspace: Workspace) -> None:
    running = start_databricks(catalog=CATALOG, schema=workspace.schema, create=True)
    assert running.cluster == {}


def test_a_ledger_that_is_not_there_is_not_made_by_asking(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match=rf"there is no ledger at {CATALOG}\.{workspace.schema}"):
        workspace.connect(create=False)
    assert list(workspace.folder.iterdir()) == []


def test_a_schema_that_is_not_there_is_not_made_by_asking(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match=rf"there is no schema {CATALOG}\.elsewhere"):
        connect(engine="databricks", catalog=CATALOG, schema="elsewhere", create=False)
    assert not workspace.spark.catalog.databaseExists("elsewhere")


@pytest.mark.parametrize("own", [True, False], ids=["a session of its own", "the notebook's"])
def test_two_ledgers_keep_apart_and_the_notebook_can_go_elsewhere(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    if not own:  # as with Spark Connect
        monkeypatch.setattr(type(workspace.spark), "newSession", None)
    running = [
        start_databricks(catalog=CATALOG, schema=schema, create=True) for schema in (workspace.schema, "default")
    ]
    assert [one.spark.catalog.currentDatabase() for one in running] == [workspace.schema, "default"]
    workspace.spark.catalog.setCurrentDatabase("default")
    workspace.spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    assert running[0].spark.catalog.currentDatabase() == workspace.schema
    assert running[0].spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert (workspace.spark.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo") == own


def test_a_catalog_that_is_not_there_is_named(workspace: Workspace) -> None:
    with pytest.raises(EngineError, match=rf"the schema nowhere\.{workspace.schema} cannot be used"):
        connect(engine="databricks", catalog="nowhere", schema=workspace.schema)


def test_an_older_ledger_gains_its_columns_by_sql(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    make_older(monkeypatch, lambda: start_databricks(catalog=CATALOG, schema=workspace.schema, create=True))
    assert workspace.spark.table(f"{workspace.schema}.model_runs").columns == list(FIRST_COLUMNS["model_runs"])
    for created in (NEWER, set()):
        with workspace.connect() as ledger:
            assert set(ledger.created) == created
            put(ledger, "model_runs", run_row(data_notes="said"))
    assert [row["data_notes"] for row in rows_of_session(workspace, "model_runs")] == ["said"] * 2
    log = sorted((workspace.folder / "model_runs" / "_delta_log").glob("*.json"))
    changes = [json.loads(line) for file in log for line in file.read_text().splitlines() if "commitInfo" in line]
    own = [one for one in migrations() if one.table == "model_runs"]
    assert [one["commitInfo"]["operation"] for one in changes].count("ADD COLUMNS") == len(own)


def rows_of_session(workspace: Workspace, table: str) -> list[dict[str, Any]]:
    return [row.asDict() for row in workspace.spark.table(f"{workspace.schema}.{table}").collect()]
