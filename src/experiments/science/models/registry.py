"""The shipped variants, by name: the specified twenty-five. Importing this loads none of the models' libraries."""

from __future__ import annotations

import importlib.util
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from experiments.definitions import BASELINE
from experiments.errors import InvalidInputError, unknown
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift
from experiments.science.models.boosting import DEFAULTS, fit_xgboost
from experiments.science.models.neural import fit_neuralprophet
from experiments.science.models.prophet import fit_prophet
from experiments.science.models.registration import all_variants
from experiments.science.models.statistical import fit_arima, fit_sarimax, fit_sarimax_auto
from experiments.science.window import FitFunction, ModelVariant

FEATURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"weather": ("temp_*", "humidity_*", "precipitation_*"), "vix": ("vix",), "cop_usd": ("*_usd", "usd_*")}
)
"""The kinds of covariates of the specification's `feature_config`, each with the names it goes by."""

FEATURE_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"price": (), **FEATURES, "weather_vix": (*FEATURES["weather"], *FEATURES["vix"]), "all": ("*",)}
)
"""What a variant sees beside the price, as `ModelVariant.covariates`."""

INSTALLED_WITH = {"neuralprophet": "neural"}
"""The extra that brings a library; `models` brings the others."""


_LIBRARIES: Mapping[FitFunction, str] = {
    fit_arima: "statsforecast.arima",
    fit_sarimax: "statsforecast.arima",
    fit_sarimax_auto: "statsforecast.arima",
    fit_xgboost: "xgboost",
    fit_prophet: "prophet",
    fit_neuralprophet: "neuralprophet",
}


def _shipped(  # an entry has this many columns
    name: str, kind: str, function: FitFunction, features: str, complexity: str, params: Mapping[str, Any] | None = None
) -> ModelVariant:
    return ModelVariant(
        name=name,
        type=kind,
        function=function,
        params=params or {},
        covariates=FEATURE_SETS[features],
        requires=_LIBRARIES.get(function),
        experiment_tags={
            "feature_set": features,
            "complexity": complexity,
            "production_candidate": kind != "NeuralProphet",
        },
    )


_ARIMA = {"order": (1, 1, 1)}
_SARIMAX = {"order": (1, 1, 1), "seasonal_order": (1, 0, 0)}
_TREES = {"strategy": "direct", **DEFAULTS}
_DEEP = {**_TREES, "max_depth": 6}
_SLOW = {**_TREES, "learning_rate": 0.02, "n_estimators": 400}

_SHIPPED = (
    _shipped(BASELINE, "Baseline", fit_naive, "price", "low"),
    _shipped("random_walk", "Baseline", fit_random_walk_drift, "price", "low"),
    _shipped("arima", "Baseline", fit_arima, "price", "medium", _ARIMA),
    _shipped("sarimax_v1", "SARIMAX", fit_sarimax, "price", "medium", _SARIMAX),
    _shipped("sarimax_auto_v1", "SARIMAX", fit_sarimax_auto, "price", "medium"),
    _shipped("sarimax_weather_v1", "SARIMAX", fit_sarimax, "weather", "medium", _SARIMAX),
    _shipped("sarimax_auto_weather_v1", "SARIMAX", fit_sarimax_auto, "weather", "medium"),
    _shipped("sarimax_vix_v1", "SARIMAX", fit_sarimax, "vix", "medium", _SARIMAX),
    _shipped("sarimax_cop_usd_v1", "SARIMAX", fit_sarimax, "cop_usd", "medium", _SARIMAX),
    _shipped("sarimax_all_v1", "SARIMAX", fit_sarimax, "all", "medium", _SARIMAX),
    _shipped("sarimax_auto_all_v1", "SARIMAX", fit_sarimax_auto, "all", "medium"),
    _shipped("xgboost_v1", "XGBoost", fit_xgboost, "price", "high", _TREES),
    _shipped("xgboost_recursive_v1", "XGBoost", fit_xgboost, "price", "high", {**_TREES, "strategy": "recursive"}),
    _shipped("xgboost_shallow_v1", "XGBoost", fit_xgboost, "price", "high", {**_TREES, "max_depth": 2}),
    _shipped("xgboost_deep_v1", "XGBoost", fit_xgboost, "price", "high", _DEEP),
    _shipped("xgboost_slow_v1", "XGBoost", fit_xgboost, "price", "high", _SLOW),
    _shipped("xgboost_weather_v1", "XGBoost", fit_xgboost, "weather", "high", _TREES),
    _shipped("xgboost_vix_v1", "XGBoost", fit_xgboost, "vix", "high", _TREES),
    _shipped("xgboost_cop_usd_v1", "XGBoost", fit_xgboost, "cop_usd", "high", _TREES),
    _shipped("xgboost_weather_vix_v1", "XGBoost", fit_xgboost, "weather_vix", "high", _TREES),
    _shipped("xgboost_all_v1", "XGBoost", fit_xgboost, "all", "high", _TREES),
    _shipped("xgboost_deep_all_v1", "XGBoost", fit_xgboost, "all", "high", _DEEP),
    _shipped("prophet_v1", "Prophet", fit_prophet, "price", "medium"),
    _shipped("prophet_all_v1", "Prophet", fit_prophet, "all", "medium"),
    _shipped("neuralprophet_v1", "NeuralProphet", fit_neuralprophet, "price", "high"),
)

