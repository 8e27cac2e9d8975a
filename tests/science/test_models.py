"""Models: known answers, agreement with the libraries, no look ahead, alignment of covariates and targets."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import itertools
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from experiments.errors import InvalidInputError, NotEnoughDataError, NotFoundError
from experiments.science.models import BASELINE_MODELS, choose, code_fingerprint, variant
from experiments.science.models.baselines import fit_naive, fit_random_walk_drift, fit_seasonal_naive
from experiments.science.models.boosting import DEFAULTS, fit_xgboost, local_scale, training_pairs
from experiments.science.models.statistical import aligned_covariates, fit_arima, fit_auto_arima, fit_sarimax
from experiments.science.window import ALL_COVARIATES, ModelVariant, TrainingWindow

Array = NDArray[np.float64]

HORIZON = 14
NAMES = list(BASELINE_MODELS)
WITH_COVARIATES = [name for name, shipped in BASELINE_MODELS.items() if shipped.covariates]


def dates(n: int) -> NDArray[np.datetime64]:
    """`n` weekdays."""
    return np.busday_offset(np.datetime64("2015-01-01", "D"), np.arange(n))


COVARIATES = ("vix", "usd", "rain")


def window_of(
    y: Array,
    x: Array | None = None,
    *,
    horizon: int = HORIZON,
    season_length: int = 5,
    seed: int = 7,
    ahead: dict[str, Array] | None = None,
) -> TrainingWindow:
    """Covariates in `ahead` are known in advance, with these values at the steps 1..H."""
    values = np.empty((len(y), 0)) if x is None else x.reshape(len(y), -1)
    names = COVARIATES[: values.shape[1]]
    known = ahead or {}
    return TrainingWindow(
        ds=dates(len(y)),
        y=y,
        x=values,
        x_future=np.column_stack([np.empty((horizon, 0)), *(known.get(n, np.full(horizon, np.nan)) for n in names)]),
        covariates=names,
        known=tuple(name for name in names if name in known),
        horizon=horizon,
        season_length=season_length,
        seed=seed,
    )


def walk(n: int, seed: int = 0) -> Array:
    """An ARIMA(1, 1, 1) price: phi 0.6, theta 0.3, unit innovations."""
    noise = np.random.default_rng(seed).normal(size=n + 1)
    change = np.zeros(n + 1)
    for t in range(1, n + 1):
        change[t] = 0.6 * change[t - 1] + noise[t] + 0.3 * noise[t - 1]
    return 50 + np.cumsum(change[1:])


def index(n: int, seed: int = 1) -> Array:
    """A covariate that reverts to 20, array [n, 1]."""
    noise = np.random.default_rng(seed).normal(size=n)
    level = np.zeros(n)
    for t in range(1, n):
        level[t] = 0.9 * level[t - 1] + noise[t]
    return (20 + level)[:, None]


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


def test_xgboost_learns_from_the_value_at_the_step_s_own_date() -> None:
    rng = np.random.default_rng(13)
    n, horizon = 600, 2
    signal = rng.choice([-1.0, 1.0], size=n + horizon)
    y = 50 + np.cumsum(2 * signal + rng.normal(scale=0.3, size=n + horizon))
    errors: dict[str, list[float]] = {"known": [], "observed": []}
    for end in range(n - 20, n):
        x, ahead = signal[:end], signal[end : end + horizon]
        errors["known"].append(
            abs(fit_xgboost(window_of(y[:end], x, horizon=horizon, ahead={"vix": ahead}))()[0] - y[end])
        )
        errors["observed"].append(abs(fit_xgboost(window_of(y[:end], x, horizon=horizon))()[0] - y[end]))
    assert np.mean(errors["known"]) < 0.4 * np.mean(errors["observed"])


def test_pairs_with_a_known_covariate_have_its_value_at_the_target_date() -> None:
    n, horizon = 60, 3
    x, future = np.arange(n) * 1.0, np.arange(n, n + horizon) * 1.0
    plain = training_pairs(window_of(walk(n), np.column_stack([index(n), x]), horizon=horizon))
    pairs = training_pairs(window_of(walk(n), np.column_stack([index(n), x]), horizon=horizon, ahead={"usd": future}))
    assert pairs.names == (*plain.names, "usd_at_step")
    assert_array_equal(pairs.features[:, :-1], plain.features)
    assert_array_equal(pairs.ahead[:, :-1], plain.ahead)
    step, level = pairs.features[:, 0], pairs.features[:, pairs.names.index("usd_level")]
    assert_array_equal(pairs.features[:, -1], level + step)
    assert_array_equal(pairs.ahead[:, -1], future)


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


# --- XGBoost ---------------------------------------------------------------------------------------------------------


def loop_scale(y: list[float]) -> float | None:
    """The local scale at the end of a series, from the definition."""
    moves = [abs(b - a) for a, b in itertools.pairwise(y)]
    if len(y) <= 20:
        return None
    return statistics.median(moves[-60:]) or statistics.fmean(moves) or None


def loop_features(window: TrainingWindow, t: int, step: int, scale: float) -> dict[str, float]:
    """One row, from nothing but the values up to t."""
    y = [float(value) for value in window.y[: t + 1]]
    moves = [b - a for a, b in itertools.pairwise(y)]
    day = window.ds[t].astype(object)
    row: dict[str, float] = {"step": step, "month": day.month, "weekday": day.weekday()}
    for lag in range(5):
        row[f"change_lag_{lag}"] = moves[-1 - lag] / scale
    for span in (5, 20, 60):
        row[f"above_mean_{span}"] = (y[-1] - statistics.fmean(y[-span:])) / scale if len(y) >= span else np.nan
        row[f"std_{span}"] = statistics.pstdev(moves[-span:]) / scale if len(moves) >= span else np.nan
    for k, name in enumerate(window.covariates):
        x = window.x[: t + 1, k]
        row |= {f"{name}_level": x[-1], f"{name}_change_1": x[-1] - x[-2], f"{name}_change_5": x[-1] - x[-6]}
    return row


def test_pairs_by_a_naive_loop() -> None:
    n, horizon = 110, 4
    x = np.column_stack([index(n), index(n, seed=2)])
    x[:30, 1] = np.nan
    y = walk(n)
    y[5:75] = y[5]  # a stale stretch longer than half of the scale's span
    window = window_of(y, x, horizon=horizon)
    pairs = training_pairs(window)
    rows, targets = [], []
    for t in range(n):
        scale = loop_scale(list(y[: t + 1]))
        if scale is None:
            continue
        for step in range(1, horizon + 1):
            if t + step <= n - 1:
                row = loop_features(window, t, step, scale)
                rows.append([row[name] for name in pairs.names])
                targets.append((y[t + step] - y[t]) / (scale * step**0.5))
    assert len(targets) == (n - 20) * horizon - horizon * (horizon + 1) // 2
    assert_allclose(pairs.features, rows, rtol=1e-9, atol=1e-9)
    assert_allclose(pairs.target, targets, rtol=1e-9, atol=1e-12)

    scale = loop_scale(list(y))
    assert scale is not None
    assert set(loop_features(window, n - 1, 1, scale)) == set(pairs.names)
    ahead = [loop_features(window, n - 1, step, scale) for step in range(1, horizon + 1)]
    assert_allclose(pairs.ahead, [[row[name] for name in pairs.names] for row in ahead], rtol=1e-9, atol=1e-9)
    assert_allclose(pairs.unit, [scale * step**0.5 for step in range(1, horizon + 1)])


def test_local_scale_by_a_naive_loop() -> None:
    y = np.concatenate([np.full(30, 7.0), walk(90), np.full(50, 3.0)])
    expected = [loop_scale(list(y[: t + 1])) for t in range(len(y))]
    assert_allclose(local_scale(y), [np.nan if value is None else value for value in expected])


def test_xgboost_is_the_library_s() -> None:
    import xgboost

    y, x = walk(200), index(200)
    pairs = training_pairs(window_of(y, x))
    settings: dict[str, Any] = {key: value for key, value in DEFAULTS.items() if key != "n_estimators"}
    settings |= {"tree_method": "hist", "nthread": 1, "seed": 7, "max_depth": 2}
    booster = xgboost.train(settings, xgboost.QuantileDMatrix(pairs.features, pairs.target), num_boost_round=20)
    expected = y[-1] + pairs.unit * booster.predict(xgboost.DMatrix(pairs.ahead))
    assert_array_equal(fit_xgboost(window_of(y, x), n_estimators=20, max_depth=2)(), expected)


def test_xgboost_learns_what_a_covariate_foretells() -> None:
    rng = np.random.default_rng(13)
    n = 600
    signal = rng.choice([-1.0, 1.0], size=n + HORIZON)
    change = np.zeros(n + HORIZON)
    change[1:] = 2 * signal[:-1] + rng.normal(scale=0.3, size=n + HORIZON - 1)
    y = 50 + np.cumsum(change)
    errors: dict[str, list[float]] = {"with": [], "without": []}
    for end in range(n - 20, n):
        errors["with"].append(abs(fit_xgboost(window_of(y[:end], signal[:end], horizon=2))()[0] - y[end]))
        errors["without"].append(abs(y[end - 1] - y[end]))
    assert np.mean(errors["with"]) < 0.4 * np.mean(errors["without"])


def test_xgboost_draws_by_the_seed() -> None:
    y = walk(300)
    first, again, other = (fit_xgboost(window_of(y, seed=seed))() for seed in (1, 1, 2))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_xgboost_refuses_unknown_parameters_and_accepts_missing_covariates() -> None:
    with pytest.raises(NotFoundError, match=r"unknown parameter of XGBoost 'max_dept'\. Did you mean 'max_depth'\?"):
        fit_xgboost(window_of(walk(100)), max_dept=3)
    assert np.isfinite(fit_xgboost(window_of(walk(100), np.full(100, np.nan)))()).all()


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


def run_python(code: str, *, hash_seed: str = "0", path: Path | None = None) -> Any:
    """What a fresh process prints as JSON."""
    places = [*map(str, filter(None, [path])), *(place for place in sys.path if place)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def test_importing_the_registry_loads_no_model_library() -> None:
    loaded = run_python("import experiments.science.models.registry, sys, json; print(json.dumps(sorted(sys.modules)))")
    heavy = {"pandas", "scipy", "sklearn", "statsforecast", "statsmodels", "xgboost", "pyspark"}
    assert "experiments.science.models.boosting" in loaded
    assert not heavy & set(loaded)


# --- fingerprints ----------------------------------------------------------------------------------------------------


def fingerprint_of(function: Any) -> str:
    return code_fingerprint(ModelVariant(name="mine", type="Mine", function=function))


def write_module(folder: Path, name: str, text: str) -> ModuleType:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def defined(text: str, **known: Any) -> Any:
    """The function `fit` of a text typed into a REPL: it has no source file."""
    space: dict[str, Any] = {"__name__": "__repl__", **known}
    exec(text, space)  # noqa: S102
    return space["fit"]


def test_fingerprints_differ_by_function_and_not_by_parameters() -> None:
    prints = {name: code_fingerprint(shipped) for name, shipped in BASELINE_MODELS.items()}
    assert len(set(prints.values())) == 7
    assert prints["sarimax"] == prints["sarimax_vix"]
    assert prints["xgboost"] == prints["xgboost_vix"]
    changed = dataclasses.replace(BASELINE_MODELS["arima"], params={"order": (2, 1, 0)}, name="other", version="v2")
    assert code_fingerprint(changed) == prints["arima"]


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    code = """
import json
from experiments.science.models import BASELINE_MODELS, code_fingerprint
from experiments.science.window import ModelVariant
limits = {"low", "middle", "high"}
def helper(w):
    return len(w.y) in {1, 2, 3} or {"a", "b", "c", "d"} & limits
