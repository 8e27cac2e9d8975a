"""What this machine and ledger look like, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import ExperimentsError
from experiments.services.ledger import DEFAULT_PATH, connect
from experiments.services.provenance import capture
from experiments.storage import catalog

OPTIONAL_MODELS = {"statsforecast": "auto_arima", "xgboost-cpu": "xgboost"}
"""Packages of the extra `models`, and what needs them."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at: `ok`, `note` (works, worth knowing) or `wrong`."""

    what: str
    state: str
    detail: str


def examine(path: str | Path | None = None) -> list[Finding]:
    """Look at Python, packages, engine, ledger, Java and git; changes nothing and creates nothing.

    Parameters
    ----------
    path : str or Path, optional
        The ledger's folder, as for `connect`.
    """
    folder = Path(path or os.environ.get("EXPERIMENTS_PATH") or DEFAULT_PATH)
    provenance = capture()
    packages: dict[str, str] = provenance.environment["packages"]
    findings = [
        Finding(what="python", state="ok", detail=f"{platform.python_version()} on {platform.platform()}"),
        Finding(what="machine", state="ok", detail=provenance.hardware_config),
        Finding(what="packages", state="ok", detail=", ".join(f"{name} {number}" for name, number in packages.items())),
        *_missing_models(packages),
        *_ledger(folder),
        _java(),
    ]
    commit = provenance.git_commit
    state = " with uncommitted changes" if provenance.git_dirty else ""
    findings.append(
        Finding(what="git", state="ok", detail=f"{commit[:12]} on {provenance.git_branch}{state}")
        if commit
        else Finding(what="git", state="note", detail="not in a repository: rows will not say which commit ran")
    )
    return findings


def _missing_models(packages: dict[str, str]) -> list[Finding]:
    installed = {*packages, *(["xgboost-cpu"] if "xgboost" in packages else [])}
    return [
        Finding(what=name, state="note", detail=f"not installed, {model} will fail: install the extra 'models'")
        for name, model in OPTIONAL_MODELS.items()
        if name not in installed
    ]


def _ledger(folder: Path) -> list[Finding]:
    """Start the engine over the ledger, where there is one."""
    missing = catalog.missing_tables(folder / "experiments")
    if missing and len(missing) < len(catalog.names("tables")):
        detail = f"{folder} lacks {', '.join(missing)}: 'experiments init' makes what is missing"
        return [Finding(what="ledger", state="wrong", detail=detail)]
    if missing:
        parent = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            return [
                Finding(
                    what="ledger",
                    state="wrong",
                    detail=f"{folder} cannot be made: {parent} is not a folder to write in",
                )
            ]
        detail = f"none at {folder} yet: 'experiments init' makes one"
        return [Finding(what="ledger", state="note", detail=detail)]
    started = time.perf_counter()
    try:
        with connect(folder, create=False) as ledger:
            commodities = ledger.commodities()
            seconds = time.perf_counter() - started
    except ExperimentsError as error:
        return [Finding(what="engine", state="wrong", detail=str(error))]
    except Exception as error:  # noqa: BLE001  whatever is wrong with the engine is what a doctor reports
        return [Finding(what="engine", state="wrong", detail=f"{type(error).__name__}: {str(error).splitlines()[0]}")]
    held = f"holds {', '.join(commodities)}" if commodities else "is empty"
    return [
        Finding(what="engine", state="ok", detail=f"sail, started and answered in {seconds:.1f} s"),
        Finding(what="ledger", state="ok", detail=f"{folder} {held}"),
    ]


def _java() -> Finding:
    java = shutil.which("java")
    if java is None:
        return Finding(what="java", state="note", detail="not found; the embedded engine needs none")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
        detail = done.stderr.splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        return Finding(what="java", state="note", detail=f"{java} does not run: {error}")
    return Finding(what="java", state="ok", detail=f"{detail}; the embedded engine needs none")
