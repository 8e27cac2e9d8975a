"""Models: known answers, agreement with the libraries, no look ahead, alignment of covariates and targets."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import InvalidInputError, NotEnoughDataError, NotFoundError
from experiments.science.models import BASELINE_MODELS, choose, variant
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift, fit_seasonal_naive
from experiments.science.window import ALL_COVARIATES, ModelVariant, TrainingWindow
from fresh_process import run_python
from windows import HORIZON, Array, index, walk, window_of

NAMES = list(BASELINE_MODELS)
WITH_COVARIATES = [name for name, shipped in BASELINE_MODELS.items() if shipped.covariates]


def variant_window(shipped: ModelVariant, y: Array, x: Array, **settings: Any) -> TrainingWindow:
    return window_of(y, x if shipped.covariates else None, **settings)


def forecast(shipped: ModelVariant, window: TrainingWindow) -> Array:
    return shipped.function(window, **shipped.params)()


# --- baselines -------------------------------------------------------------------------------------------------------


def test_naive_repeats_the_last_value() -> None:
    assert_array_equal(fit_naive(window_of(np.array([3.0, -1.0, 2.5]), horizon=4))(), [2.5, 2.5, 2.5, 2.5])


def test_drift_goes_on_by_the_mean_change() -> None:
    y = walk(100)
    steps = [y[i] - y[i - 1] for i in range(1, len(y))]
    expected, level = [], y[-1]
    for _ in range(HORIZON):
        level += statistics.fmean(steps)
        expected.append(level)
    assert_allclose(fit_random_walk_drift(window_of(y))(), expected, rtol=1e-12)
    assert_array_equal(fit_random_walk_drift(window_of(np.array([1.0, 2.0, 5.0]), horizon=2))(), [7.0, 9.0])


@pytest.mark.parametrize("season_length", [1, 2, 5, 14, 20])
def test_seasonal_naive_repeats_the_last_season(season_length: int) -> None:
    y = walk(40)
    known = list(y)
    for _ in range(HORIZON):
        known.append(known[-season_length])
    assert_array_equal(fit_seasonal_naive(window_of(y, season_length=season_length))(), known[len(y) :])


def test_baselines_say_what_they_miss() -> None:
    with pytest.raises(NotEnoughDataError, match="at least 2 observations; the window has 1"):
        fit_random_walk_drift(window_of(np.array([1.0])))
    with pytest.raises(NotEnoughDataError, match="one season of 5 observations; the window has 4"):
        fit_seasonal_naive(window_of(np.arange(4.0)))


# --- every variant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shape_finite_deterministic_and_pure(name: str) -> None:
    shipped, y, x = BASELINE_MODELS[name], walk(300), index(300)
    window = variant_window(shipped, y, x)
    before = {key: np.copy(getattr(window, key)) for key in ("ds", "y", "x")}
    for key in before:
        getattr(window, key).flags.writeable = False
    predict = shipped.function(window, **shipped.params)
    first = predict()
    assert first.shape == (HORIZON,)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert_array_equal(predict(), first)
    assert_array_equal(forecast(shipped, variant_window(shipped, walk(300), index(300))), first)
    for key, value in before.items():
        assert_array_equal(getattr(window, key), value)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_past_of_the_cutoff_matters(name: str) -> None:
    shipped, n = BASELINE_MODELS[name], 250
    y, x = walk(n + 60), index(n + 60)
    # Views of the longer arrays: a model that reached beyond its window would find the future there.
    window = variant_window(shipped, y[:n], x[:n])
    expected = forecast(shipped, window)

    y[n:] += 1000.0
    x[n:] = np.nan
    assert_array_equal(forecast(shipped, window), expected)

    later = variant_window(shipped, y[30:n], x[30:n] + 0.0)
    forecast(shipped, later)
    assert_array_equal(forecast(shipped, window), expected)

    y[:n] += np.random.default_rng(3).normal(scale=3.0, size=n)
    assert np.abs(forecast(shipped, window) - expected).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_model_follows_a_later_cutoff(name: str) -> None:
    shipped, y, x = BASELINE_MODELS[name], walk(320), index(320)
    at_first = forecast(shipped, variant_window(shipped, y[:250], x[:250]))
    at_second = forecast(shipped, variant_window(shipped, y[70:], x[70:]))
    assert np.abs(at_first[0] - y[249]) < 6
    assert np.abs(at_second[0] - y[319]) < 6
    assert np.abs(at_first - at_second).max() > 0.1


@pytest.mark.parametrize("name", WITH_COVARIATES)
def test_a_covariate_moves_the_forecast(name: str) -> None:
    shipped, y, x = BASELINE_MODELS[name], walk(300), index(300)
    y = y + 2 * np.concatenate([np.zeros((HORIZON, 1)), x[:-HORIZON]]).ravel()
    expected = forecast(shipped, window_of(y, x))
    assert np.abs(forecast(shipped, window_of(y, index(300, seed=9))) - expected).max() > 0.01
    last = x.copy()
    last[-HORIZON:] += 15
    assert np.abs(forecast(shipped, window_of(y, last)) - expected).max() > 0.01


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_COVARIATES])
def test_a_variant_without_covariates_asks_for_none(name: str) -> None:
    shipped = BASELINE_MODELS[name]
    assert shipped.covariates == ()
    assert shipped.experiment_tags["feature_set"] == "price"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("factor", "shift"), [(1e-8, 0.0), (1e9, 0.0), (1.0, -80.0)])
def test_the_unit_of_a_price_does_not_matter(name: str, factor: float, shift: float) -> None:
    shipped, y, x = BASELINE_MODELS[name], walk(200), index(200)
    expected = forecast(shipped, variant_window(shipped, y, x))
    moved = forecast(shipped, variant_window(shipped, y * factor + shift, x * factor + shift))
    # Rounding alone can turn a split of a tree or the last digits of an optimum.
    assert_allclose((moved - shift) / factor, expected, atol=0.3 if shipped.type == "XGBoost" else 0.01)


@pytest.mark.parametrize("name", NAMES)
def test_a_series_that_never_moved_is_forecast_flat(name: str) -> None:
    shipped = BASELINE_MODELS[name]
    assert_allclose(forecast(shipped, variant_window(shipped, np.full(200, 50.0), index(200))), 50.0, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_one_jump_and_a_negative_price_are_survived(name: str) -> None:
    shipped, x = BASELINE_MODELS[name], index(200)
    jump = np.concatenate([np.full(100, 50.0), np.full(100, 80.0)])
    crash = walk(200)
    crash[190] = -36.98
    for y in (jump, crash):
        assert np.isfinite(forecast(shipped, variant_window(shipped, y, x))).all()


@pytest.mark.parametrize("name", ["arima", "auto_arima", "sarimax", "sarimax_vix", "xgboost", "xgboost_vix"])
def test_too_few_observations_are_refused(name: str) -> None:
    shipped = BASELINE_MODELS[name]
    with pytest.raises(NotEnoughDataError, match=r"at least \d+ .*the window has \d"):
        forecast(shipped, variant_window(shipped, walk(7), index(7)))


# --- registry --------------------------------------------------------------------------------------------------------


def test_the_registry_holds_what_is_promised() -> None:
    types = {name: shipped.type for name, shipped in BASELINE_MODELS.items()}
    assert types == {
        "naive": "Baseline",
        "random_walk_drift": "Baseline",
        "seasonal_naive": "Baseline",
        "arima": "ARIMA",
        "auto_arima": "ARIMA",
        "sarimax": "SARIMAX",
        "sarimax_vix": "SARIMAX",
        "sarimax_exog": "SARIMAX",
        "xgboost": "XGBoost",
        "xgboost_vix": "XGBoost",
        "xgboost_exog": "XGBoost",
    }
    for name, shipped in BASELINE_MODELS.items():
        assert shipped.name == name
        tags = shipped.experiment_tags
        assert set(tags) == {"feature_set", "complexity", "production_candidate"}
        feature_set = "all covariates" if shipped.covariates == ALL_COVARIATES else "".join(shipped.covariates)
        assert tags["feature_set"] == feature_set or (tags["feature_set"], feature_set) == ("price", "")
        assert tags["complexity"] in {"low", "medium", "high"}
        assert isinstance(tags["production_candidate"], bool)


def test_variant_by_name() -> None:
    assert variant("naive") is BASELINE_MODELS["naive"]
    with pytest.raises(NotFoundError, match=r"unknown model 'sarimx'\. Did you mean 'sarimax'\? Known: arima, auto_"):
        variant("sarimx")
    with pytest.raises(TypeError):
        BASELINE_MODELS["mine"] = BASELINE_MODELS["naive"]  # type: ignore[index]


def chosen(models: Any, *covariates: str) -> list[str]:
    return [one.name for one in choose(models, covariates)[0]]


NINE = [name for name in NAMES if not name.endswith("_exog")]
OWN = [name for name in NAMES if not WITH_COVARIATES.count(name)]


def test_by_default_every_fit_runs_once() -> None:
    assert chosen(None, "vix") == NINE
    assert chosen(None) == OWN
    assert chosen(None, "rain") == [name for name in NAMES if not name.endswith("_vix")]
    assert chosen(None, "rain", "vix") == NAMES
    assert choose(None, ["vix"])[1] == []
    assert choose(None, ["rain"])[1] == ["sarimax_vix, xgboost_vix left out for want of the covariate 'vix'"]
    assert choose(None, [])[1] == [
        "sarimax_vix, xgboost_vix left out for want of the covariate 'vix'",
        "sarimax_exog, xgboost_exog left out for want of a covariate",
    ]


def test_what_is_asked_for_by_name_runs() -> None:
    assert chosen(["sarimax_exog", "sarimax_vix", "naive", "naive"], "vix") == ["sarimax_exog", "sarimax_vix", "naive"]
    assert chosen("naive") == ["naive"]
    assert chosen(name for name in ("naive", "arima")) == ["naive", "arima"]


def test_a_variant_with_all_covariates_has_them_by_name_in_one_order() -> None:
    for given in (["usd", "rain", "vix"], ["vix", "usd", "rain"]):
        for one in choose(["sarimax_exog", "xgboost_exog"], given)[0]:
            assert one.covariates == ("rain", "usd", "vix")
            assert one == dataclasses.replace(BASELINE_MODELS[one.name], covariates=one.covariates)
    assert choose(["sarimax_vix"], ["vix", "rain"])[0][0].covariates == ("vix",)


def test_what_cannot_be_chosen_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"sarimax_exog needs a covariate; given: none\."):
        choose(["naive", "sarimax_exog"], [])
    with pytest.raises(InvalidInputError, match=r"sarimax_vix needs the covariate 'vix'; given: rain, usd\."):
        choose(["sarimax_vix"], ["rain", "usd"])
    with pytest.raises(NotFoundError, match=r"unknown model 'arma'\. Did you mean 'arima'"):
        choose(["naive", "arma"], [])
    for models in ([], (), {}, iter(())):
        with pytest.raises(InvalidInputError, match="no model was named; the registry has arima"):
            choose(models, [])  # type: ignore[arg-type]
    for models in (5, [None], ["naive", 5], b"naive", 1.5, [["naive"]], True):
        with pytest.raises(InvalidInputError, match=r"models is .*: give a list of names"):
            choose(models, [])  # type: ignore[arg-type]


def test_importing_the_registry_loads_no_model_library() -> None:
    loaded = run_python("import experiments.science.models.registry, sys, json; print(json.dumps(sorted(sys.modules)))")
    heavy = {"pandas", "scipy", "sklearn", "statsforecast", "statsmodels", "xgboost", "pyspark"}
    assert "experiments.science.models.boosting" in loaded
    assert not heavy & set(loaded)
