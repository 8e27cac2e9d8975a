"""Databricks: the session of the runtime, the tables managed by Unity Catalog."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from experiments.errors import EngineError, NotFoundError, first_line
from experiments.storage.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_CLUSTER_TAGS = ("clusterId", "driverNodeType", "clusterNodeType", "clusterWorkers")


def start_databricks(*, catalog: str, schema: str, create: bool) -> Engine:
    """Use a session beside that of the notebook or job, or where it can have none, that one; see `engine.start`."""
    shared = _session()
    try:
        spark = shared.newSession()
    except Exception:  # noqa: BLE001  Spark Connect has none
        spark = shared
    try:
        spark.catalog.setCurrentCatalog(catalog)
        there = spark.catalog.databaseExists(schema)
        if not there and create:  # who may only read may not ask for it even where it is there
            spark.sql(f"create schema if not exists `{schema}`")
        if there or create:
            spark.catalog.setCurrentDatabase(schema)
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    except Exception as error:
        msg = f"the schema {catalog}.{schema} cannot be used: {first_line(error)}"
        msg += (
            f" Ask the owner of the catalog {catalog} for USE CATALOG on it, and for USE SCHEMA on {catalog}.{schema}"
        )
        msg += f" or, where that is not there, CREATE SCHEMA on {catalog}." if create else "."
        raise EngineError(msg) from error
    if not there and not create:
        msg = f"there is no schema {catalog}.{schema}: make a ledger there with 'experiments job backtest'."
        raise NotFoundError(msg)
    return Engine(
        name="databricks",
        session=spark,
        location=None,
        close=lambda: None,
        home=(catalog, schema) if spark is shared else None,
        cluster=_cluster(shared),
    )


def _cluster(spark: SparkSession) -> dict[str, str]:
    """What Databricks tells of its cluster, by tag; nothing on serverless compute."""
    found = {}
    for tag in _CLUSTER_TAGS:
        with suppress(Exception):  # serverless compute refuses to be asked
            found[tag] = str(spark.conf.get(f"spark.databricks.clusterUsageTags.{tag}"))
    return found


def _session() -> SparkSession:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        msg = "there is no Spark session: the engine databricks runs in a notebook or job of a workspace."
        raise EngineError(msg) from error
    active = SparkSession.getActiveSession()
    if active is None and "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        msg = "there is no Spark session: the engine databricks runs in a notebook or job of a workspace."
        raise EngineError(msg)
    if active is None:
        try:
            active = SparkSession.builder.getOrCreate()  # inside the runtime: the one it provides
        except Exception as error:
            msg = f"there is no Spark session to use: {first_line(error)}"
            raise EngineError(msg) from error
    return active
