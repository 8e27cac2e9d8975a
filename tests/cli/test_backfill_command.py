"""`experiments backfill`: every model on every commodity of a file, as known at several dates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from experiments.services.ledger import connect
from made import counts, rows_of

if TYPE_CHECKING:
    from command import Run

SECTION = """
[[backtest]]
commodity = "{commodity}"
data = "{data}"
models = {models}
horizon = 2
windows = {windows}
train_size = 40
"""

SLOW = """
import os
import time
import numpy as np
import experiments

@experiments.register("slow")
def fit(window):
    time.sleep(float(os.environ.get("SECONDS_TO_FIT", 0)))
    return np.full(window.horizon, window.y[-1])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prices of two commodities on 100 trading days, a file that says so, and the test working beside them."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("coffee", "wti")):
        walk = 100 + np.random.default_rng(seed).normal(size=100).cumsum()
        pd.DataFrame({"ds": pd.bdate_range("2024-01-01", periods=100), "y": walk}).to_csv(f"{name}.csv", index=False)
    write(tmp_path)
    return tmp_path


def write(folder: Path, models: str = '["naive", "random_walk"]', windows: int = 12) -> None:
    text = [
        SECTION.format(commodity=name.upper(), data=f"{name}.csv", models=models, windows=windows)
        for name in ("coffee", "wti")
    ]
    (folder / "grid.toml").write_text("".join(text))


@pytest.mark.engine
class TestBackfill:
    def test_a_finished_one_fits_nothing_and_newer_data_the_new_windows_only(self, run: Run, folder: Path) -> None:
        dates = ("--as-of", "2024-05-03", "--as-of", "2024-04-19")
        first = run("backfill", "grid.toml", *dates, "--json")
        assert (first.code, first.err) == (0, "")
        told = [(one["commodity"], one["as_of"], one["n_fits"], one["n_reused"]) for one in first.json]
        # ten trading days are five windows of two
        assert told == [
            ("COFFEE", "2024-04-19", 24, 0),
            ("COFFEE", "2024-05-03", 10, 14),
            ("WTI", "2024-04-19", 24, 0),
            ("WTI", "2024-05-03", 10, 14),
        ]
        again = run("backfill", "grid.toml", *dates[:2])
        assert again.out.count(": 0 fits, 24 forecasts recorded before") == 2
        with connect(folder / "ledger") as ledger:
            assert counts(ledger)["model_runs"] == 8
            runs = rows_of(ledger, "model_runs")
            # the last date a complete window had reached, of those that were known
            assert all(row["data_as_of"].isoformat() <= "2024-05-03" for row in runs)
            assert {row["run_timestamp"].year for row in runs} != {2024}
        whole = run("backfill", "grid.toml", "--json")
        assert [one["as_of"] for one in whole.json] == [None, None]
        assert [one["n_fits"] for one in whole.json] == [10, 10]

    def test_interrupted_it_goes_on_where_it_was(self, run: Run, folder: Path) -> None:
        write(folder, '["naive", "slow"]', windows=6)
        (folder / "slow.py").write_text(SLOW)
        command = [sys.executable, "-c", "from experiments.cli.main import main; main()"]
        arguments = ["backfill", "grid.toml", "--model-file", "slow.py"]
        slow = os.environ | {"SECONDS_TO_FIT": "0.6"}
        with subprocess.Popen([*command, *arguments], env=slow, stderr=subprocess.PIPE, text=True) as process:
            while not any((folder / "ledger").glob("experiments/*/_delta_log/*0.json")):
                assert process.poll() is None
            try:
                process.wait(timeout=2.5)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            told = process.communicate()[1]
        assert process.returncode == 130
        assert "done and kept; run it again to go on" in told
        with connect(folder / "ledger") as ledger:
            kept = counts(ledger)["run_windows"]
        done = run(*arguments, "--json")
        assert (done.code, sum(one["n_fits"] for one in done.json)) == (0, 24 - kept)
        with connect(folder / "ledger") as ledger:
            assert (counts(ledger)["run_windows"], counts(ledger)["model_runs"]) == (24, 4)

    def test_one_commodity_that_fails_does_not_stop_the_other(self, run: Run, folder: Path) -> None:
        (folder / "coffee.csv").write_text("ds,y\n2024-01-01,1\n")
        done = run("backfill", "grid.toml", "--as-of", "2024-05-03")
        assert done.code == 1
        assert done.err.startswith("error: COFFEE as of 2024-05-03: the data of COFFEE: 12 windows of 2 steps")
        assert "WTI as of 2024-05-03: 24 fits" in done.out

    def test_a_date_before_the_data_is_refused(self, run: Run, folder: Path) -> None:
        done = run("backfill", "grid.toml", "--as-of", "2020-01-01")
        assert done.code == 1
        assert "the data of COFFEE begins on 2024-01-01 and has nothing as of 2020-01-01: give a later date" in done.err
        assert not (folder / "ledger").exists()


def test_a_file_that_is_not_there_and_a_date_that_is_none(run: Run, folder: Path) -> None:
    assert "there is no file other.toml" in run("backfill", "other.toml").err
    done = run("backfill", "grid.toml", "--as-of", "yesterday")
    assert (done.code, done.out) == (2, "")
    assert "give dates such as 2024-12-31" in done.err
    assert not (folder / "ledger").exists()
