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


def test_processes_that_create_the_ledger_together_lose_nothing(tmp_path: Path) -> None:
    paths = [str(Path(sys.modules["made"].__file__ or "").parent), *sys.path]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "ledger"), name, str(EACH)],
            env={"PYTHONPATH": ":".join(paths), "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [(process.returncode, *told) for process, told in zip(running, ended, strict=True)] == [
        (0, f"{EACH}\n", "")
    ] * 2
    with connect(tmp_path / "ledger") as ledger:
        assert ledger.created == ()
        assert counts(ledger)["model_runs"] == 2 * EACH


def test_the_same_rows_from_two_writers_are_there_once(tmp_path: Path) -> None:
    rows = [run_row() for _ in range(EACH)]
    with connect(tmp_path) as one, connect(tmp_path) as other, ThreadPoolExecutor(2) as pool:
        written = pool.map(lambda ledger: sum(put(ledger, "model_runs", row) for row in rows), (one, other))
        assert sum(written) == EACH
        assert counts(other)["model_runs"] == EACH
