"""Conformal quantiles against crepes and a plain loop, and by the theory; their scores against two other packages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scores.continuous import quantile_score
from sklearn.metrics import mean_pinball_loss

from cells import cut
from experiments.errors import InvalidInputError
from experiments.science.intervals import FEWEST_RESIDUALS, conformal_quantiles, coverage, pinball_loss
from experiments.science.window import QUANTILE_LEVELS

ORACLES = Path(__file__).parent / "oracles"


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / f"{name}.csv", float_precision="round_trip")


SERIES, FORECASTS, ACCURACY, CONFORMAL = map(table, ("accuracy_series", "accuracy_forecasts", "accuracy", "conformal"))


def days(n: int, horizon: int, *, step_size: int | None = None) -> tuple[Any, Any]:
    """Cutoffs [n] and dates [n, horizon] of windows every `step_size` days."""
    cutoffs = np.datetime64("2024-01-01") + (step_size or horizon) * np.arange(n)
    return cutoffs, cutoffs[:, None] + np.arange(1, horizon + 1)


# --- references from outside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "model"), sorted({*zip(CONFORMAL["case"], CONFORMAL["model"], strict=True)}))
def test_conformal_quantiles_are_what_crepes_says(case: str, model: str) -> None:
    series = SERIES[SERIES["case"] == case]
    ds, y = series["ds"].to_numpy(dtype="datetime64[D]"), series["y"].to_numpy(dtype=float)
    if model == "naive":
        sizes = {"horizon": 7, "step_size": 3, "n_windows": 30}
    else:
        (row,) = ACCURACY[(ACCURACY["case"] == case) & (ACCURACY["model"] == model)].to_dict("records")
        sizes = {name: int(row[name]) for name in ("horizon", "step_size", "n_windows")}
    cells = cut(ds, y, **sizes)
    y_hat = cells.y_hat
    if model != "naive":
        own = FORECASTS[(FORECASTS["case"] == case) & (FORECASTS["model"] == model)]
        y_hat = own.pivot(index="cutoff", columns="step", values="y_hat").to_numpy()
    expected = np.full((*cells.y.shape, 3), np.nan)
    position = {str(cutoff): place for place, cutoff in enumerate(cells.cutoffs)}
    for one in CONFORMAL[(CONFORMAL["case"] == case) & (CONFORMAL["model"] == model)].to_dict("records"):
        expected[position[one["cutoff"]], one["step"] - 1] = one["q10"], one["q50"], one["q90"]
    found = conformal_quantiles(cells.y, y_hat, cells.cutoffs, cells.ds)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)
    assert np.isfinite(found).any()


def test_the_references_hold_overlap_and_more_than_one_rank() -> None:
    assert set(CONFORMAL["n"]) >= {*range(9, 40)}
    naive = CONFORMAL[CONFORMAL["model"] == "naive"]
    assert naive.groupby(["case", "cutoff"])["n"].nunique().max() > 1  # the later steps of overlapping windows lag


shapes = st.tuples(st.integers(1, 30), st.integers(1, 5), st.just(3))


@settings(max_examples=40, deadline=None)
@given(quantiles=hnp.arrays(float, shapes, elements=st.floats(-1e6, 1e6)), seed=st.integers(0, 9))
def test_pinball_losses_are_what_scikit_learn_and_scores_say(quantiles: Any, seed: int) -> None:
    y = np.random.default_rng(seed).normal(scale=1e3, size=quantiles.shape[:2])
    each = [
        mean_pinball_loss(y.ravel(), quantiles[..., place].ravel(), alpha=level)
        for place, level in enumerate(QUANTILE_LEVELS)
    ]
    assert pinball_loss(y, quantiles) == pytest.approx(np.mean(each), rel=1e-12)
    arrays = [xr.DataArray(values, dims=["w", "h"]) for values in (y, *np.moveaxis(quantiles, -1, 0))]
    scored = [
        float(quantile_score(given, arrays[0], level)) for given, level in zip(arrays[1:], QUANTILE_LEVELS, strict=True)
    ]
    assert pinball_loss(y, quantiles) == pytest.approx(np.mean(scored), rel=1e-12)


def test_twice_the_mean_over_a_dense_grid_of_levels_is_the_crps() -> None:
    levels = (np.arange(20_000) + 0.5) / 20_000
    rng = np.random.default_rng(3)
    sample = rng.normal(size=40)
    quantiles = np.quantile(sample, levels, method="inverted_cdf")
    for y in (-2.0, 0.3, 5.0):
        crps = np.abs(sample - y).mean() - np.abs(sample[:, None] - sample).mean() / 2
        loss = pinball_loss([y], quantiles[None], levels)
        assert loss is not None
        assert 2 * loss == pytest.approx(crps, rel=1e-3)


# --- plain loops ---------------------------------------------------------------------------------------------------


def conformal_loop(y: Any, y_hat: Any, cutoffs: Any, ds: Any) -> Any:
    found = np.full((*y.shape, 3), np.nan)
    for w in range(y.shape[0]):
        for h in range(y.shape[1]):
            known = sorted(y[v, h] - y_hat[v, h] for v in range(y.shape[0]) if ds[v, h] <= cutoffs[w])
            n = len(known)
            if (n + 1) // 10 >= 1:
                lower, upper = known[(n + 1) // 10 - 1], known[-(-9 * (n + 1) // 10) - 1]
                found[w, h] = y_hat[w, h] + np.array([lower, float(np.median(known)), upper])
    return found


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 6)),
    step_size=st.integers(1, 7),
    seed=st.integers(0, 99),
    ties=st.booleans(),
)
def test_conformal_quantiles_are_their_plain_loop(
    shape: tuple[int, int], step_size: int, seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    y, y_hat = rng.normal(size=(2, *shape)).round(0 if ties else 9)
    cutoffs, ds = days(*shape, step_size=step_size)
    found = conformal_quantiles(y, y_hat, cutoffs, ds)
    np.testing.assert_allclose(found, conformal_loop(y, y_hat, cutoffs, ds), rtol=1e-12)
    shuffled = rng.permutation(shape[0])
    again = conformal_quantiles(y[shuffled], y_hat[shuffled], cutoffs[shuffled], ds[shuffled])
    np.testing.assert_array_equal(again, found[shuffled])
    assert not (np.diff(found, axis=-1) < 0).any(), "never crossing"


# --- what must hold ------------------------------------------------------------------------------------------------


def test_nothing_of_what_comes_after_a_cutoff_is_used() -> None:
    rng = np.random.default_rng(1)
    y, y_hat = rng.normal(size=(2, 40, 5))
    cutoffs, ds = days(40, 5, step_size=2)
    found = conformal_quantiles(y, y_hat, cutoffs, ds)
    for window in (0, 12, 25, 39):
        other = np.where(ds > cutoffs[window], y + 1e3, y)
        np.testing.assert_array_equal(conformal_quantiles(other, y_hat, cutoffs, ds)[window], found[window])
        alone = slice(window + 1)
        first = conformal_quantiles(y[alone], y_hat[alone], cutoffs[alone], ds[alone])
        np.testing.assert_array_equal(first, found[alone], "later windows change nothing")


def test_an_error_counts_from_the_day_it_is_known() -> None:
    cutoffs, ds = days(40, 14, step_size=1)
    found = conformal_quantiles(np.ones((40, 14)), np.zeros((40, 14)), cutoffs, ds)
    there = np.isfinite(found).all(axis=-1)
    for step in range(1, 15):
        assert np.flatnonzero(there[:, step - 1])[0] == FEWEST_RESIDUALS - 1 + step


def test_iid_errors_are_covered_as_often_as_the_theory_says() -> None:
    """Every step is a draw of its own here, so that the share over steps has a known standard error."""
    n_windows, draws = 42, 4000
    errors = np.random.default_rng(7).standard_exponential(size=(n_windows, draws))  # far from symmetric
    cutoffs = np.datetime64("2000-01-01") + 10_000 * np.arange(n_windows)
    ds = cutoffs[:, None] + np.arange(1, draws + 1)
    found = conformal_quantiles(errors, np.zeros_like(errors), cutoffs, ds)
    for n in range(FEWEST_RESIDUALS, n_windows):
        below, above = (n + 1) // 10, -(-9 * (n + 1) // 10)
        for share, probability in (
            (coverage(errors[n], found[n, :, 0], found[n, :, 2]), (above - below) / (n + 1)),
            (coverage(errors[n], np.zeros(draws), found[n, :, 0]), below / (n + 1)),
            (coverage(errors[n], np.zeros(draws), found[n, :, 1]), 0.5),
        ):
            assert share == pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / draws))
        assert 0.8 <= (above - below) / (n + 1) < 0.8 + 2 / (n + 1)


def test_a_constant_bias_is_corrected() -> None:
    cutoffs, ds = days(10, 1)
    found = conformal_quantiles(np.full((10, 1), 3.0), np.full((10, 1), 5.0), cutoffs, ds)
    assert found[-1, 0].tolist() == [3.0, 3.0, 3.0]
    assert np.isnan(found[:-1]).all()


def test_no_window_has_no_quantiles() -> None:
    empty = np.empty((0, 3))
    assert conformal_quantiles(empty, empty, np.empty(0, "datetime64[D]"), empty.astype("datetime64[D]")).shape == (
        0,
        3,
        3,
    )


def test_two_thousand_windows_are_no_burden() -> None:
    rng = np.random.default_rng(0)
    cutoffs, ds = days(2000, 14, step_size=1)
    y = rng.normal(size=(2000, 14))
    found = conformal_quantiles(y, np.zeros_like(y), cutoffs, ds)
    assert coverage(y, found[..., 0], found[..., 2]) == pytest.approx(0.8, abs=0.01)


GAPS = np.full((2, 2, 3), np.nan)


def test_cells_without_quantiles_are_left_out() -> None:
    y = np.array([[1.0, 2.0], [3.0, 4.0]])
    quantiles = GAPS.copy()
    assert pinball_loss(y, quantiles) is None
    assert coverage(y, quantiles[..., 0], quantiles[..., 2]) is None
    quantiles[1, 0] = [1.0, 3.0, 4.0]
    assert pinball_loss(y, quantiles) == pytest.approx((0.1 * 2 + 0 + 0.1 * 1) / 3)
    assert coverage(y, quantiles[..., 0], quantiles[..., 2]) == 1.0


def test_an_actual_on_the_end_of_its_interval_lies_within() -> None:
    assert coverage([1.0, 2.0, 2.5], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]) == 2 / 3


def test_quantiles_that_cross_are_scored_as_given() -> None:
    assert coverage([1.0], [2.0], [0.0]) == 0.0
    crossed, ordered = (pinball_loss([1.0], [values]) for values in ([2.0, 1.0, 0.0], [0.0, 1.0, 2.0]))
    assert crossed is not None
    assert ordered is not None
    assert crossed > ordered


ONES = np.ones((2, 2))
CUTOFFS, DS = days(2, 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y": [1.0, 2.0]}, r"y has shape \(2,\): accepted is a table of windows by steps"),
        ({"y": [["a", "b"]]}, "y holds something that is not a number"),
        ({"y": [[math.nan, 1.0], [1.0, 1.0]]}, "y holds 1 values that are not finite"),
        ({"y_hat": np.full((2, 2), math.inf)}, "y_hat holds 4 values that are not finite"),
        ({"y_hat": np.ones((2, 3))}, r"y_hat has shape \(2, 3\): with this y, \(2, 2\) is needed"),
        ({"cutoffs": CUTOFFS[:1]}, r"cutoffs has shape \(1,\) and 0 missing dates: with this y, \(2,\)"),
        ({"cutoffs": ["a", "b"]}, "cutoffs holds something that is not a date"),
        ({"ds": np.full((2, 2), np.datetime64("NaT"))}, "ds has shape .* and 4 missing dates"),
        ({"ds": DS - 1}, "ds has 2024-01-01 at step 1 after the cutoff 2024-01-01: give later dates"),
    ],
)
def test_what_conformal_quantiles_cannot_use(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        conformal_quantiles(**({"y": ONES, "y_hat": ONES, "cutoffs": CUTOFFS, "ds": DS} | changes))


@pytest.mark.parametrize(
    ("y", "quantiles", "levels", "said"),
    [
        (ONES, np.ones((2, 3)), QUANTILE_LEVELS, r"quantiles has shape \(2, 3\): with this y, \(2, 2, 3\) is needed"),
        (ONES * math.nan, np.ones((2, 2, 3)), QUANTILE_LEVELS, "y holds 4 values that are not finite"),
        (
            [1.0],
            [[1.0, math.nan, 2.0]],
            QUANTILE_LEVELS,
            r"1 cells have some .* only, the first \(0,\)",
        ),
        ([1.0], [[1.0, math.inf, 2.0]], QUANTILE_LEVELS, "1 quantiles are infinite"),
        ([1.0], [["a", "b", "c"]], QUANTILE_LEVELS, "quantiles holds something that is not a number"),
        ([1.0], [[1.0, 2.0]], (0.5, 1.0), r"levels is \[0.5, 1.0\]: accepted is a list of numbers above 0 and below 1"),
        ([1.0], [[]], (), r"levels is \[\]"),
        ([1.0], [1.0], 0.5, "levels is 0.5"),
    ],
)
def test_what_pinball_losses_cannot_use(y: Any, quantiles: Any, levels: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        pinball_loss(y, quantiles, levels)


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        ([1.0, 2.0], [1.0], r"lower has shape \(2,\)"),
        ([1.0], [1.0, 2.0], r"upper has shape \(2,\)"),
        ([1.0], [math.nan], "1 cells have some of their quantiles only"),
        ([-math.inf], [1.0], "1 quantiles are infinite"),
    ],
)
def test_what_coverage_cannot_use(lower: Any, upper: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        coverage([1.0], lower, upper)
