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
from experiments.science.models.statistical import aligned_covariates, fit_arima, fit_auto_arima, fit_sarimax
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


# --- ARIMA, AutoARIMA, SARIMAX ---------------------------------------------------------------------------------------


def test_auto_arima_is_the_library_s() -> None:
    from statsforecast.models import AutoARIMA

    y = walk(250)
    ours = fit_auto_arima(window_of(y))()
    assert_allclose(ours, AutoARIMA(season_length=1).fit(y).predict(h=HORIZON)["mean"], atol=2e-2)

    unit = np.std(np.diff(y))
    exactly = AutoARIMA(season_length=1).fit((y - y[-1]) / unit).predict(h=HORIZON)["mean"]
    assert_array_equal(ours, y[-1] + unit * exactly)


@pytest.mark.parametrize("order", [(1, 1, 1), (2, 1, 0), (1, 0, 0)])
def test_arima_agrees_with_two_libraries(order: tuple[int, int, int]) -> None:
    from statsforecast.models import ARIMA as Peer  # noqa: N811
    from statsmodels.tsa.arima.model import ARIMA

    y = walk(500) if order[1] else index(500).ravel()
    ours = fit_arima(window_of(y), order=order)()
    assert_allclose(ours, ARIMA(y, order=order).fit().forecast(HORIZON), atol=2e-3)
    assert_allclose(ours, Peer(order=order, season_length=1).fit(y).predict(h=HORIZON)["mean"], atol=2e-2)


def test_sarimax_agrees_with_the_library() -> None:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y = walk(300)
    expected = SARIMAX(y, order=(1, 1, 1), seasonal_order=(1, 0, 0, 5)).fit(disp=False).forecast(HORIZON)
    assert_allclose(fit_sarimax(window_of(y), order=(1, 1, 1), seasonal_order=(1, 0, 0))(), expected, atol=2e-3)


def test_sarimax_with_covariates_agrees_with_the_library() -> None:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    x = np.column_stack([index(300), index(300, seed=2)])
    x[:20, 1] = np.nan
    first = 20 + HORIZON
    y = walk(300)
    y[HORIZON:] += 2 * x[:-HORIZON, 0]
    model = SARIMAX(y[first:], exog=x[20:-HORIZON], order=(1, 1, 1))
    expected = model.fit(disp=False).forecast(HORIZON, exog=x[-HORIZON:])
    assert_allclose(fit_sarimax(window_of(y, x), order=(1, 1, 1))(), expected, atol=1e-2)


def test_without_a_season_the_seasonal_order_is_not_used() -> None:
    window = window_of(walk(200), season_length=1)
    seasonal = fit_sarimax(window, order=(1, 1, 1), seasonal_order=(1, 0, 0))()
    assert_array_equal(seasonal, fit_arima(window, order=(1, 1, 1))())


def test_sarimax_follows_a_season() -> None:
    rng = np.random.default_rng(5)
    y = 50 + np.tile([0.0, 4.0, -3.0, 8.0, 1.0], 60) + rng.normal(scale=0.05, size=300)
    ahead = fit_sarimax(window_of(y), order=(0, 0, 0), seasonal_order=(0, 1, 1))()
    assert_allclose(ahead, np.tile([50.0, 54.0, 47.0, 58.0, 51.0], 3)[:HORIZON], atol=0.3)


def driven(lag: int, *, noise: float) -> tuple[Array, Array, int]:
    """A series y[t] = 50 + 5 x[t - lag] and its driver, with H values beyond the cutoff; and how many come before."""
    rng = np.random.default_rng(11)
    n, total = 400, 400 + HORIZON
    driver = rng.normal(size=total + lag)
    y = 50 + 5 * driver[:total] + rng.normal(scale=noise, size=total)
    return y, driver[lag : lag + total], n


@pytest.mark.parametrize("lag", [HORIZON - 1, HORIZON, HORIZON + 1, 0])
def test_a_covariate_enters_lagged_by_exactly_the_horizon(lag: int) -> None:
    y, x, n = driven(lag, noise=0.01)
    ahead = fit_sarimax(window_of(y[:n], x[:n]), order=(0, 0, 0))()
    error = np.abs(ahead - y[n:]).mean()
    assert error < 0.05 if lag == HORIZON else error > 1


