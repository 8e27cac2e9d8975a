"""ARIMA, SARIMAX and the search of orders: two libraries agree, covariates are aligned, neither sees ahead."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.example_data import load_wti
from experiments.science.models import statistical
from experiments.science.models.regressors import aligned_covariates
from experiments.science.models.statistical import fit_arima, fit_sarimax, fit_sarimax_auto
from windows import HORIZON, Array, index, walk, window_of

if TYPE_CHECKING:
    from experiments.science.window import Forecast, TrainingWindow

SEASONAL = {"order": (1, 1, 1), "seasonal_order": (1, 0, 0)}
NOT_SEASONAL = {"order": (1, 1, 1)}


def covariates(n: int, k: int) -> Array:
    return np.column_stack([index(n, seed=seed) for seed in range(1, k + 1)]) if k else np.empty((n, 0))


def by_statsmodels(window: TrainingWindow, monkeypatch: pytest.MonkeyPatch, **orders: Any) -> Forecast:
    with monkeypatch.context() as context:
        context.setattr(statistical, "_by_statsforecast", lambda *_: None)
        return fit_sarimax(window, **orders)()


def by_statsforecast(window: TrainingWindow, monkeypatch: pytest.MonkeyPatch, **orders: Any) -> Forecast:
    def refused(*_: Any) -> None:
        pytest.fail("statsforecast found no maximum")

    with monkeypatch.context() as context:
        context.setattr(statistical, "_by_statsmodels", refused)
        return fit_sarimax(window, **orders)()


# --- the two libraries -----------------------------------------------------------------------------------------------


@pytest.fixture
def likelihoods(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Logarithms of the likelihoods that the two libraries ended at last."""
    import statsforecast.arima
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    said: dict[str, float] = {}
    arima, fit = statsforecast.arima.arima, SARIMAX.fit

    def listening(*arguments: Any, **settings: Any) -> Any:
        model = arima(*arguments, **settings)
        said["statsforecast"] = model["loglik"]
        return model

    def fitting(*arguments: Any, **settings: Any) -> Any:
        fitted = fit(*arguments, **settings)
        said["statsmodels"] = fitted.llf
        return fitted

    monkeypatch.setattr(statsforecast.arima, "arima", listening)
    monkeypatch.setattr(SARIMAX, "fit", fitting)
    return said


