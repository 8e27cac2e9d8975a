"""An MLflow store on this machine: looked at before MLflow is, which makes a store where there is none."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from experiments.errors import InvalidInputError, NotFoundError
from experiments.services.exchange.server import check_uri
from experiments.storage import sqlite

_ACCEPTED = "give the URI of a server, such as http://localhost:5000, or of a store, such as sqlite:///mlflow.db."
_NO_FOLDERS = ("databricks", "databricks-uc", "uc")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_TABLES = {"alembic_version", "experiments", "runs"}


def check_store(uri: str, *, may_be_made: bool = False) -> None:
    """See that a URI that leads to this machine leads to a store of MLflow; nothing is made. A server is not asked.

    Parameters
    ----------
    uri : str
    may_be_made : bool
        Whether an empty place, or one that is not there in a folder that is, is accepted too.

    Raises
    ------
    NotFoundError
        If there is none.
    InvalidInputError
        If the URI is no text, or what is there is something else.
    EngineError
        If mlflow is not installed.
    """
    check_uri(uri)
    place, is_folder = _place(uri)
    if place is None:
        return
    try:
        there = place.exists()
    except OSError:  # a name no file can have
        there = False
    if not there:
        if not may_be_made:
            msg = f"there is no MLflow store at {place}: {_ACCEPTED}"
            raise NotFoundError(msg)
        if not place.parent.is_dir():
            msg = f"there is no folder {place.parent} to make an MLflow store in: {_ACCEPTED}"
            raise NotFoundError(msg)
    elif not (may_be_made and _is_empty(place)) and not (_is_folder(place) if is_folder else _is_database(place)):
        msg = f"{place} is no MLflow store: {_ACCEPTED}"
        raise InvalidInputError(msg)


def _place(uri: str) -> tuple[Path | None, bool]:
    """Where on this machine a URI leads, None for nowhere; and whether a folder is meant, or else a SQLite file."""
    scheme = uri.partition(":")[0].lower()
    if scheme.partition("+")[0] == "sqlite" and "://" in uri:
        database = unquote(uri.partition("://")[2].partition("?")[0])[1:]
        return Path(database.removeprefix("file:") or ":memory:"), False
    if scheme == "file":
        return Path(unquote(urlsplit(uri).path)), True
    if uri in _NO_FOLDERS or _SCHEME.match(uri):
        return None, False
    return Path(unquote(uri)), True


def _is_empty(place: Path) -> bool:
    return not any(place.iterdir()) if place.is_dir() else place.stat().st_size == 0


def _is_folder(place: Path) -> bool:
    """Whether a folder has an experiment of MLflow, be it a deleted one."""
    return any(any(place.glob(pattern)) for pattern in ("*/meta.yaml", ".trash/*/meta.yaml"))


def _is_database(place: Path) -> bool:
    """Whether a SQLite file has MLflow's tables: in any other MLflow would make them."""
    try:
        with sqlite.opened(place) as tables:
            return set(tables.names()) >= _TABLES
    except (NotFoundError, InvalidInputError):
        return False
