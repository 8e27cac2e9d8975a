"""The tables as the engine made them: their columns, types, comments and partitions; made once, adopted ever after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from experiments.services.ledger import connect
from experiments.storage import catalog, sql_files
from made import ROWS, counts, put, rows_of, run_row, versions

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

TABLES = sql_files.names("tables")

SPECIFIED = {
    "experiment_id": "string",
    "model_name": "string",
    "model_version": "string",
    "run_timestamp": "timestamp",
    "model_type": "string",
    "hyperparameters": "map<string,string>",
    "feature_config": "map<string,boolean>",
    "data_version": "string",
    "training_start_date": "date",
    "training_end_date": "date",
    "forecast_horizon_days": "int",
    "commodity": "string",
    "mae_1day": "double",
    "mae_7day": "double",
    "mae_14day": "double",
    "rmse_14day": "double",
    "mape_14day": "double",
    "directional_accuracy": "double",
    "dm_test_vs_naive": "double",
    "dm_pvalue": "double",
    "beats_baseline": "boolean",
    "execution_time_seconds": "double",
    "hardware_config": "string",
    "databricks_cluster_id": "string",
    "cost_estimate_usd": "double",
    "model_path": "string",
    "dashboard_url": "string",
    "run_by": "string",
    "notes": "string",
    "is_production": "boolean",
}
"""The columns of `commodity.experiments.model_runs` in the specification, in its order."""

SPECIFIED_NOT_NULL = {
    "experiment_id",
    "model_name",
    "model_version",
    "run_timestamp",
    "model_type",
    "training_start_date",
    "training_end_date",
    "forecast_horizon_days",
    "commodity",
}

PARTITIONS = {
    "artifacts": ["run_month"],
    "backtests": ["commodity"],
    "comparisons": ["commodity"],
    "datasets": [],
    "decisions": ["commodity"],
    "environments": [],
    "experiment_datasets": ["run_month"],
    "experiments": ["experiment_type", "run_month"],
    "families": ["commodity"],
    "forecasts": ["commodity", "run_month"],
    "hyperparameters": ["run_month"],
    "metrics": ["run_month"],
    "model_runs": ["commodity", "run_month"],
    "models": [],
    "checkpoints": ["run_month"],
    "run_windows": ["commodity", "run_month"],
    "schema_version": [],
    "standings": ["commodity"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema's folder of a ledger just made, and closed again."""
    folder = tmp_path_factory.mktemp("catalog")
    connect(folder).close()
    return folder / "experiments"


def actions(table: Path) -> list[dict[str, Any]]:
    """What stands in a table's Delta log."""
    logs = sorted((table / "_delta_log").glob("*.json"))
    return [json.loads(line) for log in logs for line in log.read_text().splitlines()]


def metadata(table: Path) -> dict[str, Any]:
    return next(action["metaData"] for action in actions(table) if "metaData" in action)


def delta_name(kind: str) -> str:
    """A type under the name it has in a Delta log."""
    return {"int": "integer"}.get(kind, kind).replace("bigint", "long").replace(" ", "")


