"""Databricks: the session of the runtime, the tables managed by Unity Catalog."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from experiments.errors import EngineError
from experiments.storage.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_CLUSTER_TAGS = ("clusterId", "driverNodeType", "clusterNodeType", "clusterWorkers")


def start_databricks(*, catalog: str, schema: str) -> Engine:
    """Use the session of the notebook or job; see `engine.start`."""
    spark = _session()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        spark.sql(f"set catalog `{catalog}`")
        if not spark.catalog.databaseExists(schema):  # who may only read may not say this even where it changes nothing
            spark.sql(f"create schema if not exists `{schema}`")
        spark.sql(f"use schema `{schema}`")
    except Exception as error:
        msg = f"the schema {catalog}.{schema} cannot be used: {str(error).strip().splitlines()[0]}"
        raise EngineError(msg) from error
    return Engine(name="databricks", spark=spark, location=None, close=lambda: None)


def cluster(engine: Engine) -> dict[str, str] | None:
    """What Databricks tells of its cluster, by tag; nothing on serverless compute, None on another engine."""
    if engine.name != "databricks":
        return None
    found = {}
    for tag in _CLUSTER_TAGS:
        with suppress(Exception):  # serverless compute refuses to be asked
            found[tag] = str(engine.spark.conf.get(f"spark.databricks.clusterUsageTags.{tag}"))
    return found


def _session() -> SparkSession:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        msg = "there is no Spark session: the engine databricks runs in a notebook or job of a workspace."
        raise EngineError(msg) from error
    active = SparkSession.getActiveSession()
    if active is None:
        try:
            active = SparkSession.builder.getOrCreate()  # inside the runtime: the one it provides
        except Exception as error:
            msg = f"there is no Spark session to use: {str(error).strip().splitlines()[0]}"
            raise EngineError(msg) from error
    return active
