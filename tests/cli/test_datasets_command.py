"""`experiments datasets`: register, list, show and diff versions of data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from command import Run, refused

pytestmark = pytest.mark.engine


def test_from_a_file_to_what_changed_in_the_next(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_PATH", str(tmp_path / "ledger"))
    file = tmp_path / "coffee.csv"
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=10), "y": range(10)})
    frame.to_csv(file, index=False)
    register = ("datasets", "register", file, "--name", "coffee", "--time-column", "ds", "--targets", "y")
    done = run(*register, "--split", "train=0.8", "--split", "test=0.2")
    assert (done.code, done.err) == (0, "")
    assert "10 rows from coffee.csv" in done.out
    assert "target" in done.out
    assert "test: 2 rows, 2024-01-09 to 2024-01-10" in done.out
    frame.assign(y=frame["y"].where(frame["y"] != 3, 99))[1:].to_csv(file, index=False)
    second = run(*register, "--split", "train=2024-01-02..2024-01-05", "--json").json
    assert second["splits"] == {"train": {"n_rows": 4, "first": "2024-01-02", "last": "2024-01-05"}}
    first, again = run("datasets", "list", "--json").json
    assert (first["version"], again["version"], again["dataset_id"]) == (1, 2, second["dataset_id"])
    assert run("datasets", "show", again["dataset_id"][:6], "--json").json == second
    told = run("datasets", "diff", first["dataset_id"], again["dataset_id"]).out
    assert "Rows by ds: 8 same, 1 changed, 0 new, 1 gone." in told
    assert "smallest value" in told
    found = run("datasets", "diff", first["dataset_id"], again["dataset_id"], "--json").json
    assert found["rows"] == {"by": "ds", "n_same": 8, "n_new": 0, "n_gone": 1, "n_changed": 1}
    assert refused(run("datasets", "list", "--name", "tea"), "unknown dataset 'tea'. Known: coffee")


def test_what_is_not_understood_is_refused_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("y\n1\n")
    register = ("datasets", "register", tmp_path / "x.csv", "--name", "x", "--path", tmp_path / "ledger")
    for split in ("train", "=0.5", "train=", "train=half"):
        assert refused(run(*register, "--split", split), "give NAME=0.7", code=2)
    assert refused(run(*register, "--split", "a=0.1", "--split", "a=0.2"), "is there twice", code=2)
    assert refused(run("datasets", "register", "none.csv", "--name", "x"), "'none.csv' does not exist", code=2)
    assert refused(run("datasets", "list", "--path", tmp_path / "ledger"), "there is no ledger at")
    assert not (tmp_path / "ledger").exists()
