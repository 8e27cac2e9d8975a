"""The engine behind the tables: one Spark session, whoever provides it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.definitions import ENGINES
from experiments.errors import unknown

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CATALOG = "commodity"
"""The catalog of the specified three-part name `commodity.experiments.model_runs`."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine; close it when done.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    session : SparkSession
        Its session, in UTC, with catalog and schema set.
    home : (str, str) or None
        Catalog and schema to return to before each use, where the session is shared with its owner.
    location : Path or None
        The folder of the schema's tables, as the engine is told it; None where the catalog manages them.
    cluster : mapping or None
        On Databricks, what its session tells of the cluster; nothing on serverless compute.
    close : callable
        Stops what was started for this engine; a second call does nothing harmful.
    """

    name: str
    session: SparkSession
    location: Path | None
    close: Callable[[], None]
    home: tuple[str, str] | None = None
    cluster: Mapping[str, str] | None = None

    @property
    def spark(self) -> SparkSession:
        """The session, at home."""
        if self.home is not None:
            self.session.conf.set("spark.sql.session.timeZone", "UTC")
            self.session.catalog.setCurrentCatalog(self.home[0])
            self.session.catalog.setCurrentDatabase(self.home[1])
        return self.session


def choose(name: str | None = None) -> str:
    """The engine to use: the one named, else EXPERIMENTS_ENGINE, else Databricks inside its runtime, else Sail.

    Raises
    ------
    NotFoundError
        If there is no such engine.
    """
    found = name or os.environ.get("EXPERIMENTS_ENGINE")
    if not found:
        return "databricks" if "DATABRICKS_RUNTIME_VERSION" in os.environ else "sail"
    if found not in ENGINES:
        raise unknown("engine", str(found), ENGINES)
    return found


def start(name: str, folder: Path | None, *, catalog: str, schema: str, create: bool = True) -> Engine:
    """Start an engine over the tables of a schema.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    folder : Path or None
        An existing folder, below which the schema's folder lies; None on Databricks.
    catalog, schema : str
        Checked identifiers. A local Spark has one catalog of its own, there the names have two parts.
    create : bool
        Whether to create a schema that Databricks has not.

    Raises
    ------
    EngineError
        If the engine's packages are not installed, or it does not start.
    NotFoundError
        If there is no such schema and `create` is false.
    """
    # each engine is imported alone: the others' packages need not be there
    if folder is None:
        from experiments.storage.databricks import start_databricks

        return start_databricks(catalog=catalog, schema=schema, create=create)
    if name == "spark":
        from experiments.storage.spark import start_spark

        return start_spark(folder, schema=schema)
    from experiments.storage.sail import start_sail

    return start_sail(folder, catalog=catalog, schema=schema)
