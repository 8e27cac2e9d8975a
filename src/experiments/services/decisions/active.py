"""The active registry: a file that says which variants are out of use, for people to review and commit.

The decisions are the truth; the file is what they come to, and what backtests go by.
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError, InvalidInputError

if TYPE_CHECKING:
    from experiments.services.decisions.chain import Decision

SETTING = "EXPERIMENTS_REGISTRY"
"""Environment variable that names the file."""

DEFAULT = "registry.toml"

_HEADER = """\
# Variants of the registry that are out of use, by commodity: a backtest that names no models leaves them out.
# Written by 'experiments prune --apply' and 'experiments restore' from the decisions in the ledger; review and commit.

"""
_KEYS = ("commodity", "model", "version", "since", "why", "decision")


@dataclass(frozen=True, kw_only=True, order=True)
class Pruned:
    """A variant that is out of use for a commodity, since when, why, and by which decision."""

    commodity: str
    model: str
    version: str
    since: dt.date
    why: str
    decision: str


def registry_path() -> Path:
    """Where the file is, if there is one."""
    return Path(os.environ.get(SETTING) or DEFAULT)


def read_pruned() -> list[Pruned]:
    """The variants out of use; none where there is no file.

    Raises
    ------
    InvalidInputError
        If the file cannot be read or is no such list.
    """
    path = registry_path()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        msg = f"the active registry {path} cannot be read as TOML: {error}."
        raise InvalidInputError(msg) from error
    tables = document.get("pruned", [])
    if set(document) - {"pruned"} or not isinstance(tables, list):
        msg = f"the active registry {path} has {', '.join(document)}: it takes tables [[pruned]] only."
        raise InvalidInputError(msg)
    return [_entry(path, number, table) for number, table in enumerate(tables, 1)]


def pruned_of(commodity: str) -> dict[tuple[str, str], Pruned]:
    """The variants out of use for a commodity, by name and version."""
    return {(one.model, one.version): one for one in read_pruned() if one.commodity == commodity}


def entries(decisions: Iterable[Decision]) -> list[Pruned]:
    """What prunings in force come to."""
    return sorted(
        Pruned(
            commodity=one.commodity,
            model=one.model_name,
            version=one.model_version,
            since=one.decided_at.date(),
            why=one.verdict if one.reason is None else f"{one.verdict}; {one.reason}",
            decision=one.decision_id,
        )
        for one in decisions
    )


def check_registry() -> list[Pruned]:
    """What the file lists, having seen that it can be written: before a decision that will change it.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or its folder cannot be written to.
    """
    path = registry_path()
    if not os.access(path.parent, os.W_OK):
        msg = f"the active registry {path} cannot be written: name another file in {SETTING}."
        raise InvalidInputError(msg)
    return read_pruned()


def write_pruned(found: Iterable[Pruned]) -> bool:
    """Bring the file up to date, at once or not at all; returns whether it changed.

    Raises
    ------
    EngineError
        If it cannot be written.
    """
    import tomli_w

    path = registry_path()
    listed = [{name: getattr(one, name) for name in _KEYS} for one in sorted(found)]
    text = _HEADER + tomli_w.dumps({"pruned": listed})
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        if not path.exists() and not listed:
            return False
        written = path.with_name(f".{path.name}.{os.getpid()}")
        written.write_text(text, encoding="utf-8")
        written.replace(path)
    except OSError as error:
        msg = f"the active registry {path} cannot be written: {error.strerror}. The decisions are recorded."
        raise EngineError(msg) from error
    return True


def _entry(path: Path, number: int, table: Any) -> Pruned:
    where = f"the active registry {path}, [[pruned]] number {number},"
    if not isinstance(table, dict) or set(table) != set(_KEYS):
        msg = f"{where} must have exactly {', '.join(_KEYS)}."
        raise InvalidInputError(msg)
    for name, value in table.items():
        kind = dt.date if name == "since" else str
        if not isinstance(value, kind):
            msg = f"{where} has {name} = {value!r}: give {'a date' if name == 'since' else 'a text'}."
            raise InvalidInputError(msg)
    return Pruned(**table)
