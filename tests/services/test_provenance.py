"""What is recorded of machine, code and user: an allow-list, and no secret."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from experiments.services.provenance import PACKAGES, VARIABLES, _environment, capture
from experiments.storage import catalog
from made import CONFIG, rows_of, specified_experiment, windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.services.ledger import Ledger

SECRET = "dapi0123456789abcdef-not-for-any-table"  # noqa: S105  made up, to be looked for


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """The snapshot is taken once a process: take it anew for each of these tests."""
    _environment.cache_clear()
    yield
    _environment.cache_clear()


@pytest.mark.engine
def test_no_table_holds_a_secret_of_the_environment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABRICKS_TOKEN", "AWS_SECRET_ACCESS_KEY", "EXPERIMENTS_PASSWORD", "OMP_NUM_THREADS_SECRET"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for one in windows(3):
        ledger.log_experiment("mine", one, CONFIG | {"n_windows": 3})
    ledger.write_experiments([specified_experiment()])
    for table in catalog.names("tables"):
        rows = rows_of(ledger, table)
        assert rows
        assert SECRET not in str(rows)
    assert not [path for path in ledger.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    environment = rows_of(ledger, "environments")[0]
    assert set(dict(environment["variables"])) <= set(VARIABLES)
    assert dict(environment["variables"])["OMP_NUM_THREADS"] == "3"
    assert set(dict(environment["packages"])) <= set(PACKAGES)


@pytest.mark.engine
def test_an_evaluation_says_where_and_by_whom_it_was_made(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_RUN_BY", "Francisco")
    for one in windows(2):
        ledger.log_experiment("mine", one, CONFIG | {"n_windows": 2})
    run, environment = rows_of(ledger, "model_runs")[0], rows_of(ledger, "environments")[0]
    assert run["run_by"] == "Francisco"
    assert run["environment_id"] == environment["environment_id"]
    assert run["hardware_config"] == environment["hardware_config"]
    assert "cores" in run["hardware_config"]
    assert environment["python_version"].startswith("3.")
    assert rows_of(ledger, "experiments")[0]["python_version"] == environment["python_version"]


@pytest.mark.engine
def test_equal_snapshots_share_a_row(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        _environment.cache_clear()
        ledger.log_experiment(name, next(windows(1)), CONFIG | {"n_windows": 1})
    assert len(rows_of(ledger, "environments")) == 1
    monkeypatch.setenv("PYTHONHASHSEED", "17")
    _environment.cache_clear()
    ledger.log_experiment("c", next(windows(1)), CONFIG | {"n_windows": 1})
    assert len(rows_of(ledger, "environments")) == 2


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


def test_commit_branch_and_changes_are_those_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    (tmp_path / "model.py").write_text("one = 1\n")
    git(tmp_path, "add", "model.py")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.chdir(tmp_path)
    clean = capture()
    assert (clean.git_commit, clean.git_branch, clean.git_dirty) == (git(tmp_path, "rev-parse", "HEAD"), "trunk", False)
    (tmp_path / "model.py").write_text("one = 2\n")
    assert capture().git_dirty is True


def test_outside_a_repository_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = capture()
    assert (found.git_commit, found.git_branch, found.git_dirty) == (None, None, None)


def test_nor_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture().git_commit is None


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert capture().run_by == "unknown"
