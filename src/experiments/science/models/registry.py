"""The shipped variants, by name. Importing this loads none of the models' libraries."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from experiments.errors import InvalidInputError, unknown
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift, fit_seasonal_naive
from experiments.science.models.boosting import DEFAULTS, fit_xgboost
from experiments.science.models.statistical import fit_arima, fit_auto_arima, fit_sarimax
from experiments.science.window import ALL_COVARIATES, ModelVariant


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
        name="sarimax_exog",
        type="SARIMAX",
        function=fit_sarimax,
        params=_SARIMAX,
        covariates=ALL_COVARIATES,
        experiment_tags=_tags("all covariates", "medium"),
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
    ModelVariant(
        name="xgboost_exog",
        type="XGBoost",
        function=fit_xgboost,
        params=DEFAULTS,
        covariates=ALL_COVARIATES,
        experiment_tags=_tags("all covariates", "high"),
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


def choose(models: Sequence[str] | None, covariates: Sequence[str]) -> tuple[list[ModelVariant], list[str]]:
    """The variants that run when these covariates are given, and in words those left out for want of one.

    Parameters
    ----------
    models : sequence of str or None
        Names, or one name; None for every variant whose covariates are given, each fit once: a variant that uses all
        covariates is left out where one that names them comes to the same.
    covariates : sequence of str
        Names of those that are given.

    Raises
    ------
    InvalidInputError
        If `models` holds no names, or one that is asked for lacks a covariate.
    NotFoundError
        If a name is not in the registry.

    Examples
    --------
    >>> variants, notes = choose(["sarimax_exog"], ["rain", "frost"])
    >>> variants[0].covariates
    ('frost', 'rain')
    """
    asked = list(BASELINE_MODELS.values()) if models is None else [variant(name) for name in _names(models)]
    lacking = {one.name: lack for one in asked if (lack := _lack(one, covariates)) is not None}
    if models is not None and lacking:
        name, lack = next(iter(lacking.items()))
        msg = f"{name} needs {lack}; given: {', '.join(covariates) or 'none'}."
        raise InvalidInputError(msg)
    running = [one for one in asked if one.name not in lacking]
    resolved = [one.given(covariates) for one in running]
    if models is None:
        by_name = [_fit(one) for one in running if one.covariates != ALL_COVARIATES]
        resolved = [
            one
            for one, shipped in zip(resolved, running, strict=True)
            if shipped.covariates != ALL_COVARIATES or _fit(one) not in by_name
        ]
    notes = [
        f"{', '.join(name for name in lacking if lacking[name] == lack)} left out for want of {lack}"
        for lack in dict.fromkeys(lacking.values())
    ]
    return resolved, notes


def _names(models: object) -> list[str]:
    names = [models] if isinstance(models, str) else list(models) if isinstance(models, Iterable) else [None]
    checked = [name for name in names if isinstance(name, str)]
    if len(checked) < len(names):
        msg = f"models is {reprlib.repr(models)}: give a list of names, such as ['naive', 'arima']."
        raise InvalidInputError(msg)
    if not checked:
        msg = f"no model was named; the registry has {', '.join(sorted(BASELINE_MODELS))}."
        raise InvalidInputError(msg)
    return list(dict.fromkeys(checked))


def _lack(one: ModelVariant, covariates: Sequence[str]) -> str | None:
    """What a variant cannot run without and is not given, in words."""
    if one.covariates == ALL_COVARIATES:
        return None if covariates else "a covariate"
    return next((f"the covariate {name!r}" for name in one.covariates if name not in covariates), None)


def _fit(one: ModelVariant) -> tuple[object, dict[str, object], tuple[str, ...]]:
    """What two variants must share to forecast the same."""
    return one.function, dict(one.params), one.covariates
