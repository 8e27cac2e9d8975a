"""Models that fail in every way a model can; a module of its own, so that worker processes can import them."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.science.models import BASELINE_MODELS
from experiments.science.window import ModelVariant

if TYPE_CHECKING:
    from experiments.science.window import FitFunction, Predict, TrainingWindow


def fit_moody(window: TrainingWindow) -> Predict:
    """Fails on every cutoff of an even month; warns on the others."""
    month = window.ds[-1].astype("datetime64[M]").astype(int) % 12 + 1
    if month % 2 == 0:
        msg = "not in an even month"
        raise ValueError(msg)
    warnings.warn("it was close", RuntimeWarning, stacklevel=1)
    return lambda: np.full(window.horizon, window.y[-1] + 1.0)


def fit_never(window: TrainingWindow) -> Predict:
    """Never succeeds."""
    msg = "singular"
    raise np.linalg.LinAlgError(msg)


def fit_to_nan(window: TrainingWindow) -> Predict:
    """Forecasts NaN."""
    return lambda: np.full(window.horizon, np.nan)


def fit_too_short(window: TrainingWindow) -> Predict:
    """Forecasts one step too few."""
    return lambda: np.zeros(window.horizon - 1)


def fit_deadly(window: TrainingWindow) -> Predict:
    """Takes its process with it, as an out-of-memory kill would."""
    os._exit(9)


def fit_killed(window: TrainingWindow) -> Predict:
    """Is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    return fit_drawn(window)


def fit_deadly_once(window: TrainingWindow, *, marks: str) -> Predict:
    """Takes its process with it the first time it is asked for a cutoff."""
    mark = Path(marks) / str(window.ds[-1])
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return fit_drawn(window)


def fit_orphaned_once(window: TrainingWindow, *, marks: str) -> Predict:
    """Kills the Python worker of Spark that it runs below, the first time it is asked for a cutoff."""
    mark, parent = Path(marks) / str(window.ds[-1]), os.getppid()
    if not mark.exists() and "pyspark" in Path(f"/proc/{parent}/cmdline").read_text():
        mark.touch()
        os.kill(parent, signal.SIGKILL)
        time.sleep(60)
    return fit_drawn(window)


def fit_drawn(window: TrainingWindow, *, step: float = 1.0, poison: object = None) -> Predict:
    """Forecasts a random walk from the window's seed."""
    path = np.random.default_rng(window.seed).normal(size=window.horizon).cumsum()
    return lambda: window.y[-1] + step * path


def fit_slow(window: TrainingWindow) -> Predict:
    """Takes a quarter of a second."""
    time.sleep(0.25)
    return fit_drawn(window)


def fit_endless_in_the_middle(window: TrainingWindow) -> Predict:
    """Never returns from its third cutoff."""
    while window.ds[-1] == np.datetime64("2024-02-12"):
        pass
    return fit_drawn(window)


class Unreadable:
    """Can be pickled, and not be read back."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return _refuse, ()


def _refuse() -> None:
    msg = "not here"
    raise ValueError(msg)


def with_variants(**functions: FitFunction) -> dict[str, ModelVariant]:
    """The registry with one more variant for each function, under its keyword."""
    more = {
        name: ModelVariant(name=name, type="Broken", function=function, experiment_tags={"feature_set": "price"})
        for name, function in functions.items()
    }
    return {**BASELINE_MODELS, **more}
