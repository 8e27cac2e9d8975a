"""What a model may see at one cutoff, and the contract every model function keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TrainingWindow:
    """Everything known at one cutoff; the last row is the cutoff itself.

    Parameters
    ----------
    ds : array [N] of datetime64[D]
        Dates of the observations, strictly increasing.
    y : array [N] of float
        Values, in the unit of the series; finite.
    x : array [N, K] of float
        Covariates as they were known at each date; NaN where a covariate was not available yet.
    covariates : tuple of K str
        Names of the columns of `x`: exactly those the variant asks for.
    horizon : int
        Steps to forecast, H.
    season_length : int
        Steps in one season; 1 for none.
    seed : int
        Seed for whatever the model draws at random.
    """

    ds: NDArray[np.datetime64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    covariates: tuple[str, ...]
    horizon: int
    season_length: int
    seed: int


Predict = Callable[[], NDArray[np.float64]]
"""Returns the forecasts, array [H] of float, in the unit of the series."""

FitFunction = Callable[..., Predict]
"""`fit(window, **params) -> predict`: fits on a `TrainingWindow`, returns what forecasts from it."""


@dataclass(frozen=True, kw_only=True)
class ModelVariant:
    """One entry of the registry: a function with its parameters, under a name and a version.

    `experiment_tags` carries `feature_set`, `complexity` and `production_candidate`.
    """

    name: str
    type: str
    function: FitFunction
    params: Mapping[str, Any] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    version: str = "v1"
    experiment_tags: Mapping[str, Any] = field(default_factory=dict)
