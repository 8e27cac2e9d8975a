"""Apache Spark with delta-spark: the session that is there, else one started on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from experiments.errors import EngineError, first_line
from experiments.storage.engine import Engine
from experiments.storage.sql_files import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

OLDEST_JAVA = 17
"""The oldest Java that Spark 4 runs on."""

_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.default": "delta",
    # statements take named parameters only so, with Delta's parser
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Sail reads no INT96
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
}
"""Settings of a session; those of the engine's own machine are in `_LOCAL`."""

_LOCAL = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def start_spark(folder: Path, *, schema: str) -> Engine:
    """Use the session that is active, else start one on this machine; see `engine.start`.

    A session that was there is used beside its owner's settings and outlives the engine; a Spark that was started here
    is shared by all engines over it and stops with the last.
    """
    try:
        import delta  # noqa: F401
        import pyspark.sql  # noqa: F401
    except ImportError as error:
        msg = f"the engine Spark is not installed ({error.name}): pip install 'experiment-ledger[local]'."
        raise EngineError(msg) from error
    spark, close = _shared.join()
    location = Path(os.path.abspath(folder / schema))
    try:
        _use(spark, schema, location)
    except BaseException:
        close()
        raise
    return Engine(name="spark", session=spark, location=location, close=close)


class _Shared:
    """The Spark started here, and how many engines use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: SparkSession | None = None
        self._users = 0

    def join(self) -> tuple[SparkSession, Callable[[], None]]:
        """A session of its own, and what ends its use."""
        with self._lock:
            if self._started is None:
                there = _running()
                if there is not None:
                    return there.newSession(), lambda: None
                self._started = _start_local()
            session = self._started.newSession()
            self._users += 1
        done = threading.Event()

        def leave() -> None:
            with self._lock:
                if done.is_set() or self._started is None:
                    return
                done.set()
                self._users -= 1
                if self._users == 0:
                    self._started.stop()
                    self._started = None

        return session, leave


_shared = _Shared()


def _running() -> SparkSession | None:
    """The session of this thread, else of this process; None where there is none."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        return SparkSession.active()
    except PySparkException:
        return None


def _use(spark: SparkSession, schema: str, location: Path) -> None:
    """Set a session up over the schema at a location."""
    for name, value in _SESSION.items():
        spark.conf.set(name, value)
    try:
        # Spark makes a schema's folder, so it is told the ledger's own
        spark.sql(f"create schema if not exists `{schema}` location '{quoted(location)}'")
        spark.sql(f"use `{schema}`")
        taken = _place_of(spark, "model_runs")
    except Exception as error:
        msg = f"Spark cannot use the schema {schema}: {first_line(error)}"
        raise EngineError(msg) from error
    if taken is not None and taken != location / "model_runs":
        msg = f"the schema {schema} of this Spark session holds the ledger at {taken.parent}: give another schema."
        raise EngineError(msg)


def java_version() -> int | None:
    """The major version of the Java that Spark would start; None where there is none that runs."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        return None
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found else None


def _place_of(spark: SparkSession, table: str) -> Path | None:
    """The folder of a table the session's catalog knows."""
    if not spark.catalog.tableExists(table):
        return None
    location = spark.sql(f"describe detail {table}").collect()[0]["location"]
    return Path(unquote(urlparse(location).path))


def _start_local() -> SparkSession:
    from delta import configure_spark_with_delta_pip
    from pyspark.sql import SparkSession

    version = java_version()
    if version is None or version < OLDEST_JAVA:
        found = "none was found" if version is None else f"this is Java {version}"
        msg = f"the engine Spark needs Java {OLDEST_JAVA} or newer, and {found}: install it, or use the engine sail."
        raise EngineError(msg)
    # what is spread over it runs on this Python, not on the first of the path
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = Path(str(files("experiments.storage") / "spark_settings"))
    options = f"-Dlog4j2.configurationFile={(settings / 'log4j2.properties').as_uri()}"
    # a task whose Python worker dies is tried again, as on a cluster
    builder = SparkSession.builder.master("local[*,4]").appName("experiments")
    for name, value in (_SESSION | _LOCAL).items():
        builder = builder.config(name, value)
    builder = builder.config("spark.driver.extraJavaOptions", options)
    # Maven Central alone: Spark would first ask the local Maven cache, and stumble over an entry without its jar
    builder = builder.config("spark.jars.ivySettings", str(settings / "ivysettings.xml"))
    builder = builder.config("spark.sql.warehouse.dir", tempfile.gettempdir())
    with _output_in_file() as told:
        try:
            return configure_spark_with_delta_pip(builder).getOrCreate()
        except Exception as error:
            said = [line for line in told.read_text(errors="replace").splitlines() if line.strip()]
            reason = next((line for line in said if "Exception" in line or "Error" in line), str(error))
            msg = f"the engine Spark does not start: {reason.strip()}"
            raise EngineError(msg) from error


@contextmanager
def _output_in_file() -> Iterator[Path]:
    """The JVM inherits standard output and error when it starts, and tells them much: let it tell a file."""
    with tempfile.NamedTemporaryFile(prefix="experiments-spark-", suffix=".log") as told:
        kept = [os.dup(stream) for stream in (1, 2)]
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        try:
            for number in (1, 2):
                os.dup2(told.fileno(), number)
            yield Path(told.name)
        finally:
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(original, number)
                os.close(original)
