"""One Spark for the whole suite, and two ledgers with the same content: one made by Sail, one by Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.content import JAVA, SCHEMAS, Twins, fill
from experiments.services import ledger as ledgers
from experiments.services.ledger import connect
from experiments.storage import spark as spark_engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUICK = {
    "spark.default.parallelism": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.ui.explainMode": "simple",
}
"""A few rows a query: what prepares Spark for millions takes longer than they do."""

ONE_PART = {"spark.sql.shuffle.partitions": "1", "spark.databricks.delta.snapshotPartitions": "1"}
"""As above; what every session of the program sets anew."""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session that is active from here on, as a user's own would be: ledgers use it, none stops it."""
    found = spark_engine.java_version()
    if found is None or found < spark_engine.OLDEST_JAVA:
        has = "none" if found is None else f"Java {found}"
        pytest.skip(f"Spark needs Java {spark_engine.OLDEST_JAVA} or newer; this machine has {has}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JAVA_TOOL_OPTIONS", JAVA)
        patched.setattr(spark_engine, "_LOCAL", spark_engine._LOCAL | QUICK)
        patched.setattr(spark_engine, "_SESSION", spark_engine._SESSION | ONE_PART)
        session = spark_engine._start_local()
        yield session
        session.stop()


@pytest.fixture(scope="session")
def twins(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """The same calls recorded by each engine, then each opened by the other too; every test leaves them so."""
    opened: Twins = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("outside"))  # no repository: no commit that could change in between
        for maker, schema in SCHEMAS.items():
            opened[maker, maker] = made = connect(Path(f"{maker}_made").absolute(), schema=schema, engine=maker)
            fill(made, workers="spark" if maker == "spark" else 0)
        for maker, reader in (("sail", "spark"), ("spark", "sail")):
            path = opened[maker, maker].path
            opened[maker, reader] = connect(path, schema=SCHEMAS[maker], engine=reader, create=False)
    for one in opened.values():  # not the current ledger of any test
        ledgers._open_ledgers.remove(one)
    yield opened
    for one in opened.values():
        ledgers._open_ledgers.append(one)
        one.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A schema of its own for each test: a Spark session knows a schema in one place only."""
    return "".join(char if char.isalnum() else "_" for char in request.node.name)