def test_aligned_covariates_by_a_naive_loop() -> None:
    x = np.column_stack([np.arange(10.0), np.arange(10.0) * 2, np.arange(10.0) * 3])
    x[:4, 1] = np.nan
    future = np.array([30.0, 33.0, 36.0])
    aligned = aligned_covariates(window_of(np.arange(10.0), x, horizon=3, ahead={"rain": future}))
    assert aligned.shape == (13, 3)
    for i in range(13):
        for k in range(2):
            assert_array_equal(aligned[i, k], x[i - 3, k] if i >= 3 else np.nan)
        assert aligned[i, 2] == 3 * i


# --- covariates known in advance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [0, 1])
def test_a_covariate_known_in_advance_enters_at_its_own_date(lead: int) -> None:
    y, x, n = driven(lead, noise=0.1)
    ahead = fit_sarimax(window_of(y[:n], x[:n], ahead={"vix": x[n:]}), order=(0, 0, 0))()
    error = np.abs(ahead - y[n:]).mean()
    assert error < 0.2 if lead == 0 else error > 1


@pytest.mark.parametrize("name", ["sarimax_exog", "xgboost_exog"])
def test_only_the_declared_future_of_a_known_covariate_matters(name: str) -> None:
    shipped, n = BASELINE_MODELS[name], 250
    y, x = walk(n + 60), np.column_stack([index(n + 60), index(n + 60, seed=4)])
    y += np.cumsum(x[:, 1] - 20)
    window = window_of(y[:n], x[:n], ahead={"usd": x[n : n + HORIZON, 1].copy()})
    expected = forecast(shipped, window)
    declared = dataclasses.replace(window, x_future=window.x_future + 10)
    x[n:], y[n:] = np.nan, np.nan
    assert_array_equal(forecast(shipped, window), expected)
    assert np.abs(forecast(shipped, declared) - expected).max() > 0.01
    observed = window_of(y[:n], x[:n])
    assert np.abs(forecast(shipped, observed) - expected).max() > 0.01


def test_a_gap_in_a_covariate_is_refused() -> None:
    y, x = walk(100), index(100)
    x[:10] = np.nan
    fit_sarimax(window_of(y, x), order=(1, 1, 0))
    x[40:43] = np.nan
    with pytest.raises(InvalidInputError, match=r"'vix' has no value on 2015-02-26 \(3 gaps .*accepts NaN only before"):
        fit_sarimax(window_of(y, x), order=(1, 1, 0))
    with pytest.raises(InvalidInputError, match="'vix' has no value up to the cutoff 2015-05-20"):
        fit_sarimax(window_of(y, np.full(100, np.nan)), order=(1, 1, 0))


@pytest.mark.parametrize("begins", [75, 95])
def test_a_covariate_that_begins_too_late_is_refused(begins: int) -> None:
    x = index(100)
    x[:begins] = np.nan
    left = max(100 - begins - HORIZON, 0)
    with pytest.raises(NotEnoughDataError, match=rf"lagged by 14\) needs at least 17 .*the window has {left}"):
        fit_sarimax(window_of(walk(100), x), order=(1, 1, 1), seasonal_order=(1, 0, 0))


@pytest.mark.parametrize("order", [(1, 1), (1, 1, 1, 5), (1, -1, 1), (1, True, 1), (1.0, 1, 1), "111"])
def test_an_impossible_order_is_refused(order: Any) -> None:
    with pytest.raises(InvalidInputError, match="three whole numbers of at least 0"):
        fit_arima(window_of(walk(50)), order=order)
    with pytest.raises(InvalidInputError, match="seasonal_order is"):
        fit_sarimax(window_of(walk(50)), order=(1, 1, 1), seasonal_order=order)


def test_what_the_library_warns_of_reaches_the_caller() -> None:
    with pytest.warns(UserWarning, match="Non-stationary starting autoregressive"):
        fit_arima(window_of(np.arange(200.0)), order=(1, 1, 1))


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
