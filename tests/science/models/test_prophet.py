"""Prophet: repeatable, quiet, leaves nothing behind, follows a trend, a season and a covariate."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import NotEnoughDataError
from experiments.science.models.prophet import fit_prophet
from windows import HORIZON, Array, index, walk, window_of

if TYPE_CHECKING:
    from experiments.science.window import Forecast, TrainingWindow


def forecast(window: TrainingWindow, **settings: Any) -> Forecast:
    return fit_prophet(window, **settings)()


def days(n: int) -> Array:
    return np.arange(n, dtype=float)


def test_one_seed_gives_one_forecast_whatever_the_caller_drew() -> None:
    window = window_of(walk(200), index(200))
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    predict = fit_prophet(window)
    first = predict()
    assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    other = forecast(dataclasses.replace(window, seed=8))
    for said in (predict(), forecast(window)):
        assert_array_equal(said.y_hat, first.y_hat)
        for level, values in first.quantiles.items():
            assert_array_equal(said.quantiles[level], values)
    assert_array_equal(other.y_hat, first.y_hat)
    assert np.abs(other.quantiles[0.1] - first.quantiles[0.1]).max() > 0
    assert (first.quantiles[0.1] < first.quantiles[0.5]).all()
    assert (first.quantiles[0.5] < first.quantiles[0.9]).all()


def test_it_is_quiet_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    forecast(window_of(walk(200)))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("cmdstanpy").disabled


@pytest.mark.parametrize(("factor", "shift"), [(1e-8, 0.0), (1e9, 0.0), (1.0, -80.0)])
def test_the_unit_and_the_sign_of_a_price_do_not_matter(factor: float, shift: float) -> None:
    y = walk(200)
    expected = forecast(window_of(y))
    moved = forecast(window_of(y * factor + shift))
    assert_allclose((moved.y_hat - shift) / factor, expected.y_hat, atol=0.01)


def test_a_series_that_never_moved_is_certain() -> None:
    for price in (0.0, 50.0):
        said = forecast(window_of(np.full(100, price)))
        for values in (said.y_hat, *said.quantiles.values()):
            assert_array_equal(values, price)


def test_a_trend_goes_on() -> None:
    said = forecast(window_of(50 + 0.5 * days(300) + np.random.default_rng(1).normal(scale=0.1, size=300)))
    assert_allclose(said.y_hat, 50 + 0.5 * np.arange(300, 300 + HORIZON), atol=1.0)


def test_the_steps_are_trading_days() -> None:
    n = 1000
    window = window_of(np.zeros(n))
    year = (window.ds.astype(int) % 365.25) / 365.25
    season = 10 * np.sin(2 * np.pi * year)
    window = dataclasses.replace(window, y=50 + season + np.random.default_rng(1).normal(scale=0.1, size=n))
    ahead = np.busday_offset(window.ds[-1], np.arange(1, HORIZON + 1))
    expected = 50 + 10 * np.sin(2 * np.pi * ((ahead.astype(int) % 365.25) / 365.25))
    assert_allclose(forecast(window).y_hat, expected, atol=0.6)


def test_a_week_of_seven_days_has_its_season() -> None:
    n = 280
    pattern = np.tile([0.0, 1.0, 2.0, 3.0, 4.0, 9.0, -5.0], 42)
    window = dataclasses.replace(window_of(50 + pattern[:n]), ds=np.datetime64("2024-01-01", "D") + np.arange(n))
    assert_allclose(forecast(window).y_hat, 50 + pattern[n : n + HORIZON], atol=0.5)


def test_covariates_enter_lagged_by_the_horizon_or_at_their_own_date() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=400 + HORIZON)
    noise = rng.normal(scale=0.1, size=400 + HORIZON)
    at_once = 50 + 5 * x + noise
    late = 50 + 5 * np.concatenate([np.zeros(HORIZON), x[:-HORIZON]]) + noise
    known = forecast(window_of(at_once[:400], x[:400], ahead={"vix": x[400:]}))
    assert_allclose(known.y_hat, at_once[400:], atol=1.0)
    observed = forecast(window_of(late[:400], x[:400]))
    assert_allclose(observed.y_hat, late[400:], atol=1.0)


def test_its_parameters_reach_the_model() -> None:
    y = walk(300)
    stiff = forecast(window_of(y), changepoint_prior_scale=0.001, n_changepoints=5, seasonality_prior_scale=1.0)
    assert np.abs(stiff.y_hat - forecast(window_of(y)).y_hat).max() > 0.1


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="Prophet needs at least 12 complete training rows; the window has 6"):
        fit_prophet(window_of(walk(20), index(20)))
