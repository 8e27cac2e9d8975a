"""Sail, the embedded engine: a Spark Connect server inside this process, without a JVM."""

from __future__ import annotations

import atexit
import json
import os
import re
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from experiments.errors import EngineError, first_line
from experiments.storage.engine import Engine
from experiments.storage.views import OnDemand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

_PATIENCE_SECONDS = 2
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")


_at_exit: list[Any] = []
"""What waits for the server when a process ends."""


def _leave_to_parent() -> None:
    """In a forked child: it has no server to wait for, and would wait for ever."""
    for waits in _at_exit:
        atexit.unregister(waits)


os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def _exits_noted() -> Iterator[None]:
    """Note what is registered to be run when this process ends."""
    register = atexit.register

    def noting(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[..., Any]:
        _at_exit.append(function)
        return register(function, *arguments, **named)

    atexit.register = noting  # type: ignore[assignment]
    try:
        yield
    finally:
        atexit.register = register


def start_sail(folder: Path, *, catalog: str, schema: str) -> Engine:
    """Start the server over the tables of `schema` below `folder`; see `engine.start`."""
    try:
        with _exits_noted():
            from pysail.spark import SparkConnectServer
        from pyspark.sql.connect.session import SparkSession as ConnectSession
    except ImportError as error:
        msg = f"the embedded engine is not installed ({error.name}): pip install 'experiment-ledger[local]'."
        raise EngineError(msg) from error
    location, alias = _plain(folder / schema)
    try:
        with _environment(catalog, schema), _exits_noted():
            server = SparkConnectServer(ip="127.0.0.1", port=0)
            server.start(background=True)
        _, port = server.listening_address
        with _exits_noted():
            spark = ConnectSession.builder.remote(f"sc://127.0.0.1:{port}").create()
        # the server is in this process: there is no connection to lose, and without the client's thread pool
        # what is still open can be recorded while the interpreter exits
        spark.client.disable_reattachable_execute()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    except Exception as error:
        msg = f"the embedded engine does not start: {first_line(error)}"
        raise EngineError(msg) from error

    def stop() -> None:
        with suppress(Exception):  # the server is going away: nothing useful can be done about a failed goodbye
            spark.stop()
        with suppress(Exception):
            server.stop()

    def close() -> None:
        """Stop session and server; a query that is still running is not waited for."""
        goodbye = threading.Thread(target=stop, daemon=True)
        goodbye.start()
        goodbye.join(timeout=_PATIENCE_SECONDS)
        if alias is not None:
            alias.cleanup()

    return Engine(
        name="sail", session=cast("SparkSession", OnDemand(cast("SparkSession", spark))), location=location, close=close
    )


@contextmanager
def _environment(catalog: str, schema: str) -> Iterator[None]:
    """Sail reads its catalog from the environment when it starts; put back what was there."""
    settings = {
        "SAIL_CATALOG__LIST": f'[{{type="memory", name="{catalog}", initial_database=[{json.dumps(schema)}]}}]',
        "SAIL_CATALOG__DEFAULT_CATALOG": json.dumps(catalog),
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
    folder = Path(os.path.abspath(folder))  # Sail takes no path with .. in it
    if _PLAIN_PATH.fullmatch(str(folder)):
        return folder, None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made: {error.strerror}."
        raise EngineError(msg) from error
    alias = tempfile.TemporaryDirectory(prefix="experiments-")
    link = Path(alias.name) / "tables"
    link.symlink_to(folder, target_is_directory=True)
    return link, alias
