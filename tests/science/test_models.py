"""Models: known answers, agreement with the libraries, no look ahead, alignment of covariates and targets."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import InvalidInputError, NotEnoughDataError, NotFoundError
from experiments.science.models import BASELINE_MODELS, choose, registry, variant
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift
from experiments.science.models.registry import FEATURE_SETS, feature_config, lack_of
from experiments.science.window import Forecast, ModelVariant, TrainingWindow
from fresh_process import run_python
from windows import HORIZON, Array, index, walk, window_of

NAMES = [
    "naive",
    "random_walk",
    "arima",
    "sarimax_v1",
    "sarimax_auto_v1",
    "sarimax_vix_v1",
    "xgboost_v1",
    "xgboost_recursive_v1",
    "xgboost_vix_v1",
    "prophet_v1",
]
"""One of each function, and with a covariate: the others differ in parameters and covariates only."""

WITH_COVARIATES = [name for name in NAMES if BASELINE_MODELS[name].covariates]


def variant_window(shipped: ModelVariant, y: Array, x: Array, **settings: Any) -> TrainingWindow:
    return window_of(y, x if shipped.covariates else None, **settings)


def forecast(shipped: ModelVariant, window: TrainingWindow) -> Array:
    return values(shipped.function(window, **shipped.params)())


def values(given: Any) -> Array:
    return given.y_hat if isinstance(given, Forecast) else given


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


def test_baselines_say_what_they_miss() -> None:
    with pytest.raises(NotEnoughDataError, match="at least 2 observations; the window has 1"):
        fit_random_walk_drift(window_of(np.array([1.0])))


# --- every variant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shape_finite_deterministic_and_pure(name: str) -> None:
    shipped, y, x = BASELINE_MODELS[name], walk(300), index(300)
    window = variant_window(shipped, y, x)
    before = {key: np.copy(getattr(window, key)) for key in ("ds", "y", "x")}
    for key in before:
        getattr(window, key).flags.writeable = False
    predict = shipped.function(window, **shipped.params)
    first = values(predict())
    assert first.shape == (HORIZON,)
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    assert_array_equal(values(predict()), first)
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


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("naive", "random_walk", "prophet_v1")])
def test_too_few_observations_are_refused(name: str) -> None:
    shipped = BASELINE_MODELS[name]
    with pytest.raises(NotEnoughDataError, match=r"at least \d+ .*the window has \d"):
        forecast(shipped, variant_window(shipped, walk(7), index(7)))


# --- registry --------------------------------------------------------------------------------------------------------


def test_the_registry_holds_the_specified_twenty_five() -> None:
    assert Counter(shipped.type for shipped in BASELINE_MODELS.values()) == {
        "Baseline": 3,
        "SARIMAX": 8,
        "XGBoost": 11,
        "Prophet": 2,
        "NeuralProphet": 1,
    }
    assert list(BASELINE_MODELS)[:3] == ["naive", "random_walk", "arima"]
    specified = BASELINE_MODELS["sarimax_auto_weather_v1"]
    assert (specified.type, specified.function.__name__) == ("SARIMAX", "fit_sarimax_auto")
    assert specified.experiment_tags == {"feature_set": "weather", "complexity": "medium", "production_candidate": True}
    for name, shipped in BASELINE_MODELS.items():
        assert shipped.name == name
        tags = shipped.experiment_tags
        assert set(tags) == {"feature_set", "complexity", "production_candidate"}
        assert shipped.covariates == FEATURE_SETS[str(tags["feature_set"])]
        assert tags["complexity"] in {"low", "medium", "high"}
        assert isinstance(tags["production_candidate"], bool)


def test_an_entry_can_be_read_as_a_dictionary() -> None:
    entry = BASELINE_MODELS["sarimax_auto_weather_v1"]
    assert [entry[name] for name in ("type", "function", "params", "experiment_tags")] == [
        entry.type,
        entry.function,
        entry.params,
        entry.experiment_tags,
    ]
    with pytest.raises(KeyError):
        entry["lacks"]


def test_no_two_of_them_are_the_same() -> None:
    found = [(one.function, sorted(map(str, one.params.items())), one.covariates) for one in BASELINE_MODELS.values()]
    assert all(found.count(one) == 1 for one in found)


def test_variant_by_name() -> None:
    assert variant("naive") is BASELINE_MODELS["naive"]
    with pytest.raises(
        NotFoundError, match=r"unknown model 'sarimax_1'\. Did you mean 'sarimax_v1'\? Known: arima, naive"
    ):
        variant("sarimax_1")
    with pytest.raises(TypeError):
        BASELINE_MODELS["mine"] = BASELINE_MODELS["naive"]  # type: ignore[index]


EVERYTHING = ("temp_c", "humidity_pct", "vix", "cop_usd")


@pytest.fixture
def shipped_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as shipped, every package installed."""
    monkeypatch.setattr(registry, "all_variants", lambda: BASELINE_MODELS)
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: name)


def chosen(models: Any, *covariates: str) -> list[str]:
    return [one.name for one in choose(models, covariates)[0]]


