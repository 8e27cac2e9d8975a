"""Any model as a function: each kind forecasts as its library does, fresh at each fit, and says what it cannot do."""

from __future__ import annotations

import copy
import functools
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsforecast.models import AutoETS, CrostonClassic, Naive

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.models import code_fingerprint
from experiments.science.models.adapters import as_function, check_parameters
from experiments.science.models.boosting import fit_xgboost
from experiments.science.models.pairs import training_pairs
from experiments.science.models.regressors import aligned_covariates
from experiments.science.window import Forecast, ModelVariant, TrainingWindow
from fresh_process import run_python
from windows import HORIZON, index, walk, window_of


def forecast(model: object, window: TrainingWindow, **params: Any) -> Any:
    return as_function(model)(window, **params)()


def fingerprint_of(model: object) -> str:
    return code_fingerprint(ModelVariant(name="mine", type="Mine", function=as_function(model)))


def last_value(window: TrainingWindow, *, plus: float = 0.0) -> Any:
    return lambda: np.full(window.horizon, window.y[-1] + plus)


def last_value_at_once(window: TrainingWindow) -> Any:
    return [window.y[-1]] * window.horizon


class Mean:
    """fit(y) and predict(h), with what it saw."""

    def __init__(self, span: int = 5) -> None:
        self.span = span
        self.fits = 0

    def fit(self, y: Any) -> None:
        self.fits += 1
        self.level = y[-self.span :].mean()
        y[:] = 0.0  # a careless model

    def predict(self, h: int) -> Any:
        assert self.fits == 1
        return np.full(h, self.level)


class Regression:
    """fit(y, X) and predict(h, X) by least squares."""

    def fit(self, y: Any, X: Any) -> Regression:  # noqa: N803
        self.seen = len(y)
        design = np.ones((len(y), 1)) if X is None else np.column_stack([np.ones(len(y)), X])
        self.weights = np.linalg.lstsq(design, y, rcond=None)[0]
        return self

    def predict(self, h: int, X: Any = None) -> Any:  # noqa: N803
        return np.column_stack([np.ones(h), *([] if X is None else [X])]) @ self.weights


# --- functions -------------------------------------------------------------------------------------------------------


def test_a_function_returns_what_forecasts_or_the_forecasts() -> None:
    window = window_of(walk(30))
    assert_array_equal(forecast(last_value, window), np.full(HORIZON, window.y[-1]))
    assert_array_equal(forecast(last_value, window, plus=2.0), np.full(HORIZON, window.y[-1] + 2))
    assert_array_equal(forecast(last_value_at_once, window), np.full(HORIZON, window.y[-1]))
    given = Forecast(y_hat=window.y[:HORIZON])
    assert forecast(lambda _: given, window) is given
    assert_array_equal(forecast(functools.partial(last_value, plus=1.0), window), window.y[-1] + np.ones(HORIZON))
    window = window_of(walk(100))
    assert_array_equal(forecast(fit_xgboost, window, max_depth=2), fit_xgboost(window, max_depth=2)())


# --- scikit-learn ----------------------------------------------------------------------------------------------------


def test_a_regressor_learns_the_pairs_by_a_naive_loop() -> None:
    y, x = walk(150), np.column_stack([index(150), index(150, seed=2)])
    x[:, 1] = np.nan
    window = window_of(y, x)
    pairs = training_pairs(window)
    kept = [k for k, name in enumerate(pairs.names) if not name.startswith("usd_")]
    rows = [i for i, row in enumerate(pairs.features) if not np.isnan(row[kept]).any()]
    assert 0 < len(rows) < len(pairs.features)
    model = Ridge(alpha=3.0).fit(pairs.features[np.ix_(rows, kept)], pairs.target[rows])
    expected = y[-1] + pairs.unit * model.predict(pairs.ahead[:, kept])
    assert_allclose(forecast(Ridge(alpha=3.0), window), expected, rtol=1e-12)
    assert_allclose(forecast(Ridge, window, alpha=3.0), expected, rtol=1e-12)


