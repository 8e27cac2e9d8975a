"""A picture of the machine and packages a process runs on, and what differs between two of them."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError
from experiments.services import provenance
from experiments.services.reproduction import code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MATTER = frozenset(
    {
        *provenance.PACKAGES,
        *("catboost", "gymnasium", "jax", "jaxlib", "keras", "lightgbm", "numba", "polars", "pytorch-lightning"),
        *("stable-baselines3", "tensorflow", "transformers"),
    }
    - {"deltalake", "experiment-ledger", "pyarrow", "pysail", "pyspark"}
)
"""Packages whose version can change a number a run computes; others store it or carry it."""

MACHINE_ONLY = frozenset({"CUDA_VISIBLE_DEVICES", "DATABRICKS_RUNTIME_VERSION"})
"""Variables that name a part of one machine and mean nothing on another."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it was: `stored` and `now` are None where it was or is not there."""

    name: str
    stored: str | None
    now: str | None
    matters: bool


def capture_environment_snapshot() -> dict[str, Any]:
    """What this process runs on: Python, platform, packages, hardware, code, and variables on an allow-list.

    Returns
    -------
    dict
        Ready for JSON: `captured_at`, `python_version`, `python_implementation`, `platform`, `packages` (name to
        version of everything installed), `hardware` (`description`, `machine`, `cores`, and `memory_bytes` and `gpus`
        where they are known), `git` (`commit`, `branch`, `dirty`, `remote` without credentials) and
        `environment_variables`. No other variable is ever read into it.

    Examples
    --------
    >>> capture_environment_snapshot()["python_version"].count(".")
    2
    """
    found = provenance.environment(whole=True)
    state = code.state()
    return of_row(found) | {
        "captured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python_implementation": platform.python_implementation(),
        "hardware": _hardware(str(found["hardware_config"])),
        "git": {"commit": state.commit, "branch": state.branch, "dirty": state.dirty, "remote": state.remote},
    }


def of_row(environment: Mapping[str, Any], run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A recorded environment in the form of `capture_environment_snapshot`.

    Parameters
    ----------
    environment : mapping
        A row of `environments`.
    run : mapping, optional
        The row of `experiments`, for the state of the code.
    """
    snapshot = {
        "python_version": environment["python_version"],
        "platform": environment["platform"],
        "packages": dict(environment.get("packages") or {}),
        "hardware": {"description": environment["hardware_config"]},
        "environment_variables": dict(environment.get("variables") or {}),
    }
    if run is not None:
        snapshot["git"] = {name: run.get(f"git_{name}") for name in ("commit", "branch", "dirty", "remote")}
    return snapshot


def compare(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """What differs between two snapshots: what can change a result first, then by name.

    Python's version, the packages in `MATTER`, the commit and the variables (but for those in `MACHINE_ONLY`) can
    change a result. The platform and the hardware mostly do not, and then only in the last bits. A part that either
    snapshot does not have is not compared.

    Parameters
    ----------
    stored, now : mapping
        As `capture_environment_snapshot` makes them.

    Raises
    ------
    InvalidInputError
        If one is no such mapping.
    """
    for name, given in (("stored", stored), ("now", now)):
        if not isinstance(given, dict) or "python_version" not in given:
            msg = (
                f"{name} is {given!r:.60}: give what capture_environment_snapshot() makes, a dict with python_version."
            )
            raise InvalidInputError(msg)
    return sorted(_differences(stored, now), key=lambda one: (not one.matters, one.name))


def _differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name, matters in (("python_version", True), ("platform", False)):
        yield from _different(name, stored.get(name), now.get(name), matters=matters)
    parts: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("hardware", lambda name: False),
        ("git", lambda name: name in ("commit", "dirty")),
        ("packages", lambda name: name in MATTER),
        ("environment_variables", lambda name: name not in MACHINE_ONLY),
    )
    for part, matter in parts:
        before, after = stored.get(part), now.get(part)
        if before and after is not None:  # else one of them does not say
            names = {"description"} if part == "hardware" else {*before, *after}  # a row has no more of it
            for name in names:
                heading = f"{part} {name}" if part in ("hardware", "git") else name
                yield from _different(heading, before.get(name), after.get(name), matters=matter(name))


def _different(name: str, stored: object, now: object, *, matters: bool) -> Iterator[Difference]:
    if stored != now:
        before, after = (None if value is None else str(value) for value in (stored, now))
        yield Difference(name=name, stored=before, now=after, matters=matters)


def _hardware(description: str) -> dict[str, Any]:
    found: dict[str, Any] = {"description": description, "machine": platform.machine(), "cores": os.cpu_count()}
    if (memory := provenance.memory_bytes()) is not None:
        found["memory_bytes"] = memory
    torch = sys.modules.get("torch")  # one that is not in use is not loaded to ask it
    if torch is not None and torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return found
