"""The jobs a scheduler starts, run on a laptop: `experiments job NAME`."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from command import refused
from experiments.services import maintenance
from experiments.services.decisions import active
from experiments.services.ledger import connect
from experiments.storage.engine import start
from experiments.storage.migrations import migrations
from experiments.storage.table import commit
from made import counts, put, put_losses, run_row
from older import NEWER, make_older

if TYPE_CHECKING:
    from command import Run

TODAY = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
N = 20
RANDOM = np.random.default_rng(9)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
GOOD = [a - 0.7 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]

BACKFILL = """
[[backtest]]
commodity = "Coffee"
data = "coffee.csv"
models = ["naive", "random_walk"]
horizon = 2
windows = 4
train_size = 40
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("jobs")
    with connect(path) as ledger:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
    return path


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    with connect(tmp_path / "empty"):
        return tmp_path / "empty"


@pytest.mark.engine
def test_initialise_says_what_it_did(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("job", "initialise", "--path", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Created artifacts, backtests, checkpoints, ")
    again = run("job", "initialise", "--path", tmp_path / "new")
    assert again.out == f"Nothing was to do: the ledger in {tmp_path / 'new'} is complete.\n"

    (tmp_path / "old").mkdir()
    make_older(monkeypatch, lambda: start("sail", tmp_path / "old", catalog="commodity", schema="experiments"))
    told = run("job", "initialise", "--path", tmp_path / "old", "--json").json
    assert (set(told["created"]), told["migrated"]) == (NEWER, [one.name for one in migrations()])
    assert (told["applied"], told["notes"]) == ([], [])


def test_initialise_where_nothing_can_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(run("job", "initialise", "--path", tmp_path / "file" / "led"), "cannot be made: Not a directory")


@pytest.mark.engine
def test_backfill_is_the_command_and_run_again_fits_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    days = np.busday_offset("2024-01-01", np.arange(60), roll="forward")
    rows = [f"{day},{100 + number % 7}" for number, day in enumerate(days)]
    Path("coffee.csv").write_text("\n".join(["ds,y", *rows]))
    Path("all.toml").write_text(BACKFILL)
    job = ("job", "backfill", "--config", "all.toml", "--schema", "mine", "--json")
    first = run(*job, "--as-of", days[-5])
    assert (first.code, [one["n_fits"] for one in first.json]) == (0, [8])
    again = run(*job, "--as-of", days[-5])
    assert (again.code, [one["n_fits"] for one in again.json]) == (0, [0])
    with connect("ledger", schema="mine") as ledger:
        assert counts(ledger)["model_runs"] == 2
    assert "there is no file other.toml" in run("job", "backfill", "--config", "other.toml").err


@pytest.mark.engine
@pytest.mark.parametrize("name", ["pruning", "presentation"])
def test_reports_are_named_after_the_day(run: Run, filled: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "made" / "here"
    written = [f"{folder}/{name}-report-{TODAY}.{form}" for form in ("html", "pptx")]
    done = run("job", f"{name}-report", "--path", filled, "--output-dir", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [f"Written to {one}." for one in written]
    assert all(Path(one).stat().st_size > 1000 for one in written)


@pytest.mark.engine
def test_an_empty_ledger_is_no_failure(run: Run, empty: Path, tmp_path: Path) -> None:
    done = run("job", "pruning-report", "--path", empty, "--output-dir", tmp_path, "--json")
    assert (done.code, done.json["headline"]) == (
        0,
        "There is nothing for the pruning report yet: no evaluation is finished.",
    )
    assert len(list(tmp_path.glob(f"pruning-report-{TODAY}.*"))) == 2
    done = run("job", "promotion-check", "--path", empty)
    assert (done.code, done.out, done.err) == (0, "There is nothing to check.\n", "")


def test_what_keeps_a_report_from_being_written_is_told_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    done = run("job", "pruning-report", "--path", tmp_path / "none", "--output-dir", tmp_path / "file")
    assert refused(done, "cannot be made: File exists. Name another with --output-dir.")
    monkeypatch.setitem(sys.modules, "pptx", None)
    done = run("job", "pruning-report", "--path", tmp_path / "none", "--output-dir", tmp_path / "folder")
    assert refused(done, "pptx reports need pptx: pip install 'experiment-ledger[reports]'.")
    assert not (tmp_path / "folder").exists()


@pytest.mark.engine
def test_promotion_check(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(active.SETTING, str(tmp_path / "registry.toml"))
    with connect(tmp_path / "led") as ledger:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
    done = run("job", "promotion-check", "--path", tmp_path / "led")
    assert (done.code, done.err) == (0, "")
    assert "what the latest evidence says of it" in done.out
    assert done.out.rstrip().endswith("by `experiments promote good --commodity Coffee`.")
    with connect(tmp_path / "led") as ledger:
        ledger.decisions.promote("good", "Coffee")
        commit(ledger.engine, "delete from model_runs where model_name = 'good'")
    done = run("job", "promotion-check", "--commodity", "Coffee", "--path", tmp_path / "led", "--json")
    assert done.code == 0
    assert [(one["follows"], one["evaluation_there"]) for one in done.json] == [("gone", False)]
    assert refused(run("job", "promotion-check", "--commodity", "Tea", "--path", tmp_path / "led"), "'Tea'")


@pytest.mark.engine
def test_promotion_check_of_what_cannot_be_checked_fails(
    run: Run, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPERIMENTS_POLICY", "none.toml")
    done = run("job", "promotion-check", "--path", filled)
    assert done.code == 1
    assert done.err.startswith("error: Coffee: ")


@pytest.mark.engine
def test_maintenance(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(tmp_path) as ledger:
        for _ in range(2):
            put(ledger, "model_runs", run_row())
    dry = run("job", "maintenance", "--path", tmp_path, "--dry-run", "--json").json
    assert dry["dry_run"] is True
    assert {one["files_after"] for one in dry["tables"]} == {None}
    done = run("job", "maintenance", "--path", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "files cleared away" in done.out
    assert refused(run("job", "maintenance", "--path", tmp_path, "--retain-hours", "0"), "at least 1 on this machine")
    assert refused(run("job", "maintenance", "--path", tmp_path / "none"), "there is no ledger at")

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(maintenance, "tend_table", fail)
    done = run("job", "maintenance", "--path", tmp_path)
    assert done.code == 1
    assert done.err.startswith("error: ZeroDivisionError")
