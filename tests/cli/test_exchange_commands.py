"""`experiments import sqlite`, `import mlflow` and `export mlflow`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command import Run, refused
from experiments.services.exchange import mlflow_export, mlflow_import
from experiments.services.exchange.arriving import Arrived
from experiments.services.exchange.mlflow_export import Exported

pytestmark = pytest.mark.engine

MAPPING = """
[experiments]
table = "runs"
id = "id"
name = "name"
started_at = "begun"

[[metrics]]
table = "points"
experiment = "run"
values = ["loss"]
step = "step"
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One ledger for the module."""
    return tmp_path_factory.mktemp("exchange") / "ledger"


def test_a_sqlite_file_is_tried_imported_and_imported_again(run: Run, path: Path, tmp_path: Path) -> None:
    file, mapping = tmp_path / "old.db", tmp_path / "map.toml"
    mapping.write_text(MAPPING)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            """
            create table runs (id integer primary key, name text, begun text);
            create table points (run integer, step integer, loss real);
            insert into runs values (1, 'one', '2024-01-01');
            insert into points values (1, 0, 0.5), (1, 1, 0.25), (7, 0, 1.0);
            """
        )
    asked = ("import", "sqlite", file, "--map", mapping, "--path", path)
    # tried without a ledger, or refused, it leaves none behind
    tried = run(*asked, "--dry-run")
    assert tried.out == f"1 run in {file}; would be new: 1 run, 2 metric points.\n"
    assert tried.err.endswith("note: there is no ledger yet: everything in the file would be new.\n")
    assert refused(run("import", "sqlite", file, "--path", path), "unknown table 'experiments'")
    assert refused(run(*asked[:3], "--map", tmp_path / "no.toml", "--path", path), "there is no mapping")
    missing = tmp_path / "no.db"
    assert refused(run("import", "mlflow", f"sqlite:///{missing}", "--path", path), f"no MLflow store at {missing}")
    assert not path.exists()
    assert not missing.exists()
    assert run("init", "--path", path).code == 0
    tried = run(*asked, "--dry-run")
    assert tried.out == f"1 run in {file}; would be new: 1 run, 2 metric points.\n"
    assert tried.err == "note: 1 row of metrics belong to no run of the file and were left out.\n"
    done = run(*asked, "--json").json
    assert (done["runs"], done["new"], done["dry_run"]) == (1, {"metrics": 2, "experiments": 1}, False)
    assert run(*asked).out == f"1 run in {file}; new here: nothing.\n"
    assert refused(run("import", "sqlite", file, "--path", path), "unknown table 'experiments'")
    assert refused(run("import", "sqlite", tmp_path / "none.db", "--path", path), "there is no file")
    assert refused(run("export", "mlflow", "http://127.0.0.1:9", "--path", path), "cannot be reached")


def test_what_came_and_went_is_told_and_what_could_not_be_read_ends_with_1(
    run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def imported(_: Any, uri: str, **given: Any) -> Arrived:
        asked.append((uri, given))
        failed = () if given["experiments"] else ("artifacts of the MLflow run abc cannot be read: gone",)
        return Arrived(source=uri, runs=2, new={"experiments": 1, "artifacts": 3}, ended=1, failed=failed)

    def exported(_: Any, uri: str, **given: Any) -> Exported:
        asked.append((uri, given))
        return Exported(target=uri, runs=3, new={"runs": 2, "metrics": 1000}, origin=1, notes=("left out",))

    monkeypatch.setattr(mlflow_import, "import_mlflow", imported)
    monkeypatch.setattr(mlflow_export, "export_mlflow", exported)
    done = run("import", "mlflow", "http://x", "--experiment", "a", "--experiment", "b", "--path", path)
    assert (done.code, done.out) == (0, "2 runs in http://x; new here: 1 run, 3 artifacts; 1 run ended since.\n")
    done = run("import", "mlflow", "http://x", "--path", path, "--json")
    assert (done.code, done.json["new"]["artifacts"]) == (1, 3)
    assert done.err.startswith("error: artifacts of the MLflow run abc cannot be read: gone; the rest is imported")
    done = run("export", "mlflow", "http://y", "--experiment", "a", "--run", "01", "--run", "02", "--path", path)
    told = "3 runs to http://y; new there: 2 runs, 1,000 metric points. 1 run came from there.\n"
    assert (done.code, done.out, done.err) == (0, told, "note: left out\n")
    assert run("export", "mlflow", "http://y", "--path", path, "--json").json["origin"] == 1
    assert asked == [
        ("http://x", {"experiments": ("a", "b")}),
        ("http://x", {"experiments": None}),
        ("http://y", {"experiment": "a", "ids": ("01", "02")}),
        ("http://y", {"experiment": None, "ids": None}),
    ]
