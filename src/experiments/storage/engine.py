"""The engine behind the tables: Sail, a Spark Connect server inside this process, without a JVM."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from experiments.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

CATALOG = "commodity"
"""The catalog of the specified three-part name `commodity.experiments.model_runs`."""

_PATIENCE_SECONDS = 2
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A running engine; close it when done.

    Parameters
    ----------
    name : str
        "sail".
    spark : SparkSession
        Its session, in UTC, with catalog and schema set.
    location : Path
        The folder of the schema's tables, as the engine is told it.
    """

    name: str
    spark: SparkSession
    location: Path
    server: Any
    alias: tempfile.TemporaryDirectory[str] | None

    def close(self) -> None:
        """Stop the session and the server, once; a query that is still running is not waited for."""
        goodbye = threading.Thread(target=self._stop, daemon=True)
        goodbye.start()
        goodbye.join(timeout=_PATIENCE_SECONDS)
        if self.alias is not None:
            self.alias.cleanup()

    def _stop(self) -> None:
        with suppress(Exception):  # the server is going away: nothing useful can be done about a failed goodbye
            self.spark.stop()
        with suppress(Exception):
            self.server.stop()


def start(folder: Path, *, schema: str) -> Engine:
    """Start the embedded engine over the tables of `schema` below `folder`.

    Parameters
    ----------
    folder : Path
        An existing folder.
    schema : str
        A checked identifier.

    Raises
    ------
    EngineError
        If the engine's packages are not installed.
    """
    try:
        from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession as ConnectSession
    except ImportError as error:
        msg = f"the embedded engine is not installed ({error.name}): pip install 'experiment-ledger[local]'."
        raise EngineError(msg) from error
    with _sail_environment(schema):
        server = SparkConnectServer(ip="127.0.0.1", port=0)
        server.start(background=True)
    _, port = server.listening_address
    spark = ConnectSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    # the server is in this process: there is no connection to lose, and without the client's thread pool
    # what is still open can be recorded while the interpreter exits
    spark.client.disable_reattachable_execute()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    location, alias = _plain(folder / schema)
    return Engine(name="sail", spark=cast("SparkSession", spark), location=location, server=server, alias=alias)


@contextmanager
def _sail_environment(schema: str) -> Iterator[None]:
    """Sail reads its catalog from the environment when it starts; put back what was there."""
    settings = {
        "SAIL_CATALOG__LIST": f'[{{type="memory", name="{CATALOG}", initial_database=[{json.dumps(schema)}]}}]',
        "SAIL_CATALOG__DEFAULT_CATALOG": json.dumps(CATALOG),
        "SAIL_CATALOG__DEFAULT_DATABASE": json.dumps([schema]),
        "RUST_LOG": os.environ.get("RUST_LOG", "off"),  # what is wrong comes back as an error all the same
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _plain(folder: Path) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    """A path Sail reads as it stands: it percent-encodes others, so those get a symbolic link for this session."""
    folder = folder.absolute()
    if _PLAIN_PATH.fullmatch(str(folder)):
        return folder, None
    folder.mkdir(parents=True, exist_ok=True)
    alias = tempfile.TemporaryDirectory(prefix="experiments-")
    link = Path(alias.name) / "tables"
    link.symlink_to(folder, target_is_directory=True)
    return link, alias