@pytest.mark.usefixtures("shipped_only")
class TestChoosing:
    def test_with_everything_given_all_run(self) -> None:
        assert chosen(None, *EVERYTHING) == list(BASELINE_MODELS)
        assert choose(None, EVERYTHING)[1] == []

    def test_what_lacks_a_covariate_is_left_out_and_said_to_be(self) -> None:
        variants, notes = choose(None, [])
        assert {one.experiment_tags["feature_set"] for one in variants} == {"price"}
        assert notes == [
            "sarimax_weather_v1, sarimax_auto_weather_v1, xgboost_weather_v1 left out for want of a covariate temp_* "
            "or humidity_* or precipitation_*",
            "sarimax_vix_v1, xgboost_vix_v1, xgboost_weather_vix_v1 left out for want of the covariate 'vix'",
            "sarimax_cop_usd_v1, xgboost_cop_usd_v1 left out for want of a covariate *_usd or usd_*",
            "sarimax_all_v1, sarimax_auto_all_v1, xgboost_all_v1, xgboost_deep_all_v1, prophet_all_v1 left out for "
            "want of a covariate",
        ]

    def test_what_comes_to_the_same_runs_once(self) -> None:
        variants, notes = choose(None, ["vix"])
        assert "sarimax_all_v1" not in {one.name for one in variants}
        assert "sarimax_all_v1 left out: with these covariates it is sarimax_vix_v1" in notes
        assert "xgboost_all_v1 left out: with these covariates it is xgboost_vix_v1" in notes

    def test_what_is_not_installed_is_left_out_and_said_to_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            registry.importlib.util, "find_spec", lambda name: None if name == "neuralprophet" else name
        )
        variants, notes = choose(None, EVERYTHING)
        assert len(variants) == 24
        lack = "the package neuralprophet (pip install 'experiment-ledger[neural]')"
        assert notes == [f"neuralprophet_v1 left out for want of {lack}"]
        with pytest.raises(InvalidInputError, match="neuralprophet_v1 needs the package neuralprophet"):
            choose(["neuralprophet_v1"], [])

    def test_what_is_asked_for_by_name_runs(self) -> None:
        assert chosen(["sarimax_all_v1", "sarimax_vix_v1", "naive", "naive"], "vix") == [
            "sarimax_all_v1",
            "sarimax_vix_v1",
            "naive",
        ]
        assert chosen("naive") == ["naive"]
        assert chosen(name for name in ("naive", "arima")) == ["naive", "arima"]

    def test_patterns_are_resolved_to_names_in_one_order(self) -> None:
        for given in (["usd", "rain", "vix"], ["vix", "usd", "rain"]):
            for one in choose(["sarimax_all_v1", "xgboost_all_v1"], given)[0]:
                assert one.covariates == ("rain", "usd", "vix")
                assert one == dataclasses.replace(BASELINE_MODELS[one.name], covariates=one.covariates)
        assert choose(["sarimax_vix_v1"], ["vix", "rain"])[0][0].covariates == ("vix",)
        weather = choose(["xgboost_weather_vix_v1"], EVERYTHING)[0][0]
        assert weather.covariates == ("humidity_pct", "temp_c", "vix")

    def test_what_cannot_be_chosen_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match=r"sarimax_all_v1 needs a covariate; given: no covariate\."):
            choose(["naive", "sarimax_all_v1"], [])
        with pytest.raises(InvalidInputError, match=r"sarimax_vix_v1 needs the covariate 'vix'; given: rain, usd\."):
            choose(["sarimax_vix_v1"], ["rain", "usd"])
        with pytest.raises(NotFoundError, match=r"unknown model 'arma'\. Did you mean 'arima'"):
            choose(["naive", "arma"], [])
        for models in ([], (), {}, iter(())):
            with pytest.raises(InvalidInputError, match="no model was named; the registry has naive, random_walk"):
                choose(models, [])  # type: ignore[arg-type]
        for models in (5, [None], ["naive", 5], b"naive", 1.5, [["naive"]], True):
            with pytest.raises(InvalidInputError, match=r"models is .*: give a list of names"):
                choose(models, [])  # type: ignore[arg-type]


def test_a_variant_says_what_it_lacks() -> None:
    assert lack_of(BASELINE_MODELS["naive"], []) is None
    assert lack_of(BASELINE_MODELS["sarimax_weather_v1"], ["temp_c"]) is None
    both = ModelVariant(name="mine", type="Mine", function=fit_naive, covariates=("temp_*", "vix"))
    assert both.lacks(["temp_c", "vix"]) is None
    assert both.lacks(["temp_c"]) == "the covariate 'vix'"


def test_the_features_are_told_as_specified() -> None:
    one = BASELINE_MODELS["sarimax_weather_v1"].given(EVERYTHING)
    assert feature_config(one, EVERYTHING) == {"weather": True, "vix": False, "cop_usd": False}
    rain = BASELINE_MODELS["sarimax_all_v1"].given(["frost"])
    assert feature_config(rain, ["frost"]) == {"weather": False, "vix": False, "cop_usd": False, "frost": True}


def test_importing_the_registry_loads_no_model_library() -> None:
    loaded = run_python("import experiments.science.models.registry, sys, json; print(json.dumps(sorted(sys.modules)))")
    heavy = {"pandas", "prophet", "scipy", "sklearn", "statsforecast", "statsmodels", "torch", "xgboost", "pyspark"}
    assert "experiments.science.models.boosting" in loaded
    assert not heavy & set(loaded)
