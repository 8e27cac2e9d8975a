"""What a model may see at one cutoff, and the contract every model function keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
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
    x_future : array [H, K] of float
        Covariates known in advance, at the dates of the steps 1..H; NaN in the columns of observed ones.
    covariates : tuple of K str
        Names of the columns of `x`: exactly those the variant asks for.
    known : tuple of str
        Which of the covariates are known in advance; the others are observed up to the cutoff.
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
    x_future: NDArray[np.float64]
    covariates: tuple[str, ...]
    known: tuple[str, ...]
    horizon: int
    season_length: int
    seed: int


Predict = Callable[[], NDArray[np.float64]]
"""Returns the forecasts, array [H] of float, in the unit of the series."""

FitFunction = Callable[..., Predict]
"""`fit(window, **params) -> predict`: fits on a `TrainingWindow`, returns what forecasts from it."""


ALL_COVARIATES = ("*",)
"""As the covariates of a variant: all that are given, whatever their names."""


@dataclass(frozen=True, kw_only=True)
class ModelVariant:
    """One entry of the registry: a function with its parameters, under a name and a version.

    `covariates` names those the function is given, or is `ALL_COVARIATES`; `experiment_tags` carries `feature_set`,
    `complexity` and `production_candidate`.
    """

    name: str
    type: str
    function: FitFunction
    params: Mapping[str, Any] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    version: str = "v1"
    experiment_tags: Mapping[str, Any] = field(default_factory=dict)

    def given(self, covariates: Iterable[str]) -> ModelVariant:
        """The variant as it runs when these covariates are given: with `ALL_COVARIATES` by name."""
        return replace(self, covariates=tuple(sorted(covariates))) if self.covariates == ALL_COVARIATES else self