mine = ModelVariant(name="mine", type="Mine", function=lambda w: (lambda: helper(w)))
print(json.dumps([code_fingerprint(v) for v in [*BASELINE_MODELS.values(), mine]]))
"""
    first, second = run_python(code, hash_seed="1"), run_python(code, hash_seed="2")
    assert first == second
    assert first[:-1] == [code_fingerprint(shipped) for shipped in BASELINE_MODELS.values()]


def test_changed_text_or_library_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = "def half(value):\n    return value / {}\n"
    text = "import numpy as np\nfrom ledger_helper import half\n\ndef fit(window):\n    return lambda: half(window.y)\n"
    write_module(tmp_path, "ledger_helper", helper.format(2))
    before = fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit)
    assert fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit) == before

    write_module(tmp_path, "ledger_helper", helper.format(3))
    after_helper = fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit)
    after_text = fingerprint_of(write_module(tmp_path, "ledger_mine", text.replace("window.y", "window.y[1:]")).fit)
    module = write_module(tmp_path, "ledger_mine", text)
    with monkeypatch.context() as context:
        context.setattr("importlib.metadata.version", lambda _: "99.0")
        after_library = fingerprint_of(module.fit)
    assert len({before, after_helper, after_text, after_library}) == 4


def test_shipped_modules_that_a_user_s_module_imports_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.science.models import fingerprint

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ledger_pack").mkdir()
    (tmp_path / "ledger_pack" / "__init__.py").write_text("from .inner import X\n")
    (tmp_path / "ledger_pack" / "inner.py").write_text("X = 1\n")
    text = """
