"""What ran: the commit, the machine, the packages. An allow-list, so that no secret reaches a table."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from experiments.identity import digest

PACKAGES = (
    "arch",
    "deltalake",
    "experiment-ledger",
    "numpy",
    "pandas",
    "pyarrow",
    "pysail",
    "pyspark",
    "scikit-learn",
    "scipy",
    "statsforecast",
    "statsmodels",
    "xgboost",
    "xgboost-cpu",
)
"""Packages that can change a result."""

VARIABLES = (
    "DATABRICKS_RUNTIME_VERSION",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
)
"""Environment variables that may be recorded; no other ever is."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a row of the ledger says of the code and machine behind it."""

    git_commit: str | None
    git_branch: str | None
    git_dirty: bool | None
    python_version: str
    hardware_config: str
    run_by: str
    databricks_cluster_id: str | None
    environment: dict[str, Any]

    @property
    def environment_id(self) -> str:
        """Digest of the snapshot: equal machines and packages share one row of `environments`."""
        return str(self.environment["environment_id"])


def capture() -> Provenance:
    """Take the snapshot of this process: the environment once, the state of the code anew."""
    snapshot = _environment()
    commit, branch, dirty = _code()
    return Provenance(
        git_commit=commit,
        git_branch=branch,
        git_dirty=dirty,
        python_version=snapshot["python_version"],
        hardware_config=snapshot["hardware_config"],
        run_by=_user(),
        databricks_cluster_id=None,
        environment=snapshot,
    )


@cache
def _environment() -> dict[str, Any]:
    """A row of `environments`, but for the time."""
    snapshot: dict[str, Any] = {
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "hardware_config": _hardware(),
        "packages": {name: found for name in PACKAGES if (found := _installed(name))},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }
    return {"environment_id": digest(snapshot), **snapshot}


def _code() -> tuple[str | None, str | None, bool | None]:
    """Commit, branch and whether tracked files have changed; None where there is no commit to name."""
    state = _git("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if state is None:
        return None, None, None
    lines = state.splitlines()
    facts = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    commit = facts.get("branch.oid")
    if commit in (None, "(initial)"):
        return None, facts.get("branch.head"), None
    return commit, facts.get("branch.head"), any(not line.startswith("# ") for line in lines)


def _git(*arguments: str) -> str | None:
    """Output of a git command in the current folder; None where there is no git or no repository."""
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments, no shell
            ["git", *arguments],  # noqa: S607  the git the user would type
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _hardware() -> str:
    gibibytes = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        gibibytes = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return f"local: {os.cpu_count()} cores{gibibytes}, {platform.machine()}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _user() -> str:
    try:
        return os.environ.get("EXPERIMENTS_RUN_BY") or getpass.getuser()
    except (KeyError, OSError):  # no such user on this machine
        return "unknown"
