"""The shipped variants, by name. Importing this loads none of the models' libraries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from experiments.errors import unknown
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift, fit_seasonal_naive
from experiments.science.models.boosting import DEFAULTS, fit_xgboost
from experiments.science.models.statistical import fit_arima, fit_auto_arima, fit_sarimax
from experiments.science.window import ModelVariant


def _tags(feature_set: str, complexity: str, *, production_candidate: bool = True) -> dict[str, object]:
    return {
        "feature_set": feature_set,
        "complexity": complexity,
        "production_candidate": production_candidate,
    }


_ARIMA = {"order": (1, 1, 1)}
_SARIMAX = {"order": (1, 1, 1), "seasonal_order": (1, 0, 0)}

_SHIPPED = (
    ModelVariant(name="naive", type="Baseline", function=fit_naive, experiment_tags=_tags("price", "low")),
    ModelVariant(
        name="random_walk_drift",
        type="Baseline",
        function=fit_random_walk_drift,
        experiment_tags=_tags("price", "low"),
    ),
    ModelVariant(
        name="seasonal_naive",
        type="Baseline",
        function=fit_seasonal_naive,
        experiment_tags=_tags("price", "low", production_candidate=False),
    ),
    ModelVariant(
        name="arima", type="ARIMA", function=fit_arima, params=_ARIMA, experiment_tags=_tags("price", "medium")
    ),
    ModelVariant(name="auto_arima", type="ARIMA", function=fit_auto_arima, experiment_tags=_tags("price", "medium")),
    ModelVariant(
        name="sarimax",
        type="SARIMAX",
        function=fit_sarimax,
        params=_SARIMAX,
        experiment_tags=_tags("price", "medium"),
    ),
    ModelVariant(
        name="sarimax_vix",
        type="SARIMAX",
        function=fit_sarimax,
        params=_SARIMAX,
        covariates=("vix",),
        experiment_tags=_tags("vix", "medium"),
    ),
    ModelVariant(
        name="xgboost",
        type="XGBoost",
        function=fit_xgboost,
        params=DEFAULTS,
        experiment_tags=_tags("price", "high"),
    ),
    ModelVariant(
        name="xgboost_vix",
        type="XGBoost",
        function=fit_xgboost,
        params=DEFAULTS,
        covariates=("vix",),
        experiment_tags=_tags("vix", "high"),
    ),
)

BASELINE_MODELS: Mapping[str, ModelVariant] = MappingProxyType({shipped.name: shipped for shipped in _SHIPPED})
"""Every shipped variant, by name, baselines first."""


def variant(name: str) -> ModelVariant:
    """Return the shipped variant of this name.

    Raises
    ------
    NotFoundError
        If there is none.

    Examples
    --------
    >>> variant("sarimax_vix").covariates
    ('vix',)
    """
    if name not in BASELINE_MODELS:
        raise unknown("model", name, BASELINE_MODELS)
    return BASELINE_MODELS[name]
