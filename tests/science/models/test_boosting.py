"""XGBoost and the pairs it learns from: by naive loops, against the library, no look ahead."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import NotEnoughDataError, NotFoundError
from experiments.science.models import boosting
from experiments.science.models.boosting import DEFAULTS, fit_xgboost
from experiments.science.models.pairs import local_scale, next_dates, training_pairs
from windows import HORIZON, dates, index, walk, window_of

if TYPE_CHECKING:
    from experiments.science.window import TrainingWindow


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
    scale = [np.nan if value is None else value for value in expected]
    assert_allclose(local_scale(y), scale)
    for last in (1, 60, 150, len(y) - 1):
        assert_allclose(local_scale(y, last=last), scale[-last:])


def test_xgboost_is_the_library_s() -> None:
    import xgboost

    y, x = walk(200), index(200)
    pairs = training_pairs(window_of(y, x))
    settings: dict[str, Any] = {key: value for key, value in DEFAULTS.items() if key != "n_estimators"}
    settings |= {"tree_method": "hist", "nthread": 1, "seed": 7, "max_depth": 2, "max_bin": 128}
    data = xgboost.QuantileDMatrix(pairs.features, pairs.target, max_bin=128)
    booster = xgboost.train(settings, data, num_boost_round=20)
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
    for end in range(n - 10, n):
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
    with pytest.raises(NotFoundError, match=r"unknown strategy of XGBoost 'recursiv'\. Did you mean 'recursive'\?"):
        fit_xgboost(window_of(walk(100)), strategy="recursiv")
    assert np.isfinite(fit_xgboost(window_of(walk(100), np.full(100, np.nan)))()).all()


def test_xgboost_learns_from_the_value_at_the_step_s_own_date() -> None:
    rng = np.random.default_rng(13)
    n, horizon = 400, 2
    signal = rng.choice([-1.0, 1.0], size=n + horizon)
    y = 50 + np.cumsum(2 * signal + rng.normal(scale=0.3, size=n + horizon))
    errors: dict[str, list[float]] = {"known": [], "observed": []}
    for end in range(n - 6, n):
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


# --- recursive -------------------------------------------------------------------------------------------------------


def moved(window: TrainingWindow, path: list[float]) -> TrainingWindow:
    """A whole window that ends after the forecasts so far, as if they had been observed."""
    n, done = len(window.y), len(path)
    known = np.isin(window.covariates, window.known)
    x = [*window.x, *(np.where(known, window.x_future[i], window.x[-1]) for i in range(done))]
    names = dict(zip(window.covariates, window.x_future.T[:, done : done + 1], strict=True))
    return window_of(
        np.array([*window.y, *path]),
        np.array(x).reshape(n + done, -1),
        horizon=1,
        ahead={name: names[name] for name in window.known},
    )


@pytest.mark.parametrize("flat", [False, True])
def test_the_recursive_path_by_a_naive_loop(flat: bool) -> None:
    import xgboost

    n, horizon = 130, 6
    y, x = walk(n), np.column_stack([index(n), index(n, seed=2)])
    if flat:  # the scale is then that of the changes since the beginning
        y[30:] = y[30]
    window = window_of(y, x, horizon=horizon, ahead={"usd": index(horizon, seed=3).ravel() + 5})
    settings: dict[str, float] = {**DEFAULTS, "min_child_weight": 5}
    pairs = training_pairs(moved(window, []))
    assert_array_equal(pairs.features[:, 0], 1.0)
    booster = boosting._trained(pairs.features, pairs.target, settings, window.seed)
    path: list[float] = []
    for _ in range(horizon):
        last = training_pairs(moved(window, path))
        change = float(booster.predict(xgboost.DMatrix(last.ahead))[0])
        path.append((path or list(y))[-1] + float(last.unit[0]) * change)
    ours = fit_xgboost(window, strategy="recursive", min_child_weight=5)
    assert_allclose(ours(), path, rtol=1e-9)
    assert_array_equal(ours(), ours())


def test_recursive_and_direct_differ_and_agree_where_there_is_one_step() -> None:
    window = window_of(walk(300), index(300))
    direct, recursive = (fit_xgboost(window, strategy=strategy)() for strategy in ("direct", "recursive"))
    assert np.abs(direct - recursive).max() > 0.01
    window = window_of(walk(300), index(300), horizon=1)
    direct, recursive = (fit_xgboost(window, strategy=strategy)() for strategy in ("direct", "recursive"))
    assert_allclose(direct, recursive, rtol=1e-9)


def test_recursive_learns_what_goes_on() -> None:
    n, horizon = 300, 8
    changes = np.tile([1.0, 2.0, -2.0, -1.0], 80)[: n + horizon]  # each is told by the two before it
    y = 50 + np.cumsum(changes + np.random.default_rng(17).normal(scale=0.1, size=n + horizon))
    ahead = fit_xgboost(window_of(y[:n], horizon=horizon), strategy="recursive", min_child_weight=10)()
    assert np.abs(ahead - y[n:]).mean() < 0.3 * np.abs(y[n - 1] - y[n:]).mean()


def test_recursive_is_flat_where_nothing_moved_and_needs_history() -> None:
    assert_array_equal(fit_xgboost(window_of(np.full(60, 5.0)), strategy="recursive")(), np.full(HORIZON, 5.0))
    assert_array_equal(fit_xgboost(window_of(np.full(60, 5.0)))(), np.full(HORIZON, 5.0))
    assert np.isfinite(fit_xgboost(window_of(walk(41)), strategy="recursive")()).all()
    for strategy, needed in (("recursive", 41), ("direct", 54)):
        with pytest.raises(NotEnoughDataError, match=f"at least {needed} observations"):
            fit_xgboost(window_of(walk(needed - 1)), strategy=strategy)


def test_the_dates_go_on_by_their_rhythm() -> None:
    weekdays = dates(300)
    assert_array_equal(next_dates(weekdays[:290], 10), weekdays[290:])
    calendar = np.arange("2024-01-01", "2024-02-01", dtype="datetime64[D]")
    assert_array_equal(next_dates(calendar[:20], 11), calendar[20:])
    assert_array_equal(next_dates(calendar[:22:7], 1), calendar[28:29])
