"""Any model as a function: regressors of scikit-learn, objects with fit and predict, plain functions."""

from __future__ import annotations

import copy
import functools
import inspect
import reprlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.models.pairs import MINIMUM_HISTORY, training_pairs
from experiments.science.window import FitFunction, Forecast, Predict, TrainingWindow

_LEVEL = 80
"""The prediction interval asked for, in percent: its ends are the quantiles 0.1 and 0.9."""

_ACCEPTED = (
    "a function of a TrainingWindow, a scikit-learn regressor or pipeline of one, an object with fit(y) or fit(y, X) "
    "and predict(h) or predict(h, X), or a class of either"
)


class _Adapted(functools.partial):  # type: ignore[type-arg]  # generic for type checkers only
    """A way to run models and a model. Told apart by identity: libraries give unequal models one name."""

    __repr__ = object.__repr__


def as_function(model: object) -> FitFunction:
    """The function `fit(window, **params) -> predict` that runs a model.

    A function is called with the window and the parameters; what it returns is called for the forecasts, or is the
    forecasts. A regressor of scikit-learn learns from `training_pairs`, one model for all steps, with rows left out
    that miss a feature and features that are missing at the cutoff; every `random_state` in it is the window's seed,
    every `n_jobs` 1. Any other object is fit on `y` [N], with covariates as `X` [N, K] where the window has them
    (observed ones lagged by H, as in SARIMAX), and asked for H steps: an array, or a dictionary with "mean" as models
    of statsforecast return it, whose "lo-80" and "hi-80" become quantiles and the mean the median. A class is called
    with the parameters and its object run in its way. Models are copied for each fit; the one given is never fitted.

    Parameters
    ----------
    model : object
        A function, a regressor, an object with `fit` and `predict`, or a class.

    Raises
    ------
    InvalidInputError
        If it is none of these.
    """
    if isinstance(model, type):
        return _Adapted(_run_class, model)
    if _is_estimator(model):
        from sklearn.base import clone, is_regressor

        if not is_regressor(model):
            msg = f"{reprlib.repr(model)} of scikit-learn is no regressor: give {_ACCEPTED}."
            raise InvalidInputError(msg)
        return _Adapted(_run_regressor, clone(model))
    if callable(getattr(model, "fit", None)) and callable(getattr(model, "predict", None)):
        return _Adapted(_run_object, copy.deepcopy(model))
    if callable(model):
        return _Adapted(_run_function, model)
    msg = f"a model is {reprlib.repr(model)}, a {type(model).__name__}: give {_ACCEPTED}."
    raise InvalidInputError(msg)


def check_parameters(what: str, model: object, params: Mapping[str, Any]) -> None:
    """Refuse parameters that a model given to `as_function` cannot be run with.

    Raises
    ------
    InvalidInputError
        If one is unknown or a required one is missing, or the class cannot be called with them.
    """
    if isinstance(model, type):
        _bind(what, model, (), params)
        try:
            made = model(**params)
        except Exception as error:
            msg = f"{what} cannot be made by {model.__name__}({_listed(params)}): {type(error).__name__}: {error}"
            raise InvalidInputError(msg) from error
        as_function(made)
    elif getattr(as_function(model), "func", None) is _run_function:
        _bind(what, model, (None,), params)
    elif params:
        msg = f"{what} has the parameters {', '.join(params)}, but is an object: set them where it is made."
        raise InvalidInputError(msg)


def _bind(what: str, function: Any, arguments: tuple[object, ...], params: Mapping[str, Any]) -> None:
    signature = _signature(function)
    if signature is None:
        return
    try:
        signature.bind(*arguments, **params)
    except TypeError as error:
        taken = list(signature.parameters.values())[len(arguments) :]
        names = [str(one).partition(":")[0].partition("=")[0].strip() for one in taken]
        msg = f"{what}: {error}; given: {_listed(params) or 'none'}, accepted: {', '.join(names) or 'none'}."
        if arguments and not signature.parameters:
            msg = f"{what}: its function takes no argument; the first must be the TrainingWindow."
        raise InvalidInputError(msg) from error


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature, or None where it cannot be read, as of some that are compiled."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _takes(method: Callable[..., Any], name: str) -> bool:
    signature = _signature(method)
    return signature is not None and name in signature.parameters


def _listed(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in params.items())


