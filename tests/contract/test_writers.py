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
from made import put, rows_of, run_row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

SPARKS, SAILS = 2, 8
"""Rows of each writer where engines meet, of Sail as many as keep it busy beside Spark."""

SAIL = """
import sys

from experiments.services.ledger import connect
from made import put, run_row

path, schema, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
with connect(path, schema=schema, engine="sail") as ledger:
    print("ready", flush=True)
    print(sum(put(ledger, "model_runs", run_row(model_name=f"sail {n}")) for n in range(each)))
"""


def write(ledger: Ledger, name: str, each: int) -> int:
    return sum(put(ledger, "model_runs", run_row(model_name=f"{name} {n}")) for n in range(each))


def models(ledger: Ledger) -> int:
    """The models that have a row, none of them two."""
    names = [row["model_name"] for row in rows_of(ledger, "model_runs")]
    assert len(names) == len(set(names))
    return len(names)


def test_threads_over_two_sessions_lose_nothing(spark: SparkSession, tmp_path: Path, name: str) -> None:
    connect(tmp_path, schema=name, engine="sail").close()  # the tables in a second instead of ten
    with (
        connect(tmp_path, schema=name, engine="spark") as one,
        connect(tmp_path, schema=name, engine="spark") as other,
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(write, (one, other, one, other), "abcd", [1] * 4)) == [1] * 4
        assert models(one) == models(other) == 4


def test_sail_and_spark_at_once_lose_nothing(spark: SparkSession, tmp_path: Path, name: str) -> None:
    paths = os.pathsep.join([str(Path(sys.modules["made"].__file__ or "").parent), *sys.path])
    connect(tmp_path, schema=name, engine="sail").close()
    with connect(tmp_path, schema=name, engine="spark") as ledger:
        process = subprocess.Popen(
            [sys.executable, "-c", SAIL, str(tmp_path), name, str(SAILS)],
            env={"PYTHONPATH": paths, "PATH": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert write(ledger, "spark", SPARKS) == SPARKS
        told, errors = process.communicate(timeout=120)
        assert (process.returncode, ready, told, errors) == (0, "ready\n", f"{SAILS}\n", "")
        assert models(ledger) == SAILS + SPARKS
    with connect(tmp_path, schema=name, engine="sail") as sail:
        assert models(sail) == SAILS + SPARKS
