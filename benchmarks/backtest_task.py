"""What both sides of backtest.py are given: a task in a JSON file, the models by their names, and the score."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

HORIZON = 14
SEASON = 5
LEVEL = 80
"""The prediction interval every side is asked for, in percent."""

WARM_WINDOWS = 4
"""What a side does before its seconds begin, where it is to be warm: enough that every worker has some."""

MODELS = ("ARIMA", "AutoETS", "AutoTheta", "OptimizedTheta")
"""Of statsforecast, as `statsforecast_model` makes them."""


def statsforecast_model(name: str) -> Any:
    """A model of statsforecast: the very same object for our side and its own."""
    from statsforecast import models

    if name == "ARIMA":
        return models.ARIMA(order=(1, 1, 1))
    return getattr(models, name)(season_length=SEASON)


def read_task(description: str | None) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments of a side: what it is, and its task."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", type=Path)
    parser.add_argument("side", nargs="?", default="")
    given = parser.parse_args()
    return given, json.loads(given.task.read_text(encoding="utf-8"))


def length(n_windows: int, train_size: int) -> int:
    """Rows of a series on whose grid the last cutoff is the last that is complete, the first with enough history."""
    before = -(-(train_size - 1) // HORIZON)
    return HORIZON * (before + n_windows) + 1


def mean_mae(errors: Mapping[str, Iterable[Any]]) -> dict[str, float]:
    """By model the mean over windows of the mean absolute error over the steps; each window's errors are [H]."""
    return {name: float(np.mean([np.mean(np.abs(window)) for window in several])) for name, several in errors.items()}