def logged_type(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    if kind["type"] == "map":
        return f"map<{kind['keyType']},{kind['valueType']}>"
    return f"array<{kind['elementType']}>"


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_those_the_engine_made(made: Path, table: str) -> None:
    schema = json.loads(metadata(made / table)["schemaString"])["fields"]
    assert [(field["name"], logged_type(field["type"])) for field in schema] == [
        (column.name, delta_name(column.type)) for column in sql_files.columns(table)
    ]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_and_column_carries_its_comment(made: Path, table: str) -> None:
    described = metadata(made / table)
    text = sql_files.statement("tables", table)
    assert described["description"] in text
    assert described["description"]
    for field in json.loads(described["schemaString"])["fields"]:
        comment = field["metadata"].get("comment", "")
        assert comment, f"{table}.{field['name']} has no comment"
        assert f"comment '{comment}'" in text


@pytest.mark.parametrize("table", TABLES)
def test_partitions_are_as_designed(made: Path, table: str) -> None:
    assert metadata(made / table)["partitionColumns"] == PARTITIONS[table]


def test_the_month_is_generated_from_the_time(ledger: Ledger) -> None:
    put(ledger, "model_runs", run_row())
    assert rows_of(ledger, "model_runs")[0]["run_month"] == "2025-01"
    added = [action["add"] for action in actions(ledger.path / "experiments" / "model_runs") if "add" in action]
    assert [one["partitionValues"] for one in added] == [{"commodity": "Coffee", "run_month": "2025-01"}]


def test_specified_columns_stand_in_front_in_the_specified_order() -> None:
    columns = sql_files.columns("model_runs")
    assert [column.name for column in columns][: len(SPECIFIED)] == list(SPECIFIED)


def test_specified_columns_have_the_specified_types() -> None:
    types = {column.name: column.type.replace(" ", "") for column in sql_files.columns("model_runs")}
    assert {name: types.get(name) for name in SPECIFIED} == SPECIFIED


def test_specified_columns_are_required_where_specified() -> None:
    required = {column.name for column in sql_files.columns("model_runs") if column.required}
    assert required & set(SPECIFIED) == SPECIFIED_NOT_NULL


def test_the_engine_knows_the_same_columns_once_made_and_once_adopted(tmp_path: Path) -> None:
    for _ in range(2):
        with connect(tmp_path) as ledger:
            assert ledger._engine is not None
            for table in TABLES:
                found = [
                    (field.name, field.dataType.simpleString()) for field in ledger._engine.spark.table(table).schema
                ]
                assert found == [(column.name, column.type.replace(" ", "")) for column in sql_files.columns(table)]


def test_the_second_connection_makes_nothing_and_keeps_rows(tmp_path: Path) -> None:
    with connect(tmp_path) as first:
        assert set(first.created) == set(TABLES)
        for table, row in ROWS.items():
            put(first, table, row())
        before, logs = counts(first), versions(first)
    with connect(tmp_path) as second:
        assert second.created == ()
        assert counts(second) == before
        # the row put there, and of the schema one a migration
        assert before == dict.fromkeys(TABLES, 1) | {"schema_version": len(catalog.migrations())}
        assert versions(second) == logs


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    import shutil

    with connect(tmp_path) as first:
        put(first, "model_runs", run_row())
    shutil.rmtree(tmp_path / "experiments" / "environments")
    assert catalog.missing_tables(tmp_path / "experiments") == ["environments"]
    with connect(tmp_path) as second:
        assert second.created == ("environments",)
        assert counts(second)["model_runs"] == 1
    assert catalog.missing_tables(tmp_path / "experiments") == []


def test_no_sql_file_drops_deletes_or_truncates() -> None:
    for kind in ("tables", "views", "statements"):
        for name in sql_files.names(kind):
            code = "\n".join(line.partition("--")[0] for line in sql_files.statement(kind, name).splitlines()).lower()
            assert not {"drop", "delete", "truncate", "overwrite"} & set(code.split()), name


def test_every_sql_file_holds_one_statement_and_says_its_grain_first() -> None:
    for kind in ("tables", "views", "statements"):
        for name in sql_files.names(kind):
            text = sql_files.statement(kind, name)
            assert text.startswith("-- "), name
            assert ";" not in "\n".join(line.partition("--")[0].partition("comment")[0] for line in text.splitlines())
            if kind == "tables":
                assert f"create table if not exists {name} (" in text
            if kind == "views":
                assert f"create or replace view {name} as" in text


def test_views_come_after_the_views_they_read() -> None:
    ordered = sql_files.names("views")
    assert ordered.index("latest_runs") < ordered.index("leaderboard")
    assert ordered.index("latest_runs") < ordered.index("best_models")


def test_two_schemas_in_one_folder_are_two_ledgers(tmp_path: Path) -> None:
    with connect(tmp_path) as first, connect(tmp_path, schema="trial") as second:
        put(first, "model_runs", run_row())
        assert counts(second)["model_runs"] == 0
        assert len(second.sql("select * from commodity.trial.model_runs")) == 0
        assert len(first.sql("select * from commodity.experiments.model_runs")) == 1


@pytest.mark.parametrize("name", ["Börse mit Raum %20", "it's; a\"quote", "日本 a+b=c&d#e?", "back\\slash"])
def test_a_folder_of_any_name_works(tmp_path: Path, name: str) -> None:
    with connect(tmp_path / name) as first:
        put(first, "model_runs", run_row(commodity="Kaffee & Tee"))
    with connect(tmp_path / name) as second:
        assert second.created == ()
        put(second, "model_runs", run_row(commodity="Kaffee & Tee"))
        assert counts(second)["model_runs"] == 2
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert catalog.missing_tables(tmp_path / name / "experiments") == []
