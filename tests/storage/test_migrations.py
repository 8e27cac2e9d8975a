"""Ledgers made by an older program: brought up to date once, whatever happens on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.errors import EngineError
from experiments.services.ledger import connect
from experiments.storage import migrations, sail, sql_files
from made import counts, put, rows_of, run_row
from older import FIRST_COLUMNS, NEWER, columns_of, everything, make_older, recorded

KNOWN = migrations.migrations()

OPENS = """
import sys

from experiments.services.ledger import connect

with connect(sys.argv[1]) as ledger:
    print(",".join(ledger.created))
"""

DIES_BEFORE_RECORDING = """
import os
import signal
import sys

from experiments.services.ledger import connect
from experiments.storage import catalog

catalog._record = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
connect(sys.argv[1])
"""


def run(code: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of 0.1.0."""
    path = tmp_path / "ledger"
    path.mkdir()
    make_older(monkeypatch, lambda: sail.start_sail(path, catalog="commodity", schema="experiments"))
    assert columns_of(path, "model_runs") == list(FIRST_COLUMNS["model_runs"])
    return path


def test_every_change_of_a_table_comes_as_a_migration() -> None:
    expected = {table: dict(columns) for table, columns in FIRST_COLUMNS.items()}
    for migration in KNOWN:
        expected[migration.table] |= {column.name: column.type for column in migration.columns}
    assert expected == {
        table: {column.name: column.type for column in sql_files.columns(table)} for table in sql_files.names("tables")
    }, "a new column needs a file in sql/migrations, a new table its columns in first_columns.json"


def test_a_migration_says_of_a_column_what_the_table_says() -> None:
    for migration in KNOWN:
        of_table = {column.name: column for column in sql_files.columns(migration.table)}
        assert all(of_table[column.name] == column for column in migration.columns)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("002_gap", "alter table t add columns (a int comment 'x')"),
        ("no_number", "alter table t add columns (a int comment 'x')"),
        ("001_drop", "drop table t"),
        ("001_empty", "alter table t add columns ()"),
        ("001_required", "alter table t add columns (a int not null comment 'x')"),
        ("001_two_on_a_line", "alter table t add columns (a int comment 'x', b int comment 'y')"),
        ("001_unexplained", "alter table t add columns (a int)"),
    ],
)
def test_a_file_that_could_do_harm_when_applied_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setattr(migrations, "names", lambda kind: (name,))
    monkeypatch.setattr(migrations, "statement", lambda kind, name: text)
    with pytest.raises(EngineError, match=name):
        migrations.migrations.__wrapped__()


@pytest.mark.engine
def test_a_new_ledger_is_at_the_newest_version(tmp_path: Path) -> None:
    with connect(tmp_path) as ledger:
        assert recorded(ledger) == [(migration.version, migration.name) for migration in KNOWN]


@pytest.mark.engine
def test_an_older_ledger_is_brought_up_to_date_and_keeps_its_rows(older: Path) -> None:
    before = {name for name in everything(older) if name.endswith(".parquet")}
    with connect(older) as ledger:
        assert set(ledger.created) == NEWER
        assert recorded(ledger) == [(migration.version, migration.name) for migration in KNOWN]
        put(ledger, "model_runs", run_row(data_notes="said"))
        assert [row["data_notes"] for row in rows_of(ledger, "model_runs")] == ["said"]
    for table in sql_files.names("tables"):
        assert sorted(columns_of(older, table)) == sorted(column.name for column in sql_files.columns(table))
    assert before <= everything(older).keys()
    logs = everything(older)
    with connect(older) as again:
        assert again.created == ()
    assert everything(older) == logs


@pytest.mark.engine
def test_asking_an_older_ledger_brings_it_up_to_date_too(older: Path) -> None:
    with connect(older, create=False) as ledger:
        assert ledger.commodities() == []
        assert recorded(ledger)


@pytest.mark.engine
def test_killed_before_it_was_recorded_it_is_applied_again_without_harm(older: Path) -> None:
    killed = run(DIES_BEFORE_RECORDING, older)
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    with connect(older) as ledger:
        assert recorded(ledger) == [(migration.version, migration.name) for migration in KNOWN]
    assert len(columns_of(older, "model_runs")) == len(set(columns_of(older, "model_runs")))


@pytest.mark.engine
def test_processes_that_upgrade_at_once_do_it_once(older: Path) -> None:
    running = [run(OPENS, older) for _ in range(3)]
    ended = [process.communicate(timeout=120) for process in running]
    assert [(process.returncode, errors) for process, (_, errors) in zip(running, ended, strict=True)] == [(0, "")] * 3
    with connect(older) as ledger:
        assert recorded(ledger) == [(migration.version, migration.name) for migration in KNOWN]
        assert counts(ledger)["schema_version"] == len(KNOWN)
    assert sorted(columns_of(older, "model_runs")) == sorted(column.name for column in sql_files.columns("model_runs"))


@pytest.mark.engine
def test_newer_tables_are_left_alone_and_it_is_said(tmp_path: Path) -> None:
    with connect(tmp_path) as ledger:
        put(ledger, "schema_version", {"version": 99, "name": "099_later"})
    before = everything(tmp_path)
    for create in (True, False):
        with pytest.raises(EngineError, match=r"at version 99, and this program.*upgrade"):
            connect(tmp_path, create=create)
    assert everything(tmp_path) == before


@pytest.fixture(params=["a int, b string", "experiment_id string, model_name string, run_timestamp string"])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder where somebody keeps a table of that name."""
    running = sail.start_sail(tmp_path, catalog="commodity", schema="experiments")
    running.spark.sql(f"create table model_runs ({request.param}) using delta location '{running.location}/model_runs'")
    running.close()
    return tmp_path


@pytest.mark.engine
def test_a_table_of_somebody_else_is_left_alone_and_named(foreign: Path) -> None:
    before = everything(foreign)
    with pytest.raises(EngineError, match=r"model_runs of .* is not this program's"):
        connect(foreign)
    assert everything(foreign) == before