def test_a_regressor_is_never_fitted_itself_and_draws_by_the_seed() -> None:
    forest = RandomForestRegressor(n_estimators=3, max_depth=2, n_jobs=2, random_state=1)
    function = as_function(forest)
    first, again, other = (function(window_of(walk(150), seed=seed))() for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    assert not hasattr(forest, "estimators_")
    assert (forest.n_jobs, forest.random_state) == (2, 1)
    forest.max_depth = 9  # changed afterwards: not the model that was given
    assert_array_equal(function(window_of(walk(150), seed=1))(), first)


def test_seed_and_threads_reach_nested_models(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    real = RandomForestRegressor.fit

    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(self.get_params())
        return real(self, *args, **kwargs)

    monkeypatch.setattr(RandomForestRegressor, "fit", fit)
    forest = RandomForestRegressor(n_estimators=2, max_depth=2, n_jobs=-1)
    forecast(make_pipeline(StandardScaler(), forest), window_of(walk(120), seed=5))
    forecast(BaggingRegressor(forest, n_estimators=1, n_jobs=2), window_of(walk(120), seed=5))
    assert [one["n_jobs"] for one in seen] == [1, 1]
    assert seen[0]["random_state"] == 5


def test_a_regressor_is_flat_where_nothing_moved_and_says_what_it_lacks() -> None:
    assert_array_equal(forecast(Ridge(), window_of(np.full(60, 5.0))), np.full(HORIZON, 5.0))
    x = index(100)
    x[:90] = np.nan
    with pytest.raises(NotEnoughDataError, match=r"Ridge needs at least 280 complete rows .*; the window has 10\."):
        forecast(Ridge(), window_of(walk(100), x))
    with pytest.raises(NotEnoughDataError, match="at least 54 observations"):
        forecast(Ridge(), window_of(walk(50)))


@pytest.mark.parametrize("model", [LogisticRegression(), StandardScaler(), KMeans(n_clusters=2)])
def test_what_scikit_learn_has_beside_regressors_is_refused(model: object) -> None:
    with pytest.raises(InvalidInputError, match=r"of scikit-learn is no regressor: give a function of"):
        as_function(model)


# --- objects with fit and predict ------------------------------------------------------------------------------------


def test_a_plain_object_is_copied_for_each_fit() -> None:
    model, window = Mean(span=3), window_of(walk(40))
    before = window.y.copy()
    function = as_function(model)
    for _ in range(2):
        assert_array_equal(function(window)(), np.full(HORIZON, before[-3:].mean()))
    assert_array_equal(window.y, before)
    assert model.fits == 0
    assert_array_equal(forecast(Mean, window), np.full(HORIZON, before[-5:].mean()))
    assert_array_equal(forecast(Mean, window, span=1), np.full(HORIZON, before[-1]))


def test_covariates_enter_as_in_sarimax() -> None:
    y, x = walk(120), np.column_stack([index(120), index(120, seed=2)])
    x[:20, 0] = np.nan
    window = window_of(y, x, ahead={"usd": index(HORIZON, seed=3).ravel()})
    aligned = aligned_covariates(window)
    first = 20 + HORIZON
    design = np.column_stack([np.ones(120 - first), aligned[first:120]])
    weights = np.linalg.lstsq(design, y[first:], rcond=None)[0]
    expected = np.column_stack([np.ones(HORIZON), aligned[120:]]) @ weights
    assert_allclose(forecast(Regression(), window), expected)
    assert_allclose(forecast(Regression(), window_of(y)), np.full(HORIZON, y.mean()))


def test_an_object_says_what_it_cannot_do_with_covariates() -> None:
    with pytest.raises(InvalidInputError, match="Mean is given the covariates vix, but its fit takes no X"):
        forecast(Mean(), window_of(walk(60), index(60)))
    x = index(60)
    x[:45] = np.nan
    with pytest.raises(NotEnoughDataError, match=r"more than 1 training rows .*lagged by 14\); the window has 1"):
        forecast(Regression(), window_of(walk(60), x))
    x[:50] = np.nan
    with pytest.raises(NotEnoughDataError, match="the window has 0"):
        forecast(Regression(), window_of(walk(60), x))
    with pytest.raises(NotEnoughDataError, match="the window has 0"):
        forecast(Regression(), window_of(walk(10), index(10), horizon=20))


def test_a_model_of_statsforecast_gives_its_interval() -> None:
    window = window_of(walk(120))
    ours = forecast(AutoETS(season_length=1), window)
    theirs = AutoETS(season_length=1).fit(window.y).predict(h=HORIZON, level=[80])
    assert_array_equal(ours.y_hat, theirs["mean"])
    assert list(ours.quantiles) == [0.1, 0.5, 0.9]
    for level, name in ((0.1, "lo-80"), (0.5, "mean"), (0.9, "hi-80")):
        assert_array_equal(ours.quantiles[level], theirs[name])
    assert_array_equal(forecast(Naive(), window_of(walk(120), index(120))).y_hat, np.full(HORIZON, window.y[-1]))


def test_a_model_of_statsforecast_without_an_interval_gives_none() -> None:
    window = window_of(walk(60))
    expected = CrostonClassic().fit(window.y).predict(h=HORIZON)["mean"]
    assert_array_equal(forecast(CrostonClassic(), window), expected)


def returning(value: Any) -> Any:
    class Model:
        def fit(self, y: Any) -> None:
            del y

        def predict(self, h: int, level: Any = None) -> Any:
            del h, level
            return value

    return Model()


def test_what_predict_returns_is_a_dictionary_with_the_mean_or_an_array() -> None:
    window = window_of(walk(30), horizon=2)
    assert_array_equal(forecast(returning({"mean": pd.Series([1, 2])}), window), [1.0, 2.0])
    assert_array_equal(forecast(returning(pd.Series([1, 2])), window), [1.0, 2.0])
    with pytest.raises(InvalidInputError, match=r"returned a dictionary with \['y'\]: 'mean' is needed"):
        forecast(returning({"y": [1, 2]}), window)


# --- what is accepted ------------------------------------------------------------------------------------------------


class Uncopied:
    """Neither a function nor a model."""


@pytest.mark.parametrize("model", [5, "arima", None, Uncopied(), [Ridge()]])
def test_anything_else_is_refused(model: object) -> None:
    with pytest.raises(InvalidInputError, match=r"a model is .*, a \w+: give a function of a TrainingWindow, a scikit"):
        as_function(model)
    with pytest.raises(InvalidInputError, match="give a function of a TrainingWindow"):
        check_parameters("mine", model, {})


def test_parameters_are_checked_against_the_signature() -> None:
    def function(window: TrainingWindow, span: int, *, width: float = 1.0) -> Any:
        del window, span, width

    check_parameters("mine", function, {"span": 1})
    check_parameters("mine", fit_xgboost, {"max_depth": 1})
    check_parameters("mine", max, {"anything": 1})  # compiled: its signature cannot be read
    check_parameters("mine", Ridge, {"alpha": 1})
    check_parameters("mine", Ridge(), {})
    refused = [
        (function, {}, r"mine: missing a required argument: 'span'; given: none, accepted: span, width\."),
        (function, {"span": 1, "with": 2}, r"unexpected keyword argument 'with'; given: span=1, with=2, accepted: sp"),
        (lambda: None, {}, "mine: its function takes no argument; the first must be the TrainingWindow"),
        (Ridge, {"alhpa": 1}, r"mine: .*'alhpa'; given: alhpa=1, accepted: alpha, fit_intercept"),
        (Ridge(), {"alpha": 1}, "mine has the parameters alpha, but is an object: set them where it is made"),
        (Mean(), {"span": 1}, "has the parameters span, but is an object"),
        (Uncopied, {}, "a model is .*Uncopied"),
        (int, {"base": 3}, r"mine cannot be made by int\(base=3\): TypeError: int\(\) missing string argument"),
    ]
    for model, params, message in refused:
        with pytest.raises(InvalidInputError, match=message):
            check_parameters("mine", model, params)


@pytest.mark.parametrize("model", [last_value, Ridge(alpha=2), AutoETS(season_length=1), Mean(3), Mean])
def test_a_function_travels_to_another_process(model: object) -> None:
    window = window_of(walk(100))
    moved = cloudpickle.loads(cloudpickle.dumps(as_function(model)))
    ours, theirs = forecast(model, window), moved(window)()
    assert_array_equal(getattr(ours, "y_hat", ours), getattr(theirs, "y_hat", theirs))


def test_equal_models_have_equal_fingerprints_and_others_have_not() -> None:
    pairs = [
        (Ridge(alpha=1.0), Ridge(alpha=2.0)),
        (AutoETS(season_length=1), AutoETS(season_length=5)),
        (make_pipeline(StandardScaler(), Ridge(1.0)), make_pipeline(StandardScaler(), Ridge(2.0))),
        (Mean(3), Mean(4)),
        (last_value, last_value_at_once),
        (Mean, Regression),
    ]
    prints = [fingerprint_of(model) for pair in pairs for model in pair]
    assert len(set(prints)) == len(prints)
    assert prints == [fingerprint_of(copy.deepcopy(model)) for pair in pairs for model in pair]
    assert fingerprint_of(Ridge(alpha=1.0).fit([[1.0], [2.0]], [1.0, 2.0])) == prints[0]
    assert repr(as_function(AutoETS(season_length=1))) != repr(as_function(AutoETS(season_length=5)))


def test_a_fingerprint_of_a_model_is_the_same_in_every_process() -> None:
    code = """
import json
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from experiments.science.models.adapters import as_function
from experiments.science.models.fingerprint import code_fingerprint
from experiments.science.window import ModelVariant
def of(model):
    return code_fingerprint(ModelVariant(name="mine", type="Mine", function=as_function(model)))
print(json.dumps([of(Ridge(alpha=2.0)), of(make_pipeline(StandardScaler(), Ridge()))]))
"""
    ours = [Ridge(alpha=2.0), make_pipeline(StandardScaler(), Ridge())]
    assert run_python(code, hash_seed="3") == [fingerprint_of(model) for model in ours]
