"""Which engine is started, and that Spark starts without a word or says in one what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.content import JAVA
from experiments.errors import NotFoundError
from experiments.services.ledger import connect
from violating import engine_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from contract.content import Twins

pytestmark = [pytest.mark.engine, pytest.mark.spark]

QUIET = """
import sys
from threading import Thread

from pyspark.sql import SparkSession

from contract.conftest import QUICK
from experiments.services.ledger import connect
from experiments.storage import spark
from made import put, run_row, rows_of

spark._LOCAL |= QUICK
first = connect(sys.argv[1], engine="spark")
second = []
thread = Thread(target=lambda: second.append(connect(sys.argv[1], engine="spark")))
thread.start()
thread.join()
first.close()
first.close()
put(second[0], "model_runs", run_row())
assert len(rows_of(second[0], "model_runs")) == 1
second[0].close()
assert SparkSession.getActiveSession() is None
"""
"""Two ledgers over one Spark, opened by two threads: the last to close stops it."""

WITHOUT_JAVA = """
import sys

from experiments.errors import EngineError
from experiments.services.ledger import connect

try:
    connect(sys.argv[1], engine="spark")
except EngineError as error:
    print(error)
"""


def run(code: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(Path(sys.modules["made"].__file__ or "").parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=path,
        env={"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_spark_starts_and_stops_without_a_word_and_leaves_nothing_behind(spark: SparkSession, tmp_path: Path) -> None:
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    connect(work, engine="sail").close()  # the tables in a second instead of ten
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    done = run(QUIET, work, TMPDIR=str(temporary), JAVA_TOOL_OPTIONS=JAVA, **inherited)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(entry.name for entry in work.iterdir()) == ["experiments"]
    assert [entry.name for entry in temporary.iterdir()] == []


@pytest.mark.parametrize("home", [{}, {"JAVA_HOME": "nothing"}], ids=["no JAVA_HOME", "a JAVA_HOME of nothing"])
def test_without_java_it_says_so(tmp_path: Path, home: dict[str, str]) -> None:
    done = run(WITHOUT_JAVA, tmp_path, PATH="", **home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "the engine Spark needs Java 17 or newer, and none was found: install it, or use the engine sail.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_engine_is_named_with_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = r"unknown engine 'sprak'\. Did you mean 'spark'\? Known: databricks, sail, spark\."
    with pytest.raises(NotFoundError, match=words):
        connect(tmp_path, engine="sprak")
    monkeypatch.setenv("EXPERIMENTS_ENGINE", "sprak")
    with pytest.raises(NotFoundError, match=words):
        connect(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_setting_names_the_engine_and_an_argument_overrules_it(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = twins["sail", "sail"]
    monkeypatch.setenv("EXPERIMENTS_ENGINE", "spark")
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    for engine, expected in ((None, "spark"), ("sail", "sail")):
        with connect(made.path, schema=made.schema, engine=engine, create=False) as ledger:
            assert engine_of(ledger).name == expected
            assert ledger.commodities() == ["Cocoa", "Coffee"]
