"""What a model may see at one cutoff, and the contract every model function keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


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


QUANTILE_LEVELS = (0.1, 0.5, 0.9)
"""Levels at which quantiles are forecast: the median and the ends of an 80 % prediction interval."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a model forecasts from one cutoff.

    Parameters
    ----------
    y_hat : array [H] of float
        Point forecasts of the steps 1..H, in the unit of the series.
    quantiles : mapping of float to array [H] of float
        By level, those of `QUANTILE_LEVELS`; empty where the model gives none.
    """

    y_hat: NDArray[np.float64]
    quantiles: Mapping[float, NDArray[np.float64]] = field(default_factory=dict)


Predict = Callable[[], NDArray[np.float64] | Forecast]
"""Returns the forecasts, array [H] of float in the unit of the series, or a `Forecast` with quantiles."""

FitFunction = Callable[..., Predict]
"""`fit(window, **params) -> predict`: fits on a `TrainingWindow`, returns what forecasts from it."""

FeatureFunction = Callable[["pd.DataFrame"], "pd.DataFrame"]
"""`features(frame) -> frame`: from the whole series (`ds`, `y` and its covariates), a column a feature, a row a date.

Row t may use rows up to t only; it is called once for the whole series, and refused where a row changes with what
comes after it.
"""


@dataclass(frozen=True, kw_only=True)
class ModelVariant:
    """One entry of the registry: a function with its parameters, under a name and a version.

    Parameters
    ----------
    name, type, version : str
        What it is called; the family it belongs to, such as "SARIMAX"; which edition of it.
    function : callable
        `fit(window, **params) -> predict`.
    params : mapping of str to object
        Handed to the function.
    covariates : tuple of str
        Those the function is given: names, each of which must be there, or patterns such as "temp_*", of which any
        may match; "*" is all that are given.
    features : callable or None
        Columns computed from the series that the function is given beside the covariates.
    requires : str or None
        The module it imports, whose package must be installed.
    experiment_tags : mapping of str to object
        `feature_set`, `complexity` and `production_candidate`.
    """

    name: str
    type: str
    function: FitFunction
    params: Mapping[str, Any] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    features: FeatureFunction | None = None
    version: str = "v1"
    requires: str | None = None
    experiment_tags: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """An entry of the registry read as the dictionary the specification has: `entry["function"]`."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def given(self, covariates: Iterable[str]) -> ModelVariant:
        """The variant as it runs when these covariates are given: with each by name, in order."""
        found = {name for name in covariates if any(fnmatchcase(name, pattern) for pattern in self.covariates)}
        return replace(self, covariates=tuple(sorted(found)))

    def lacks(self, covariates: Collection[str]) -> str | None:
        """What it cannot run without and is not given, in words; None if nothing.

        Examples
        --------
        >>> ModelVariant(name="mine", type="Mine", function=len, covariates=("temp_*", "vix")).lacks(["vix"])
        'a covariate temp_*'
        """
        patterns = [name for name in self.covariates if "*" in name]
        absent = [name for name in self.covariates if name not in patterns and name not in covariates]
        if absent:
            return f"the covariate {absent[0]!r}"
        if patterns and not any(fnmatchcase(name, pattern) for name in covariates for pattern in patterns):
            return "a covariate" if patterns == ["*"] else f"a covariate {' or '.join(patterns)}"
        return None