BASELINE_MODELS: Mapping[str, ModelVariant] = MappingProxyType({shipped.name: shipped for shipped in _SHIPPED})
"""Every shipped variant, by name, baselines first."""


def variant(name: str) -> ModelVariant:
    """Return the variant of this name: shipped, installed beside us or registered.

    Raises
    ------
    NotFoundError
        If there is none.

    Examples
    --------
    >>> variant("sarimax_vix_v1").covariates
    ('vix',)
    """
    variants = all_variants()
    if name not in variants:
        raise unknown("model", name, variants)
    return variants[name]


def choose(models: Sequence[str] | None, covariates: Sequence[str]) -> tuple[list[ModelVariant], list[str]]:
    """The variants that run when these covariates are given, and in words those left out, each with the reason.

    Parameters
    ----------
    models : sequence of str or None
        Names, or one name; None for every variant that can run, each fit once: of two that come to the same with
        these covariates the one that asks for fewer runs.
    covariates : sequence of str
        Names of those that are given.

    Raises
    ------
    InvalidInputError
        If `models` holds no names, or one that is asked for lacks a covariate or a library.
    NotFoundError
        If a name is not in the registry.

    Examples
    --------
    >>> variants, notes = choose(["sarimax_all_v1"], ["rain", "frost"])
    >>> variants[0].covariates
    ('frost', 'rain')
    """
    asked = list(all_variants().values()) if models is None else [variant(name) for name in _names(models)]
    lacking = {one.name: lack for one in asked if (lack := lack_of(one, covariates)) is not None}
    if models is not None and lacking:
        name, lack = next(iter(lacking.items()))
        msg = f"{name} needs {lack}; given: {', '.join(covariates) or 'no covariate'}."
        raise InvalidInputError(msg)
    running = [one.given(covariates) for one in asked if one.name not in lacking]
    notes = [
        f"{', '.join(name for name in lacking if lacking[name] == lack)} left out for want of {lack}"
        for lack in dict.fromkeys(lacking.values())
    ]
    if models is None:
        first: dict[str, ModelVariant] = {}
        for one in running:
            same = first.setdefault(repr((one.function, sorted(one.params.items()), one.covariates, one.features)), one)
            if same is not one:
                notes.append(f"{one.name} left out: with these covariates it is {same.name}")
        running = list(first.values())
    return running, notes


def lack_of(one: ModelVariant, covariates: Sequence[str]) -> str | None:
    """What a variant cannot run without and does not have, in words: a library or a covariate."""
    package = None if one.requires is None else one.requires.partition(".")[0]
    if package is not None and importlib.util.find_spec(package) is None:
        extra = INSTALLED_WITH.get(package, "models")
        return f"the package {package} (pip install 'experiment-ledger[{extra}]')"
    return one.lacks(covariates)


def feature_config(one: ModelVariant, covariates: Iterable[str]) -> dict[str, bool]:
    """What a variant, as it runs, sees of the covariates given: by the specification's kinds, the others by name.

    Examples
    --------
    >>> feature_config(variant("sarimax_vix_v1").given(["vix", "rain"]), ["vix", "rain"])
    {'weather': False, 'vix': True, 'cop_usd': False, 'rain': False}
    """
    kinds = {
        kind: any(fnmatchcase(name, pattern) for name in one.covariates for pattern in patterns)
        for kind, patterns in FEATURES.items()
    }
    patterns = [pattern for several in FEATURES.values() for pattern in several]
    others = [name for name in (*covariates, *one.covariates) if not any(fnmatchcase(name, p) for p in patterns)]
    return kinds | {name: name in one.covariates for name in others}


def _names(models: object) -> list[str]:
    names = [models] if isinstance(models, str) else list(models) if isinstance(models, Iterable) else [None]
    checked = [name for name in names if isinstance(name, str)]
    if len(checked) < len(names):
        msg = f"models is {reprlib.repr(models)}: give a list of names, such as ['naive', 'arima']."
        raise InvalidInputError(msg)
    if not checked:
        msg = f"no model was named; the registry has {', '.join(all_variants())}."
        raise InvalidInputError(msg)
    return list(dict.fromkeys(checked))
