"""A cheap model that finds a planted season; a module of its own, so that worker processes can import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.science.models import register

if TYPE_CHECKING:
    from experiments.science.window import Predict, TrainingWindow


@register("seasonal_naive", type="Baseline")
def fit_seasonal_naive(window: TrainingWindow) -> Predict:
    """Repeat the last observed season."""
    season = window.y[-window.season_length :].copy()
    return lambda: np.resize(season, window.horizon)
