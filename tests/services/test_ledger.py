"""Opening, closing and finding a ledger; what is recorded when a process ends."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import DatabricksWriter, connect, log_experiment
from experiments.errors import ConflictError, EngineError, InvalidInputError, NotFoundError
from experiments.services import ledger as ledgers
from made import CONFIG, counts, put, rows_of, run_row, specified_experiment, windows

pytestmark = pytest.mark.engine

TESTS = Path(__file__).parents[1]


def python(code: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, where this package and the tests' helpers can be imported."""
    paths = os.pathsep.join([str(TESTS), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": paths, "PATH": os.environ["PATH"], "HOME": str(cwd)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class TestCurrent:
    def test_the_one_opened_last_and_still_open(self, tmp_path: Path) -> None:
        with connect(tmp_path / "a") as first:
            assert ledgers.current() is first
            with connect(tmp_path / "b") as second:
                assert ledgers.current() is second
            assert ledgers.current() is first

    def test_of_the_schema_asked_for(self, tmp_path: Path) -> None:
        with connect(tmp_path, schema="trial") as trial, connect(tmp_path) as other:
            assert ledgers.current("trial") is trial
            DatabricksWriter(schema="trial").write_experiment(specified_experiment())
            assert counts(trial)["model_runs"] == 1
            assert counts(other)["model_runs"] == 0

    def test_by_default_the_folder_ledger(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        opened = ledgers.current()
        assert opened.path == Path("ledger")
        assert (tmp_path / "ledger" / "experiments" / "model_runs" / "_delta_log").is_dir()

    def test_or_the_folder_of_the_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXPERIMENTS_PATH", str(tmp_path / "set"))
        log_experiment("mine", next(windows(1)), CONFIG | {"n_windows": 1})
        assert counts(ledgers.current())["model_runs"] == 1
        assert (tmp_path / "set" / "experiments").is_dir()


class TestConnect:
    def test_a_ledger_that_is_not_there_is_not_made_by_asking(self, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"there is no ledger at .*nowhere.*experiments init"):
            connect(tmp_path / "nowhere", create=False)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(EngineError, match="cannot be made"):
                connect(path)

    def test_a_schema_must_be_an_identifier(self, tmp_path: Path) -> None:
        for schema in ("a b", "1a", "a;b", "", "a.b"):
            with pytest.raises(InvalidInputError, match="is not an identifier"):
                connect(tmp_path, schema=schema)
        assert list(tmp_path.iterdir()) == []

    def test_the_environment_is_left_as_it_was(self, tmp_path: Path) -> None:
        before = dict(os.environ)
        connect(tmp_path).close()
        assert dict(os.environ) == before

    def test_times_are_utc_whatever_the_machine_says(self, tmp_path: Path) -> None:
        code = """
import sys
from made import *
from experiments import connect
with connect(sys.argv[1]) as ledger:
    put(ledger, "model_runs", run_row())
    print(rows_of(ledger, "model_runs")[0]["run_timestamp"], ledger.sql("select current_timezone() as z")["z"].item())
"""
        done = python(code, str(tmp_path / "ledger"), cwd=tmp_path, TZ="Asia/Tokyo")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "2025-01-11 09:30:00 UTC\n"


def test_a_path_may_go_up(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with connect(tmp_path / "here" / ".." / "there") as ledger:
        assert ledger.commodities() == []
    assert (tmp_path / "there" / "experiments").is_dir()


class TestClose:
    def test_twice_is_once(self, tmp_path: Path) -> None:
        opened = connect(tmp_path)
        opened.close()
        opened.close()
        assert opened not in ledgers._open_ledgers

    def test_a_closed_ledger_says_so(self, tmp_path: Path) -> None:
        opened = connect(tmp_path)
        opened.close()
        for ask in (
            opened.commodities,
            lambda: opened.sql("select 1"),
            lambda: opened.leaderboard("Coffee"),
            lambda: opened.log_experiment("mine", next(windows(1)), CONFIG | {"n_windows": 1}),
            lambda: opened.write_experiments([specified_experiment()]),
        ):
            with pytest.raises(EngineError, match="this ledger is closed: connect again"):
                ask()

    def test_an_error_in_the_block_is_passed_on_and_what_was_logged_is_recorded(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), connect(tmp_path):  # noqa: PT012
            log_experiment("mine", next(windows(1)), CONFIG)
            raise ZeroDivisionError
        with connect(tmp_path) as again:
            assert counts(again)["model_runs"] == 1

    def test_what_cannot_be_recorded_is_told_and_takes_nothing_with_it(self, tmp_path: Path) -> None:
        with connect(tmp_path) as first:
            first.log_experiment("mine", next(windows(1)), CONFIG)
        opened = connect(tmp_path)
        opened.log_experiment("mine", next(windows(1)) | {"y_hat": [1.0] * 14}, CONFIG)
        opened.log_experiment("other", next(windows(1)), CONFIG)
        with pytest.raises(ConflictError, match="mine v1 is recorded as"):
            opened.close()
        assert opened not in ledgers._open_ledgers
        opened.close()
        with connect(tmp_path) as again:
            assert sorted(row["model_name"] for row in rows_of(again, "model_runs")) == ["mine", "other"]

    def test_at_the_end_of_the_process_every_open_ledger_is_recorded(self, tmp_path: Path) -> None:
        code = """
import sys
from made import *
from experiments import connect
for name in sys.argv[1:]:
    ledger = connect(name)
    ledger.log_experiment("mine", next(windows(1)), CONFIG)
"""
        paths = [str(tmp_path / name) for name in "ab"]
        done = python(code, *paths, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        for path in paths:
            with connect(path) as ledger:
                assert counts(ledger)["model_runs"] == 1, path

    def test_a_hook_used_without_connecting_is_recorded_too(self, tmp_path: Path) -> None:
        code = """
from experiments import log_experiment
from made import *
for one in windows(3):
    log_experiment("mine", one, CONFIG)
"""
        done = python(code, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with connect(tmp_path / "ledger") as ledger:
            assert rows_of(ledger, "model_runs")[0]["n_windows"] == 3


class TestAsking:
    def test_parameters_are_values(self, tmp_path: Path) -> None:
        name = "x' or '1'='1"
        with connect(tmp_path) as ledger:
            put(ledger, "model_runs", run_row(commodity=name), run_row(commodity="other"))
            assert ledger.history(name)["commodity"].tolist() == [name]
            assert ledger.forecasts(name).empty
            assert ledger.windows(name).empty

    def test_windows_are_counted_on_the_grid_recorded_first_from_its_origin_else_a_cutoff(self, tmp_path: Path) -> None:
        from made import MONDAY, STARTED, backtest_row, window_row

        early, late, first, second = (dt.date(year, 1, 1) for year in (2010, 2020, 2012, 2021))
        with connect(tmp_path) as ledger:
            assert ledger.grid_origins("Coffee", "trading day", 14) == []
            put(
                ledger,
                "backtests",
                backtest_row(backtest_id="late", grid_origin=late, created_at=STARTED + dt.timedelta(days=1)),
                backtest_row(backtest_id="early", grid_origin=early),
                backtest_row(backtest_id="early, longer", grid_origin=early, horizon=28),
                backtest_row(backtest_id="own", grid_origin=None, created_at=STARTED - dt.timedelta(days=1)),
                backtest_row(backtest_id="step", grid_origin=dt.date(2000, 1, 1), step_size=7),
            )
            for backtest_id, cutoff in (("late", second), ("early", first), ("early, longer", first), ("own", MONDAY)):
                put(ledger, "model_runs", run := run_row(backtest_id=backtest_id))
                put(ledger, "run_windows", window_row(experiment_id=run["experiment_id"], cutoff=cutoff))
            assert ledger.grid_origins("Coffee", "trading day", 14) == [
                (early, None, early),
                (early, "Coffee", first),
                (late, None, late),
                (late, "Coffee", second),
            ]
            assert ledger.grid_origins("Coffee", "trading day", 7) == [(dt.date(2000, 1, 1), None, dt.date(2000, 1, 1))]
            assert ledger.grid_origins("Coffee", "week", 14) == []
            assert ledger.grid_origins("Tea", "trading day", 14) == []


def test_a_run_that_is_made_again_is_recorded_beside_the_one_it_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPERIMENTS_PATH", str(tmp_path / "original"))
    assert ledgers.ledger_folder("not there") == Path("not there")
    monkeypatch.setenv("EXPERIMENTS_REPRODUCES", "01a194b4-3340-7cbd-8bc2-51cfda245dae")
    assert ledgers.ledger_folder("not there") == tmp_path / "original"
    assert ledgers.ledger_folder(tmp_path / "elsewhere") == tmp_path / "elsewhere"
    assert ledgers.ledger_folder(".") == Path()