def _is_estimator(model: object) -> bool:
    """Whether an object comes from scikit-learn; if so, it has been imported already."""
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


def _run_function(function: Callable[..., Any], window: TrainingWindow, **params: Any) -> Predict:
    returned = function(window, **params)
    return returned if callable(returned) else lambda: returned


def _run_class(kind: Callable[..., Any], window: TrainingWindow, **params: Any) -> Predict:
    return as_function(kind(**params))(window)


def _run_regressor(model: Any, window: TrainingWindow) -> Predict:
    from sklearn.base import clone

    pairs = training_pairs(window)
    last, horizon = window.y[-1], window.horizon
    if not pairs.target.size:  # never moved
        return lambda: np.full(horizon, last)
    known = np.isfinite(pairs.ahead).all(axis=0)
    complete = np.isfinite(pairs.features[:, known]).all(axis=1)
    if complete.sum() < MINIMUM_HISTORY * horizon:
        msg = (
            f"{type(model).__name__} needs at least {MINIMUM_HISTORY * horizon} complete rows of origin and step; "
            f"the window has {complete.sum()}."
        )
        raise NotEnoughDataError(msg)
    fitted = clone(model)
    fitted.set_params(**_pinned(fitted, window.seed))
    fitted.fit(pairs.features[complete][:, known], pairs.target[complete])
    return lambda: np.asarray(last + pairs.unit * fitted.predict(pairs.ahead[:, known]), dtype=np.float64)


def _pinned(model: Any, seed: int) -> dict[str, int]:
    """The parameters, also of nested models, that the ledger sets: the seed, and one thread beside other processes."""
    values = {"random_state": seed, "n_jobs": 1}
    return {name: values[end] for name in model.get_params() if (end := name.rpartition("__")[2]) in values}


def _run_object(model: Any, window: TrainingWindow) -> Predict:
    past, ahead, y = _exogenous(model, window)
    fitted = copy.deepcopy(model)
    fitted = fitted.fit(y, **past) or fitted

    def predict() -> Any:
        if not _takes(fitted.predict, "level"):
            return _forecast(fitted, fitted.predict(window.horizon, **ahead))
        try:
            returned = fitted.predict(window.horizon, level=[_LEVEL], **ahead)
        except Exception:  # noqa: BLE001  some of statsforecast's models take a level and raise where they have none
            returned = fitted.predict(window.horizon, **ahead)
        return _forecast(fitted, returned)

    return predict


def _exogenous(
    model: Any, window: TrainingWindow
) -> tuple[dict[str, Any], dict[str, Any], np.ndarray[Any, np.dtype[np.float64]]]:
    """Arguments of `fit` and `predict` beside the first, and the values whose covariates are all known."""
    if not window.covariates:
        return ({"X": None} if _takes(model.fit, "X") else {}), {}, window.y.copy()
    for method in (model.fit, model.predict):
        if not _takes(method, "X"):
            msg = (
                f"{type(model).__name__} is given the covariates {', '.join(window.covariates)}, "
                f"but its {method.__name__} takes no X: accepted are fit(y, X) and predict(h, X)."
            )
            raise InvalidInputError(msg)
    from experiments.science.models.regressors import aligned_covariates

    n, x = len(window.y), aligned_covariates(window)
    complete = np.isfinite(x).all(axis=1)
    first = int(np.argmax(complete)) if complete.any() else n
    if n - first <= len(window.covariates):
        msg = (
            f"{type(model).__name__} needs more than {len(window.covariates)} training rows whose covariates are known "
            f"(observed ones lagged by {window.horizon}); the window has {max(n - first, 0)}."
        )
        raise NotEnoughDataError(msg)
    return {"X": x[first:n]}, {"X": x[n:]}, window.y[first:].copy()


def _forecast(model: object, returned: Any) -> Any:
    if not isinstance(returned, Mapping):
        return returned
    if "mean" not in returned:
        msg = f"predict of {type(model).__name__} returned a dictionary with {list(returned)}: 'mean' is needed."
        raise InvalidInputError(msg)
    values = {name: np.asarray(value, dtype=np.float64) for name, value in returned.items()}
    low, high = values.get(f"lo-{_LEVEL}"), values.get(f"hi-{_LEVEL}")
    if low is None or high is None:
        return values["mean"]
    return Forecast(y_hat=values["mean"], quantiles={0.1: low, 0.5: values["mean"], 0.9: high})
