"""Several writers at once: threads of one process, and processes that race to create the tables."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.services.ledger import Ledger, connect
from made import counts, put, run_row

pytestmark = pytest.mark.engine

EACH = 8

WRITER = """
import sys

from experiments.services.ledger import connect
from made import put, run_row

path, name, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(path) as ledger:
    print(sum(put(ledger, "model_runs", run_row(model_name=f"{name} {n}")) for n in range(each)))
"""


def test_threads_over_two_sessions_lose_nothing(tmp_path: Path) -> None:
    def write(ledger: Ledger, name: str) -> int:
        return sum(put(ledger, "model_runs", run_row(model_name=f"{name} {n}")) for n in range(few))

    few = EACH // 2
    with connect(tmp_path) as one, connect(tmp_path) as other, ThreadPoolExecutor(4) as pool:
        written = pool.map(write, (one, other, one, other), "abcd")
        assert list(written) == [few] * 4
        assert counts(one)["model_runs"] == 4 * few
        assert one.sql("select count(distinct model_name) as n from model_runs")["n"].item() == 4 * few


def told_by(code: str, path: Path, names: str, each: int) -> list[tuple[int, str, str]]:
    """Exit code and output of processes that run at once, one a name."""
    paths = [str(Path(sys.modules["made"].__file__ or "").parent), *sys.path]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), name, str(each)],
            env={"PYTHONPATH": ":".join(paths), "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    ended = [process.communicate(timeout=120) for process in running]
    return [(process.returncode, *told) for process, told in zip(running, ended, strict=True)]


def test_processes_that_create_the_ledger_together_lose_nothing(tmp_path: Path) -> None:
    assert told_by(WRITER, tmp_path / "ledger", "ab", EACH) == [(0, f"{EACH}\n", "")] * 2
    with connect(tmp_path / "ledger") as ledger:
        assert ledger.created == ()
        assert counts(ledger)["model_runs"] == 2 * EACH


def test_the_same_rows_from_two_writers_are_there_once(tmp_path: Path) -> None:
    rows = [run_row() for _ in range(EACH)]
    with connect(tmp_path) as one, connect(tmp_path) as other, ThreadPoolExecutor(2) as pool:
        written = pool.map(lambda ledger: sum(put(ledger, "model_runs", row) for row in rows), (one, other))
        assert sum(written) == EACH
        assert counts(other)["model_runs"] == EACH


LOGGER = """
import sys

from experiments.services.ledger import connect
from made import CONFIG, windows

path, name, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(path) as ledger:
    for number in range(each):
        for results in windows(3):
            ledger.log_experiment(f"{name} {number}", results, CONFIG | {"n_windows": 3})
"""


def test_processes_that_log_evaluations_together_lose_and_double_nothing(tmp_path: Path) -> None:
    """The small count of benchmarks/many_writers.py."""
    writers, each = "abcd", 3
    assert told_by(LOGGER, tmp_path / "ledger", writers, each) == [(0, "", "")] * len(writers)
    with connect(tmp_path / "ledger") as ledger:
        evaluations = len(writers) * each
        expected = {"model_runs": evaluations, "experiments": evaluations, "run_windows": 3 * evaluations}
        assert expected.items() <= counts(ledger).items()
        assert counts(ledger)["forecasts"] == 3 * 14 * evaluations
        assert ledger.sql("select count(distinct model_name) as n from model_runs")["n"].item() == evaluations
