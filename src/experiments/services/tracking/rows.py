"""The tables of run tracking: their keys, and how rows get into them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from experiments.identity import time_of
from experiments.storage.table import merge_new

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

RUNNING = "running"
ENDS = ("completed", "incomplete", "failed", "crashed")
STATUSES = (RUNNING, *ENDS)
"""What a run can be: under way, or ended in one of four ways."""

DIFF = "code.diff"
"""The artifact with what differed from the commit."""

MASK = "***"
"""What stands in a command line for the value of a secret."""

KEYS = {
    "environments": ("environment_id",),
    "experiments": ("experiment_id",),
    "datasets": ("dataset_id",),
    "hyperparameters": ("experiment_id", "model_id", "name"),
    "metrics": ("experiment_id", "journal_id", "position"),
    "artifacts": ("experiment_id", "artifact_id"),
    "experiment_datasets": ("experiment_id", "dataset_id", "role"),
    "checkpoints": ("model_id",),
}
"""The key of each table, in the order in which a batch is written."""

PINS = {
    "environments": (),
    "experiments": ("experiment_type",),
    "datasets": (),
    "hyperparameters": ("run_month",),
    "metrics": ("run_month",),
    "artifacts": ("run_month",),
    "experiment_datasets": ("run_month",),
    "checkpoints": ("run_month",),
}
"""Partition columns a row's key determines."""

RANGES = {
    "experiments": ("experiment_id",),
    "hyperparameters": ("experiment_id",),
    "metrics": ("experiment_id", "position"),
    "artifacts": ("experiment_id",),
    "experiment_datasets": ("experiment_id",),
}
"""Columns of a key that rows of one batch lie close in."""


def merge(engine: Engine, table: str, rows: Sequence[Row]) -> int:
    """Insert the rows of one of these tables that are not there yet, in one commit; returns how many they were."""
    return merge_new(engine, table, rows, key=KEYS[table], pins=PINS[table], ranges=RANGES.get(table, ()))


def reproduces(experiment_id: str) -> str:
    """The tag of a run that repeats another."""
    return f"reproduces={experiment_id}"


@lru_cache(maxsize=4096)
def month_of(identifier: str) -> str:
    """The `run_month` of what a run with this id logs, yyyy-MM.

    Examples
    --------
    >>> month_of("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    '2022-02'
    """
    return f"{time_of(identifier):%Y-%m}"
