"""Several writers at once, of which one at least is Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.services.ledger import Ledger, connect
from made import counts, put, run_row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

EACH = 2

SAIL = """
import sys

from experiments.services.ledger import connect
from made import put, run_row

path, schema, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(path, schema=schema, engine="sail") as ledger:
    print("ready", flush=True)
    print(sum(put(ledger, "model_runs", run_row(model_name=f"sail {n}")) for n in range(each)))
"""


def write(ledger: Ledger, name: str) -> int:
    return sum(put(ledger, "model_runs", run_row(model_name=f"{name} {n}")) for n in range(EACH))


def n_models(ledger: Ledger) -> int:
    return int(ledger.sql("select count(distinct model_name) as n from model_runs")["n"].item())


def test_threads_over_two_sessions_lose_nothing(spark: SparkSession, tmp_path: Path, name: str) -> None:
    connect(tmp_path, schema=name, engine="sail").close()  # the tables in a second instead of ten
    with (
        connect(tmp_path, schema=name, engine="spark") as one,
        connect(tmp_path, schema=name, engine="spark") as other,
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(write, (one, other, one, other), "abcd")) == [EACH] * 4
        assert counts(one)["model_runs"] == n_models(other) == 4 * EACH


def test_sail_and_spark_at_once_lose_nothing(spark: SparkSession, tmp_path: Path, name: str) -> None:
    paths = os.pathsep.join([str(Path(sys.modules["made"].__file__ or "").parent), *sys.path])
    with connect(tmp_path, schema=name, engine="spark") as ledger:
        process = subprocess.Popen(
            [sys.executable, "-c", SAIL, str(tmp_path), name, str(4 * EACH)],
            env={"PYTHONPATH": paths, "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert write(ledger, "spark") == EACH
        told, errors = process.communicate(timeout=120)
        assert (process.returncode, ready, told, errors) == (0, "ready\n", f"{4 * EACH}\n", "")
        assert counts(ledger)["model_runs"] == n_models(ledger) == 5 * EACH
    with connect(tmp_path, schema=name, engine="sail") as sail:
        assert counts(sail)["model_runs"] == n_models(sail) == 5 * EACH