@pytest.mark.filterwarnings("ignore:Non-:UserWarning")
@pytest.mark.parametrize("orders", [NOT_SEASONAL, SEASONAL], ids=["plain", "seasonal"])
@pytest.mark.parametrize("k", [0, 1, 3])
def test_the_two_libraries_agree_on_crude_oil(
    orders: Any, k: int, likelihoods: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    y = load_wti()["y"].dropna().to_numpy()
    n, x = 1000, covariates(1000, k)
    same = 0
    for cutoff in (1500, 4500):
        window = window_of(y[cutoff - n : cutoff], x)
        ours = by_statsforecast(window, monkeypatch, **orders)
        peer = by_statsmodels(window, monkeypatch, **orders)
        lead = likelihoods["statsforecast"] - likelihoods["statsmodels"]
        assert lead > -0.05
        if lead < 0.05:  # the same maximum, not one higher that statsmodels missed
            same += 1
            for level, values in ours.quantiles.items():
                assert_allclose(values, peer.quantiles[level], atol=0.05 * np.std(np.diff(window.y)))
    assert same >= 1


@pytest.mark.parametrize(
    "orders",
    [
        NOT_SEASONAL,
        {"order": (2, 1, 0)},
        {"order": (0, 1, 0)},
        SEASONAL,
        {"order": (1, 0, 0), "seasonal_order": (0, 1, 1)},
        {"order": (0, 2, 1)},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Non-:UserWarning")
@pytest.mark.parametrize("k", [0, 1, 3])
def test_the_two_libraries_agree_where_there_is_one_maximum(
    orders: Any, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if orders["order"] == (0, 1, 0) and not k:
        pytest.skip("statsmodels has no model without a parameter")
    x = covariates(400, k)
    y = walk(400)
    y[HORIZON:] += x[:-HORIZON].sum(axis=1)
    window = window_of(y, x)
    ours, peer = by_statsforecast(window, monkeypatch, **orders), by_statsmodels(window, monkeypatch, **orders)
    assert_allclose(ours.y_hat, peer.y_hat, atol=0.01)
    for level, values in ours.quantiles.items():
        assert_allclose(values, peer.quantiles[level], atol=0.03)


@pytest.mark.parametrize("k", [0, 2])
def test_without_differences_there_is_a_constant(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = covariates(400, k)
    window = window_of(1000 + index(400, seed=9).ravel(), x)
    for order in ((1, 0, 0), (1, 0, 1), (0, 0, 0)):
        ours, peer = (by(window, monkeypatch, order=order) for by in (by_statsforecast, by_statsmodels))
        assert_allclose(ours.y_hat, peer.y_hat, atol=0.005)
        assert ours.y_hat.mean() > 1000


@pytest.mark.parametrize("order", [(1, 1, 1), (2, 1, 0), (1, 0, 0)])
def test_arima_is_that_of_the_library(order: tuple[int, int, int]) -> None:
    from statsmodels.tsa.arima.model import ARIMA

    y = walk(500) if order[1] else index(500).ravel()
    ours = fit_arima(window_of(y), order=order)()
    peer = ARIMA(y, order=order).fit().get_forecast(HORIZON)
    assert_allclose(ours.y_hat, peer.predicted_mean, atol=2e-3)
    lower, upper = peer.conf_int(alpha=0.2).T
    assert_allclose(ours.quantiles[0.1], lower, atol=0.02)
    assert_allclose(ours.quantiles[0.9], upper, atol=0.02)


def test_sarimax_with_covariates_is_that_of_the_library() -> None:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    x = covariates(300, 2)
    x[:20, 1] = np.nan
    first = 20 + HORIZON
    y = walk(300)
    y[HORIZON:] += 2 * x[:-HORIZON, 0]
    model = SARIMAX(y[first:], exog=x[20:-HORIZON], order=(1, 1, 1))
    expected = model.fit(disp=False).forecast(HORIZON, exog=x[-HORIZON:])
    assert_allclose(fit_sarimax(window_of(y, x), order=(1, 1, 1))().y_hat, expected, atol=1e-2)


@pytest.mark.parametrize("what", ["raises", "raises late", "iterations", "not a number"])
def test_where_statsforecast_gives_up_it_is_statsmodels(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import statsforecast.arima

    window = window_of(walk(300), covariates(300, 1))
    expected = by_statsmodels(window, monkeypatch, **SEASONAL)
    real = statsforecast.arima.arima

    def failing(*arguments: Any, **settings: Any) -> Any:
        differenced_by_us = settings["order"][1] == 0
        if what == ("raises" if differenced_by_us else "raises late"):
            raise ValueError("non-stationary AR part from CSS")
        model = real(*arguments, **settings)
        return {**model, "code": 1} if what == "iterations" else {**model, "sigma2": np.nan}

    monkeypatch.setattr(statsforecast.arima, "arima", failing)
    assert_array_equal(fit_sarimax(window, **SEASONAL)().y_hat, expected.y_hat)


def test_what_the_library_warns_of_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(UserWarning, match="Non-stationary starting autoregressive"):
        by_statsmodels(window_of(np.arange(200.0)), monkeypatch, order=(1, 1, 1))


# --- the search of orders --------------------------------------------------------------------------------------------


def test_the_search_of_orders_is_the_library_s() -> None:
    from statsforecast.models import AutoARIMA

    y = walk(250)
    ours = fit_sarimax_auto(window_of(y))()
    unit = np.std(np.diff(y))
    peer = AutoARIMA(season_length=1).fit((y - y[-1]) / unit).predict(h=HORIZON, level=[80])
    assert_array_equal(ours.y_hat, y[-1] + unit * peer["mean"])
    assert_allclose(ours.quantiles[0.1], y[-1] + unit * peer["lo-80"], rtol=1e-12)


def test_the_search_of_orders_uses_its_covariates() -> None:
    from statsforecast.models import AutoARIMA

    x = covariates(180, 1)
    y = walk(180)
    y[HORIZON:] += 3 * x[:-HORIZON, 0]
    ours = fit_sarimax_auto(window_of(y, x))()
    peer = AutoARIMA(season_length=1).fit(y[HORIZON:], x[:-HORIZON]).predict(h=HORIZON, X=x[-HORIZON:])["mean"]
    assert_allclose(ours.y_hat, peer, atol=0.1)
    flat = fit_sarimax_auto(window_of(y, np.full((180, 1), 5.0)))()
    assert_array_equal(flat.y_hat, fit_sarimax_auto(window_of(y[HORIZON:]))().y_hat)
    with pytest.raises(NotEnoughDataError, match=r"AutoARIMA needs at least 12 .*the window has 6"):
        fit_sarimax_auto(window_of(y[:20], x[:20, :1]))


# --- seasons, flat series --------------------------------------------------------------------------------------------


def test_without_a_season_the_seasonal_order_is_not_used() -> None:
    window = window_of(walk(200), season_length=1)
    seasonal = fit_sarimax(window, order=(1, 1, 1), seasonal_order=(1, 0, 0))()
    assert_array_equal(seasonal.y_hat, fit_arima(window, order=(1, 1, 1))().y_hat)


def test_sarimax_follows_a_season() -> None:
    rng = np.random.default_rng(5)
    y = 50 + np.tile([0.0, 4.0, -3.0, 8.0, 1.0], 60) + rng.normal(scale=0.05, size=300)
    ahead = fit_sarimax(window_of(y), order=(0, 0, 0), seasonal_order=(0, 1, 1))()
    assert_allclose(ahead.y_hat, np.tile([50.0, 54.0, 47.0, 58.0, 51.0], 3)[:HORIZON], atol=0.3)


@pytest.mark.parametrize("fit", [lambda window: fit_arima(window, order=(1, 1, 1)), fit_sarimax_auto])
def test_a_series_that_never_moved_is_certain(fit: Any) -> None:
    said = fit(window_of(np.full(100, 50.0)))()
    for values in (said.y_hat, *said.quantiles.values()):
        assert_array_equal(values, 50.0)


def test_quantiles_are_those_of_a_random_walk() -> None:
    said = fit_arima(window_of(np.cumsum(np.random.default_rng(1).normal(size=2000))), order=(0, 1, 0))()
    half = 1.2816 * np.sqrt(np.arange(1, HORIZON + 1))
    assert_allclose(said.quantiles[0.9] - said.y_hat, half, rtol=0.05)
    assert_allclose(said.y_hat - said.quantiles[0.1], half, rtol=0.05)
    assert_array_equal(said.quantiles[0.5], said.y_hat)


# --- covariates ------------------------------------------------------------------------------------------------------


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
    error = np.abs(ahead.y_hat - y[n:]).mean()
    assert error < 0.05 if lag == HORIZON else error > 1


@pytest.mark.parametrize("lead", [0, 1])
def test_a_covariate_known_in_advance_enters_at_its_own_date(lead: int) -> None:
    y, x, n = driven(lead, noise=0.1)
    ahead = fit_sarimax(window_of(y[:n], x[:n], ahead={"vix": x[n:]}), order=(0, 0, 0))()
    error = np.abs(ahead.y_hat - y[n:]).mean()
    assert error < 0.2 if lead == 0 else error > 1


@pytest.mark.parametrize("d", [0, 1])
def test_a_covariate_that_says_nothing_new_changes_nothing(d: int) -> None:
    x = covariates(200, 2)
    y = walk(200) if d else index(200, seed=9).ravel()
    alone = fit_sarimax(window_of(y, x), order=(1, d, 0))()
    double = np.column_stack([x[:, 0], 3 - 2 * x[:, 0]])
    single = fit_sarimax(window_of(y, x[:, :1]), order=(1, d, 0))()
    assert_allclose(fit_sarimax(window_of(y, double), order=(1, d, 0))().y_hat, single.y_hat, atol=1e-3)
    still = np.column_stack([x, np.full(200, 7.0)])
    assert_allclose(fit_sarimax(window_of(y, still), order=(1, d, 0))().y_hat, alone.y_hat, atol=1e-3)
    none = fit_sarimax(window_of(y, np.full(200, 7.0)), order=(1, d, 0))()
    assert_array_equal(none.y_hat, fit_arima(window_of(y[HORIZON:]), order=(1, d, 0))().y_hat)


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


def test_only_the_declared_future_of_a_known_covariate_matters() -> None:
    n = 250
    y, x = walk(n + 60), covariates(n + 60, 2)
    y += np.cumsum(x[:, 1] - 20)
    window = window_of(y[:n], x[:n], ahead={"usd": x[n : n + HORIZON, 1].copy()})
    expected = fit_sarimax(window, **SEASONAL)().y_hat
    declared = dataclasses.replace(window, x_future=window.x_future + 10)
    x[n:], y[n:] = np.nan, np.nan
    assert_array_equal(fit_sarimax(window, **SEASONAL)().y_hat, expected)
    for other in (declared, window_of(y[:n], x[:n])):
        assert np.abs(fit_sarimax(other, **SEASONAL)().y_hat - expected).max() > 0.01


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