from experiments.errors import unknown
from experiments.science.models.boosting import fit_xgboost
from ledger_pack import inner
try:
    import ledger_not_installed
except ImportError:
    pass

def fit(window):
    return fit_xgboost(window, max_depth=inner.X)
"""
    module = write_module(tmp_path, "ledger_wrap", text)
    before = fingerprint_of(module.fit)
    real = fingerprint._text

    def changed(part: str) -> str:
        def text_of(name: str) -> str | None:
            text = real(name)
            return text + "\n# changed" if name == part and text else text

        with monkeypatch.context() as context:
            context.setattr(fingerprint, "_text", text_of)
            return fingerprint_of(module.fit)

    assert changed("ledger_wrap") != before
    assert changed("experiments.science.models.boosting") != before
    assert changed("ledger_pack.inner") != before
    assert changed("experiments.science.models.statistical") == before
    assert changed("experiments.errors") == before


def test_libraries_are_found_whatever_their_distribution_is_called() -> None:
    from experiments.science.models.fingerprint import _version

    assert _version("numpy") == np.__version__
    assert _version("dateutil") == importlib.metadata.version("python-dateutil")
    assert _version("xgboost") == importlib.import_module("xgboost").__version__
    assert _version("tests") is None


def test_a_function_without_source_counts_by_its_bytecode() -> None:
    text = "def fit(window):\n    return lambda: np.mean(window.y) + 1\n"
    before = fingerprint_of(defined(text, np=np))
    assert fingerprint_of(defined("\n\n" + text, np=np)) == before
    others = [text.replace("1", "2"), text.replace("mean", "median"), text.replace("+", "-")]
    assert len({before, *(fingerprint_of(defined(other, np=np)) for other in others)}) == 4

    calls = "def fit(window):\n    return helper(window, limits)\n"
    helpers = [lambda window, _: window.y, lambda window, _: window.y[0]]
    limits: list[Any] = [{"low", "high"}, frozenset({"low"}), {"low": 1}, np.arange(3), np.arange(4), np.array(1.0)]
    prints = {fingerprint_of(defined(calls, helper=helpers[0], limits=limit)) for limit in limits}
    assert len(prints) == len(limits)


def test_running_a_function_does_not_change_its_fingerprint() -> None:
    fit = defined("def fit(window):\n    return sum(i * i for i in range(window))\n")
    before = fingerprint_of(fit)
    for _ in range(200):
        fit(50)
    assert fingerprint_of(fit) == before


def make_fit(span: int) -> Any:
    def fit(window: TrainingWindow) -> Any:
        return lambda: window.y[-span:]

    return fit


class Fitter:
    """An object that can be called, with a method that could be registered as well."""

    def __init__(self, span: int, other: Any = None) -> None:
        self.span = span
        self.other = other

    def __call__(self, window: TrainingWindow) -> Any:
        return lambda: window.y[-self.span :]

    def fit(self, window: TrainingWindow) -> Any:
        return self(window)


def test_what_a_function_carries_counts() -> None:
    assert fingerprint_of(make_fit(3)) == fingerprint_of(make_fit(3))
    assert fingerprint_of(make_fit(3)) != fingerprint_of(make_fit(4))
    partial = functools.partial(fit_arima, order=(1, 1, 1))
    assert fingerprint_of(partial) == fingerprint_of(functools.partial(fit_arima, order=(1, 1, 1)))
    assert fingerprint_of(partial) != fingerprint_of(functools.partial(fit_arima, order=(2, 1, 1)))
    assert fingerprint_of(Fitter(3)) == fingerprint_of(Fitter(3))
    assert fingerprint_of(Fitter(3)) != fingerprint_of(Fitter(4))
    assert fingerprint_of(Fitter(3, Fitter(1))) != fingerprint_of(Fitter(3, Fitter(2)))
    assert fingerprint_of(Fitter(3).fit) != fingerprint_of(Fitter(4).fit)
    assert fingerprint_of(Fitter(3, Path)) != fingerprint_of(Fitter(3, dict))
    assert fingerprint_of(Fitter) != fingerprint_of(Fitter(3))
    assert fingerprint_of(Fitter(3, pd.DataFrame())) != fingerprint_of(Fitter(3, pd.Series()))


def test_a_function_that_carries_itself_has_a_fingerprint() -> None:
    loop = Fitter(3)
    loop.other = loop
    again = Fitter(3)
    again.other = again
    assert fingerprint_of(loop) == fingerprint_of(again)
    recursive = defined("def fit(window):\n    return fit(window - 1) if window else 0\n")
    assert fingerprint_of(recursive) == fingerprint_of(recursive)
