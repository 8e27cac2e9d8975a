"""What this machine and ledger look like, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.definitions import counted
from experiments.errors import ExperimentsError, first_line
from experiments.services.decisions.active import read_pruned, registry_path
from experiments.services.decisions.policy import read_policy
from experiments.services.ledger import Ledger, connect, ledger_folder
from experiments.services.models import describe
from experiments.services.provenance import capture, check_settings
from experiments.services.recorder import KEYS
from experiments.storage import catalog
from experiments.storage import engine as engines
from experiments.storage.spark import OLDEST_JAVA, java_version
from experiments.storage.sql_files import names

NEVER_ON_A_WORKSPACE = (
    "its code was run against a stand-in only (local Spark; the bundle checked offline), never on a real workspace"
)
"""What is said wherever Databricks is named."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at: `ok`, `note` (works, worth knowing) or `wrong`."""

    what: str
    state: str
    detail: str


def examine(path: str | Path | None = None, *, engine: str | None = None) -> list[Finding]:
    """Look at Python, packages, engine, ledger, Java and git; changes nothing and creates nothing.

    Parameters
    ----------
    path : str or Path, optional
        The ledger's folder, as for `connect`.
    engine : str, optional
        As for `connect`.
    """
    name = engines.choose(engine)
    try:
        check_settings()
    except ExperimentsError as error:  # without a setting that can be used nothing can be recorded
        return [Finding(what="settings", state="wrong", detail=str(error))]
    provenance = capture()
    packages: dict[str, str] = provenance.environment["packages"]
    findings = [
        Finding(what="python", state="ok", detail=f"{platform.python_version()} on {platform.platform()}"),
        Finding(what="machine", state="ok", detail=provenance.hardware_config),
        Finding(what="packages", state="ok", detail=", ".join(f"{name} {number}" for name, number in packages.items())),
        *_missing_models(),
        Finding(what="databricks", state="note", detail=NEVER_ON_A_WORKSPACE),
        *([] if name == "databricks" else _ledger(ledger_folder(path), name)),
        _java(needed=name == "spark"),
    ]
    commit = provenance.git_commit
    state = " with uncommitted changes" if provenance.git_dirty else ""
    findings.append(
        Finding(what="git", state="ok", detail=f"{commit[:12]} on {provenance.git_branch}{state}")
        if commit
        else Finding(what="git", state="note", detail="not in a repository: rows will not say which commit ran")
    )
    return findings


def _missing_models() -> list[Finding]:
    lacking: dict[str, list[str]] = {}
    try:
        variants = describe()
    except ExperimentsError as error:
        return [Finding(what="registry", state="wrong", detail=str(error))]
    for one in variants:
        if one["lacks"] is not None:
            lacking.setdefault(one["lacks"], []).append(one["name"])
    return [
        Finding(what="models", state="note", detail=f"{', '.join(names)} cannot run: lacking {lack}")
        for lack, names in lacking.items()
    ]


def _ledger(folder: Path, engine: str) -> list[Finding]:
    """Start the engine over the ledger, where there is one that needs nothing done to it."""
    schema = folder / "experiments"
    missing = catalog.missing_tables(schema)
    if len(missing) == len(names("tables")):
        return [_place_for(folder)]
    if missing:
        older = not KEYS.keys() & {*missing}  # all that was recorded is there
        why = (
            "it was made by an older version; the next command brings it up to date"
            if older
            else "run 'experiments init'"
        )
        detail = f"{folder} lacks {', '.join(missing)}: {why}"
        return [Finding(what="ledger", state="note" if older else "wrong", detail=detail)]
    started = time.perf_counter()
    try:
        if lacking := catalog.unrecorded(schema):
            detail = f"{folder} lacks the migrations {', '.join(lacking)}: the next command brings it up to date"
            return [Finding(what="ledger", state="note", detail=detail)]
        with connect(folder, engine=engine, create=False) as ledger:
            commodities = ledger.commodities()
            found = [_registry(ledger), _decisions(ledger)]
            seconds = time.perf_counter() - started
    except ExperimentsError as error:
        return [Finding(what="engine", state="wrong", detail=str(error))]
    except Exception as error:  # noqa: BLE001  whatever is wrong with the engine is what a doctor reports
        return [Finding(what="engine", state="wrong", detail=f"{type(error).__name__}: {first_line(error)}")]
    held = f"holds {', '.join(commodities)}" if commodities else "is empty"
    return [
        Finding(what="engine", state="ok", detail=f"{engine}, started and answered in {seconds:.1f} s"),
        Finding(what="ledger", state="ok", detail=f"{folder} {held}"),
        *found,
    ]


def _decisions(ledger: Ledger) -> Finding:
    """Whether the decisions hold, by a policy that can be read."""
    try:
        read_policy()
    except ExperimentsError as error:
        return Finding(what="decisions", state="wrong", detail=str(error))
    audited = ledger.audit()
    wrong = sum(bool(one.problems) for one in audited)
    held = "all hold" if not wrong else f"{wrong} do not hold: run 'experiments audit'"
    return Finding(
        what="decisions", state="wrong" if wrong else "ok", detail=f"{counted(len(audited), 'decision')}, {held}"
    )


def _registry(ledger: Ledger) -> Finding:
    """Whether the active registry is what the decisions in the ledger come to."""
    path = registry_path()
    try:
        listed = read_pruned()
    except ExperimentsError as error:
        return Finding(what="registry", state="wrong", detail=str(error))
    if sorted(listed) == ledger.decisions.pruned():
        return Finding(what="registry", state="ok", detail=f"{path}: {counted(len(listed), 'variant')} out of use")
    detail = f"{path} is not what the decisions in the ledger come to: 'experiments prune --apply' writes it anew"
    return Finding(what="registry", state="note", detail=detail)


def _place_for(folder: Path) -> Finding:
    """Whether a ledger can be made where there is none."""
    parent = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        detail = f"{folder} cannot be made: {parent} is not a folder to write in"
        return Finding(what="ledger", state="wrong", detail=detail)
    return Finding(what="ledger", state="note", detail=f"none at {folder} yet: 'experiments init' makes one")


def _java(*, needed: bool) -> Finding:
    version = java_version()
    who = f"the engine spark needs {OLDEST_JAVA} or newer, sail none"
    if version is None:
        return Finding(what="java", state="wrong" if needed else "note", detail=f"none that runs; {who}")
    old = version < OLDEST_JAVA
    return Finding(what="java", state="wrong" if needed and old else "ok", detail=f"{version}; {who}")
