"""What ran: the commit, the machine, the packages. An allow-list, so that no secret reaches a table."""

from __future__ import annotations

import getpass
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import TYPE_CHECKING, Any

from experiments.identity import digest
from experiments.services.links import configured_links
from experiments.services.prices import usd_per_hour
from experiments.services.reproduction import code, seeds

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = (
    "arch",
    "cmdstanpy",
    "deltalake",
    "experiment-ledger",
    "neuralprophet",
    "numpy",
    "pandas",
    "prophet",
    "pyarrow",
    "pysail",
    "pyspark",
    "scikit-learn",
    "scipy",
    "statsforecast",
    "statsmodels",
    "torch",
    "xgboost",
    "xgboost-cpu",
)
"""Packages that can change a result."""

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DATABRICKS_RUNTIME_VERSION",
    "JAX_ENABLE_X64",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
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
    usd_per_core_hour: float | None
    environment: dict[str, Any]

    def cost(self, seconds: float | None) -> float | None:
        """What fits of so many seconds cost, US dollars: one fit occupies one core of the machine it runs on."""
        if seconds is None or self.usd_per_core_hour is None:
            return None
        return seconds / 3600 * self.usd_per_core_hour

    @property
    def environment_id(self) -> str:
        """Digest of the snapshot: equal machines and packages share one row of `environments`."""
        return str(self.environment["environment_id"])


def check_settings() -> None:
    """See that the user's prices and links can be used, before anything is fitted for them.

    Raises
    ------
    InvalidInputError
        If one cannot.
    """
    usd_per_hour("local")
    configured_links({})


def capture(cluster: Mapping[str, str] | None = None) -> Provenance:
    """Take the snapshot of this process: the packages once, the state of the code anew.

    Parameters
    ----------
    cluster : mapping, optional
        On Databricks, what its session tells of the cluster: `clusterId`, `driverNodeType`, `clusterNodeType`,
        `clusterWorkers`; nothing else is recorded. It is empty on serverless compute, which tells nothing.

    Raises
    ------
    InvalidInputError
        If the user's prices cannot be read.
    """
    machine = _machine(cluster)
    snapshot = environment(cluster)
    commit, branch, dirty = code.head()
    price = usd_per_hour(machine)
    return Provenance(
        git_commit=commit,
        git_branch=branch,
        git_dirty=dirty,
        python_version=snapshot["python_version"],
        hardware_config=snapshot["hardware_config"],
        run_by=user(),
        databricks_cluster_id=(cluster or {}).get("clusterId"),
        usd_per_core_hour=None if price is None else price / (os.cpu_count() or 1),
        environment=snapshot,
    )


def environment(cluster: Mapping[str, str] | None = None, *, whole: bool = False) -> dict[str, Any]:
    """A row of `environments`, but for the time.

    Parameters
    ----------
    cluster : mapping, optional
        As of `capture`.
    whole : bool
        Whether to record every package that is installed; by default those in `PACKAGES`, of which all that a backtest
        fits is made.
    """
    snapshot: dict[str, Any] = {
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "hardware_config": _hardware(cluster, _machine(cluster)),
        "packages": dict(_installed_packages() if whole else _packages_that_matter()),
        "variables": variables(),
    }
    return {"environment_id": digest(snapshot), **snapshot}


def variables() -> dict[str, str]:
    """The environment variables on the allow-list, PYTHONHASHSEED as this process was started with it."""
    found = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    found.pop("PYTHONHASHSEED", None)
    started_with = seeds.hash_seed()
    return found if started_with is None else found | {"PYTHONHASHSEED": started_with}


@cache
def _packages_that_matter() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _installed(name))}


@cache
def _installed_packages() -> dict[str, str]:
    """Every distribution by its normalised name; of one that is there twice the one that is imported."""
    found: dict[str, str] = {}
    for one in distributions():
        with suppress(TypeError, LookupError):  # one whose installation was interrupted has neither
            found.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.metadata["Version"])
    return dict(sorted(found.items()))


def _machine(cluster: Mapping[str, str] | None) -> str:
    """The kind of machine this process runs on, under the name prices go by: on a cluster, its driver."""
    if cluster is None:
        return "local"
    return cluster.get("driverNodeType") or cluster.get("clusterNodeType") or "serverless"


def memory_bytes() -> int | None:
    """The memory of this machine; None where it does not tell."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _hardware(cluster: Mapping[str, str] | None, machine: str) -> str:
    """Where it runs, what kind of machine that is, its cores and memory; on a cluster also the workers."""
    memory = memory_bytes()
    gibibytes = "" if memory is None else f", {memory / 2**30:.0f} GiB"
    cores = f"{os.cpu_count()} cores{gibibytes}, {platform.machine()}"
    if cluster is None:
        return f"local: {cores}"
    workers = f"; {cluster['clusterWorkers']} workers" if "clusterWorkers" in cluster else ""
    nodes = f" of {cluster['clusterNodeType']}" if workers and "clusterNodeType" in cluster else ""
    return f"databricks: {machine}, {cores}{workers}{nodes}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def user() -> str:
    """Who runs this: EXPERIMENTS_RUN_BY, else the account."""
    try:
        return os.environ.get("EXPERIMENTS_RUN_BY") or getpass.getuser()
    except (KeyError, OSError):  # no such user on this machine
        return "unknown"
