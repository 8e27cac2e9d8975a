"""A copy of the naive forecast is naive, whatever rounding it went through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import Array, cut, made
from experiments.science.example_data import load_wti
from experiments.science.grid import overlap
from experiments.science.metrics import EQUALITY_TOLERANCE, SAME_AS_NAIVE, Scores, evaluate, window_scores
from experiments.science.series import prepare

COPIES: dict[str, Callable[[Array], Array]] = {
    "log": lambda x: np.exp(np.log(x)),
    "log of base 10": lambda x: 10 ** np.log10(x),
    "square root": lambda x: np.sqrt(x) ** 2,
    "scaled up": lambda x: x * 1234.567 / 1234.567,
    "scaled down": lambda x: x * 3e-7 / 3e-7,
    "standardised": lambda x: (x - x.mean()) / (x.std() + 1) * (x.std() + 1) + x.mean(),
    "float32": lambda x: x.astype(np.float32).astype(float),
    "log of float32": lambda x: np.exp(np.log(x.astype(np.float32))).astype(float),
    "the same": np.copy,
}


@st.composite
def series_of_any_level(draw: st.DrawFn) -> tuple[Array, int, int, int]:
    """A positive random walk, with the sizes of a backtest over it; never above 8 times its mean."""
    horizon = draw(st.integers(1, 20))
    step_size = draw(st.integers(1, 20))
    n_windows = draw(st.integers(1, 30))
    n = 5 + horizon + step_size * n_windows
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = 10 ** draw(st.floats(-3, 6))
    volatility = draw(st.sampled_from([0.0, 1e-4, 0.02, 0.2]))
    walk = np.clip(np.cumsum(volatility * rng.standard_normal(n)), -1, 1)
    return level * np.exp(walk), horizon, step_size, n_windows


def assert_is_naive(scores: Scores) -> None:
    assert scores.evidence_note == SAME_AS_NAIVE == "same forecasts as naive"
    assert scores.directional_accuracy is None
    assert scores.dm_test_vs_naive is None
    assert scores.dm_pvalue is None
    assert scores.dm_method is None
    assert scores.beats_baseline is None
    assert scores.pt_pvalue is None


@settings(max_examples=80, deadline=None)
@given(series=series_of_any_level(), copy=st.sampled_from(sorted(COPIES)))
def test_a_copy_of_naive_is_naive(series: tuple[Array, int, int, int], copy: str) -> None:
    y, horizon, step_size, n_windows = series
    days = np.arange(len(y)).astype("datetime64[D]")
    naive = cut(days, y, horizon=horizon, step_size=step_size, n_windows=n_windows)
    cells = dataclasses.replace(naive, y_hat=COPIES[copy](naive.y_hat))
    step_overlap = overlap(horizon, step_size)
    scores = cells.score(step_overlap)
    assert_is_naive(scores)
    assert scores.mae_path == pytest.approx(scores.naive_mae_path, rel=1e-5, abs=1e-6 * float(y.mean()))
    assert_is_naive(evaluate(*cells.frames(), step_size=step_size))
    # and as a series whose copy is what is forecast: the copies of the actuals change nothing either
    assert_is_naive(dataclasses.replace(cells, y=COPIES[copy](cells.y)).score(step_overlap))


def test_real_prices_through_a_logarithm_differ_from_naive_by_rounding_only() -> None:
    """Without the tolerance the same forecasts come out with a p-value, which is an accident of rounding."""
    (wti,) = prepare(load_wti(), commodity="WTI")
    naive = cut(wti.ds, wti.y, horizon=14, step_size=14, n_windows=40)
    assert_is_naive(naive.score())
    cells = dataclasses.replace(naive, y_hat=np.exp(np.log(naive.y_hat)))
    assert (cells.y_hat != naive.y_hat).any()
    windows = window_scores(y=cells.y, y_hat=cells.y_hat, day0=cells.day0, level=cells.level)
    assert (windows.mae_path != windows.naive_mae_path).any()
    assert_is_naive(cells.score())


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
def test_an_arima_without_terms_on_logarithms_is_naive() -> None:
    from statsmodels.tsa.arima.model import ARIMA

    (wti,) = prepare(load_wti().tail(500), commodity="WTI")
    naive = cut(wti.ds, wti.y, horizon=14, step_size=14, n_windows=8)
    ends = np.searchsorted(wti.ds, naive.cutoffs)
    y_hat = [np.exp(ARIMA(np.log(wti.y[: end + 1][-60:]), order=(0, 1, 0)).fit().forecast(14)) for end in ends]
    assert_is_naive(dataclasses.replace(naive, y_hat=np.array(y_hat)).score())


@pytest.mark.parametrize("level", [1e-3, 1.0, 1e6])
def test_the_tolerance_is_a_share_of_the_level(level: float) -> None:
    cells = made(worse=0.0)
    unit = level / cells.level.mean()
    scaled = {name: getattr(cells, name) * unit for name in ("y", "y_hat", "day0", "scale", "level")}
    same = dataclasses.replace(cells, **scaled)
    rng = np.random.default_rng(1)
    shift = same.level[:, None] * EQUALITY_TOLERANCE * rng.choice([-1, 1], same.y.shape)
    assert_is_naive(same.score(y_hat=same.y_hat + 0.99 * shift))
    other = same.score(y_hat=same.y_hat + 1.01 * shift)
    assert other.evidence_note != SAME_AS_NAIVE
    assert other.directional_accuracy == pytest.approx(0.5, abs=0.1)


def test_one_forecast_that_differs_in_one_cell_is_not_naive() -> None:
    cells = made(worse=0.0)
    y_hat = cells.y_hat.copy()
    y_hat[3, 5] += 1
    scores = cells.score(y_hat=y_hat)
    assert scores.evidence_note is None
    assert scores.directional_accuracy == pytest.approx(float(cells.y[3, 5] > cells.day0[3]) / cells.y.size, abs=1e-9)
