"""Each metric against a reference from outside (see oracles/), against plain loops, and against what must hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cells import Cells, cut, made, made_of_quarters
from experiments.errors import InvalidInputError
from experiments.science.cells import QUANTILE_COLUMNS, cells_of
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.grid import overlap
from experiments.science.intervals import coverage, pinball_loss
from experiments.science.metrics import (
    NO_WINDOW,
    Scores,
    StepScores,
    evaluate,
    metrics_at,
    scale_and_level,
    score,
    window_scores,
)
from experiments.science.series import prepare

ORACLES = Path(__file__).parent / "oracles"
COLUMNS = [item.name for item in dataclasses.fields(Scores)]
AGREEMENT = {"rel": 1e-9, "abs": 1e-12}


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / f"{name}.csv", float_precision="round_trip")


SERIES, FORECASTS, ACCURACY, DIRECTIONS = map(
    table, ("accuracy_series", "accuracy_forecasts", "accuracy", "directional_accuracy")
)
CASES = [(row["case"], row["model"]) for row in ACCURACY.to_dict("records")]


def oracle_cells(case: str, model: str) -> Cells:
    expected = oracle_row(case, model)
    (series,) = prepare(SERIES.loc[SERIES["case"] == case, ["ds", "y"]], commodity=case)
    sizes = {name: int(expected[name]) for name in ("horizon", "step_size", "n_windows")}
    cells = cut(series.ds, series.y, **sizes)
    given_forecasts = FORECASTS[(FORECASTS["case"] == case) & (FORECASTS["model"] == model)]
    wide = given_forecasts.pivot(index="cutoff", columns="step", values="y_hat")
    assert list(wide.index) == list(cells.cutoffs.astype(str))  # R counted the same windows
    return dataclasses.replace(cells, y_hat=wide.to_numpy())


def oracle_row(case: str, model: str) -> dict[str, Any]:
    (row,) = ACCURACY[(ACCURACY["case"] == case) & (ACCURACY["model"] == model)].to_dict("records")
    return row


# --- references from outside ---------------------------------------------------------------------------------------

FROM_R = [
    *("mae_1day", "mae_7day", "mae_14day", "rmse_14day", "mape_14day", "mase_14day"),
    *("mae_path", "naive_mae_path", "dm_test_vs_naive", "dm_pvalue", "pt_pvalue"),
]


@pytest.mark.parametrize(("case", "model"), CASES)
def test_the_metrics_are_what_r_says(case: str, model: str) -> None:
    expected = oracle_row(case, model)
    step_overlap = overlap(expected["horizon"], expected["step_size"])
    scores = dataclasses.asdict(oracle_cells(case, model).score(step_overlap))
    for name in FROM_R:
        if math.isnan(expected[name]):
            assert scores[name] is None, name
        else:
            assert scores[name] == pytest.approx(expected[name], **AGREEMENT), name
    assert scores["dm_n"] == expected["n_windows"]
    assert scores["dm_method"] == ("hln" if step_overlap == 1 else "fixed-smoothing")
    assert scores["beats_baseline"] == (expected["dm_test_vs_naive"] < 0 and expected["dm_pvalue"] < 0.05)
    assert scores["evidence_note"] is None


def test_the_references_hold_a_winner_and_what_is_hard() -> None:
    """So that the test above cannot pass on easy cases alone."""
    winners = ACCURACY[(ACCURACY["dm_test_vs_naive"] < 0) & (ACCURACY["dm_pvalue"] < 0.05)]
    assert len(winners) == 1
    assert (ACCURACY["dm_test_vs_naive"] < 0).sum() > 2
    assert set(ACCURACY["horizon"]) == {1, 7, 14}
    assert (ACCURACY["step_size"] < ACCURACY["horizon"]).any()
    assert ACCURACY["pt_pvalue"].notna().sum() >= 4
    assert (DIRECTIONS["n_flat_actuals"] > 0).any()
    assert (DIRECTIONS["n_flat_forecasts"] > 0).any()


@pytest.mark.parametrize(("case", "model"), CASES)
def test_directional_accuracy_is_what_scikit_learn_says(case: str, model: str) -> None:
    (expected,) = DIRECTIONS[(DIRECTIONS["case"] == case) & (DIRECTIONS["model"] == model)].to_dict("records")
    cells = oracle_cells(case, model)
    assert cells.score().directional_accuracy == pytest.approx(expected["directional_accuracy"], **AGREEMENT)
    moves = window_scores(y=cells.y, y_hat=cells.y_hat, day0=cells.day0, level=cells.level).n_direction_moves
    assert cells.y.size - moves.sum() == expected["n_flat_actuals"]


@pytest.mark.parametrize(("case", "model"), CASES)
def test_evaluate_reads_the_same_from_stored_rows(case: str, model: str) -> None:
    expected = oracle_row(case, model)
    cells = oracle_cells(case, model)
    scores = cells.score(overlap(expected["horizon"], expected["step_size"]))
    assert evaluate(*cells.frames()) == scores
    assert evaluate(*cells.frames(), step_size=expected["step_size"]) == scores


# --- plain loops ---------------------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def direction(value: float, day0: float, level: float) -> int:
    if abs(value - day0) <= 1e-6 * level:
        return 0
    return 1 if value > day0 else -1


def dm_loop(a: list[float], b: list[float], overlap_: int) -> tuple[float, float] | None:
    """Design, section 5, written out."""
    n = len(a)
    if n < max(8, 2 * overlap_):
        return None
    d = [x - z for x, z in zip(a, b, strict=True)]
    tolerance = 1e-6 * (mean(a) + mean(b)) / 2
    if max(d) - min(d) <= tolerance:
        return None
    centre = mean(d)
    if overlap_ == 1:
        df = n - 1
        variance = sum((x - centre) ** 2 for x in d) / (n - 1)
    else:
        df = max(1, min(math.floor(round(0.4 * n ** (2 / 3), 9)), n // overlap_))
        squares = []
        for j in range(1, df + 1):
            total = math.fsum((x - centre) * math.cos(math.pi * j * (t + 0.5) / n) for t, x in enumerate(d))
            squares.append(2 / n * total**2)
        variance = mean(squares)
        if variance <= 1e-12 * sum((x - centre) ** 2 for x in d) / n:
            return None
    statistic = centre / math.sqrt(variance / n)
    return statistic, 2 * float(stats.t.cdf(-abs(statistic), df))


def pt_loop(actual: list[int], called: list[int]) -> float | None:
    pairs = [(a, c) for a, c in zip(actual, called, strict=True) if a != 0 and c != 0]
    n = len(pairs)
    if n < 20 or len({a for a, _ in pairs}) == 1 or len({c for _, c in pairs}) == 1:
        return None
    hit = sum(a == c for a, c in pairs) / n
    up, said = sum(a > 0 for a, _ in pairs) / n, sum(c > 0 for _, c in pairs) / n
    chance = up * said + (1 - up) * (1 - said)
    v_hit = chance * (1 - chance) / n
    v_chance = ((2 * up - 1) ** 2 * said * (1 - said) + (2 * said - 1) ** 2 * up * (1 - up)) / n
    v_chance += 4 * up * said * (1 - up) * (1 - said) / n**2
    return 0.5 * math.erfc((hit - chance) / math.sqrt(v_hit - v_chance) / math.sqrt(2))


def score_loop(cells: Cells, step_overlap: int) -> dict[str, Any]:
    """Design, section 4, one window and one step at a time."""
    y, y_hat = cells.y.tolist(), cells.y_hat.tolist()
    day0, scale, level = cells.day0.tolist(), cells.scale.tolist(), cells.level.tolist()
    windows, horizon = range(len(y)), len(y[0])
    found: dict[str, Any] = dict.fromkeys(COLUMNS)
    for step in (1, 7, 14):
        if horizon >= step:
            found[f"mae_{step}day"] = mean([abs(y[w][step - 1] - y_hat[w][step - 1]) for w in windows])
    if horizon >= 14:
        errors = [y[w][13] - y_hat[w][13] for w in windows]
        found["rmse_14day"] = math.sqrt(mean([error**2 for error in errors]))
        if all(y[w][13] != 0 for w in windows):
            found["mape_14day"] = 100 * mean([abs(errors[w] / y[w][13]) for w in windows])
        if all(value > 0 for value in scale):
            found["mase_14day"] = mean([abs(errors[w]) / scale[w] for w in windows])
    losses = [mean([abs(y[w][k] - y_hat[w][k]) for k in range(horizon)]) for w in windows]
    naive = [mean([abs(y[w][k] - day0[w]) for k in range(horizon)]) for w in windows]
    found["mae_path"], found["naive_mae_path"] = mean(losses), mean(naive)
    moves, calls, hits = 0, 0, 0
    for w in windows:
        for k in range(horizon):
            actual = direction(y[w][k], day0[w], level[w])
            forecast = direction(y_hat[w][k], day0[w], level[w])
            moves += actual != 0
            calls += forecast != 0
            hits += actual != 0 and actual == forecast
    found["directional_accuracy"] = hits / moves if moves and calls else None
    if step_overlap == 1:
        last = [(direction(y[w][-1], day0[w], level[w]), direction(y_hat[w][-1], day0[w], level[w])) for w in windows]
        found["pt_pvalue"] = pt_loop([a for a, _ in last], [c for _, c in last])
    found["dm_n"] = len(y)
    test = dm_loop(losses, naive, step_overlap) if calls else None
    if test is not None:
        found["dm_test_vs_naive"], found["dm_pvalue"] = test
        found["beats_baseline"] = test[0] < 0 and test[1] < 0.05
        found["dm_method"] = "hln" if step_overlap == 1 else "fixed-smoothing"
    return found


@settings(max_examples=120, deadline=None)
@given(cells=made_of_quarters(), step_overlap=st.sampled_from([1, 1, 2, 3, 14]))
def test_the_metrics_are_their_plain_loops(cells: Cells, step_overlap: int) -> None:
    scores = dataclasses.asdict(cells.score(step_overlap))
    expected = score_loop(cells, step_overlap)
    for name in COLUMNS:
        if name == "evidence_note":
            assert (scores[name] is None) == (expected["dm_pvalue"] is not None)
        elif isinstance(expected[name], float):
            assert scores[name] == pytest.approx(expected[name], rel=1e-7, abs=1e-9), name
        else:
            assert scores[name] == expected[name], name
        assert scores[name] is None or type(scores[name]) in (float, int, bool, str), name


@settings(max_examples=30, deadline=None)
@given(cells=made_of_quarters())
def test_windows_are_scored_one_by_one(cells: Cells) -> None:
    scores = window_scores(y=cells.y, y_hat=cells.y_hat, day0=cells.day0, level=cells.level)
    for w in range(len(cells.y)):
        one = {name: getattr(cells, name)[w : w + 1] for name in ("y", "y_hat", "day0", "scale", "level")}
        alone = score_loop(dataclasses.replace(cells, **one), 1)
        assert scores.mae_path[w] == pytest.approx(alone["mae_path"])
        assert scores.naive_mae_path[w] == pytest.approx(alone["naive_mae_path"])
        moves, hits = scores.n_direction_moves[w], scores.n_direction_hits[w]
        assert 0 <= hits <= moves <= cells.y.shape[1]
        if alone["directional_accuracy"] is not None:
            assert hits / moves == pytest.approx(alone["directional_accuracy"])


# --- directional accuracy ------------------------------------------------------------------------------------------


def directions(actual: list[list[float]], forecast: list[list[float]], day0: float = 10.0) -> float | None:
    n = len(actual)
    ones = np.ones(n)
    return score(
        y=day0 + np.array(actual, dtype=float),
        y_hat=day0 + np.array(forecast, dtype=float),
        day0=day0 * ones,
        scale=ones,
        level=day0 * ones,
        step_overlap=1,
    ).directional_accuracy


@pytest.mark.parametrize(
    ("actual", "forecast", "share"),
    [
        ([[1, 2]], [[3, 1]], 1.0),  # step 2 rises from day 0, though less than step 1
        ([[1, -1]], [[1, 1]], 0.5),
        ([[-1, -1]], [[0, -1]], 0.5),  # flat in a falling market: a miss
        ([[1, 1]], [[0, 1]], 0.5),  # flat in a rising market: a miss
        ([[0, 1]], [[1, 1]], 1.0),  # the market did not move: left out
        ([[0, 1]], [[0, -1]], 0.0),
        ([[1, 1], [-1, -1]], [[0, 0], [-1, 1]], 0.25),
        ([[0, 0]], [[1, 1]], None),  # nothing moved
        ([[1, -1]], [[0, 0]], None),  # never called
        ([[0, 0]], [[0, 0]], None),
    ],
)
def test_directions_are_relative_to_day_0(
    actual: list[list[float]], forecast: list[list[float]], share: float | None
) -> None:
    assert directions(actual, forecast) == share


@pytest.mark.parametrize("market", [1.0, -1.0])
def test_a_flat_forecast_scores_in_no_market(market: float) -> None:
    """Ties counted as "down" would make it right in every falling one."""
    steps = np.arange(1.0, 15.0)
    cells = made(n_windows=24)
    y = cells.day0[:, None] + market * steps
    almost_flat = cells.day0[:, None] + np.where(steps == 1, 1.0, 0.0)
    scores = cells.score(y=y, y_hat=np.broadcast_to(almost_flat, y.shape))
    assert scores.directional_accuracy == (pytest.approx(1 / 14) if market > 0 else 0.0)


def test_a_flat_forecast_is_no_call_in_the_test_of_directions() -> None:
    """As "down" the 30 flat forecasts here would be right whenever the market fell."""
    rng = np.random.default_rng(5)
    actual = rng.choice([-1.0, 1.0], 60)
    called = np.where(np.arange(60) < 30, 0.0, rng.choice([-1.0, 1.0], 60))
    cells = made(n_windows=60, horizon=1)
    day0 = cells.day0
    scores = cells.score(y=(day0 + actual)[:, None], y_hat=(day0 + called)[:, None])
    assert scores.pt_pvalue == pytest.approx(pt_loop(list(actual[30:]), list(called[30:])))
    fewer = np.where(np.arange(60) < 41, 0.0, called)
    assert cells.score(y=(day0 + actual)[:, None], y_hat=(day0 + fewer)[:, None]).pt_pvalue is None


# --- nothing to say ------------------------------------------------------------------------------------------------

AT_7 = ("mae_7day",)
AT_14 = ("mae_14day", "rmse_14day", "mape_14day", "mase_14day")


@pytest.mark.parametrize(
    ("horizon", "missing"), [(1, AT_7 + AT_14), (6, AT_7 + AT_14), (7, AT_14), (13, AT_14), (14, ()), (20, ())]
)
def test_a_step_beyond_the_horizon_has_no_figure(horizon: int, missing: tuple[str, ...]) -> None:
    scores = dataclasses.asdict(made(horizon=horizon).score())
    assert {name for name in ("mae_1day", *AT_7, *AT_14) if scores[name] is None} == set(missing)
    assert scores["mae_path"] > 0


@pytest.mark.parametrize("zero", [0.0, -0.0, 1e-9, 5e-324])
def test_an_actual_of_0_has_no_percentage(zero: float) -> None:
    """Nor has one that is 0 within the tolerance, as a difference of prices often is."""
    cells = made()
    y = cells.y.copy()
    y[7, 13] = zero
    scores = cells.score(y=y)
    assert scores.mape_14day is None
    assert scores.rmse_14day > 0
    assert scores.mase_14day > 0
    y[7, 13], y[7, 12] = 1.0, zero
    assert cells.score(y=y).mape_14day > 0


def test_a_percentage_of_a_negative_actual_is_positive() -> None:
    cells = made()
    mirrored = {name: -getattr(cells, name) for name in ("y", "y_hat", "day0")}
    scores, expected = cells.score(**mirrored), cells.score()
    assert scores.mape_14day == expected.mape_14day > 0
    assert scores == expected


@pytest.mark.parametrize("scale", [0.0, math.nan, 1e-9, 5e-324])
def test_a_scale_of_0_or_unknown_has_no_mase(scale: float) -> None:
    cells = made()
    spoilt = cells.scale.copy()
    spoilt[0] = scale
    scores = cells.score(scale=spoilt)
    assert scores.mase_14day is None
    assert scores.mape_14day > 0


def test_a_series_of_nothing_but_zeros_has_no_ratio() -> None:
    cells = made(n_windows=10)
    zeros = dict.fromkeys(("day0", "scale", "level"), np.zeros(10))
    scores = cells.score(y=np.zeros((10, 14)), y_hat=np.ones((10, 14)), **zeros)
    assert (scores.mape_14day, scores.mase_14day, scores.directional_accuracy) == (None, None, None)
    assert scores.mae_14day == scores.mae_path == 1.0


@pytest.mark.parametrize(("n", "step_overlap", "needed"), [(1, 1, 8), (7, 1, 8), (7, 2, 8), (27, 14, 28)])
def test_too_few_windows_are_no_evidence(n: int, step_overlap: int, needed: int) -> None:
    scores = made(n_windows=n).score(step_overlap)
    assert (
        scores.evidence_note == f"too few windows to say: {n} given, at least {needed} needed at overlap {step_overlap}"
    )
    assert (scores.dm_test_vs_naive, scores.dm_pvalue, scores.beats_baseline, scores.dm_method) == (None,) * 4
    assert scores.dm_n == n
    assert scores.mae_path > 0
    assert scores.directional_accuracy is not None
    assert made(n_windows=needed).score(step_overlap).dm_pvalue is not None


def test_a_single_window_has_its_figures() -> None:
    cells = made(n_windows=1)
    scores = cells.score()
    assert scores.mae_14day == scores.rmse_14day == pytest.approx(abs(cells.y[0, 13] - cells.y_hat[0, 13]))
    assert scores.pt_pvalue is None


def test_no_window_has_a_note_and_nothing_else() -> None:
    empty = np.empty(0)
    expected = Scores(evidence_note="no window succeeded")
    assert score(y=empty, y_hat=empty, day0=empty, scale=empty, level=empty, step_overlap=1) == expected
    assert made().score(**{name: np.empty((0, 14)) for name in ("y", "y_hat")}) == expected
    assert {getattr(expected, name) for name in COLUMNS} == {None, NO_WINDOW}


def test_overlapping_windows_have_no_test_of_directions_and_another_of_losses() -> None:
    cells = made(n_windows=40)
    apart, overlapping = cells.score(1), cells.score(2)
    assert apart.pt_pvalue is not None
    assert apart.dm_method == "hln"
    assert overlapping.pt_pvalue is None
    assert overlapping.dm_method == "fixed-smoothing"
    assert overlapping.dm_pvalue is not None
    assert overlapping.mae_path == apart.mae_path
    assert overlapping.directional_accuracy == apart.directional_accuracy


def test_fewer_than_twenty_moves_have_no_test_of_directions() -> None:
    assert made(n_windows=19).score().pt_pvalue is None
    cells = made(n_windows=20)
    assert cells.score().pt_pvalue is not None
    y = cells.y.copy()
    y[4, 13] = cells.day0[4]  # one of the twenty did not move
    assert cells.score(y=y).pt_pvalue is None


@pytest.mark.parametrize("step_overlap", [1, 2])
def test_a_loss_that_differs_by_the_same_in_every_window_is_no_evidence(step_overlap: int) -> None:
    cells = made(worse=0.0)
    y = cells.day0[:, None] + np.arange(1.0, 15.0)  # rises, and the forecast rises half a unit less
    scores = cells.score(step_overlap, y=y, y_hat=y - 0.5)
    assert (scores.dm_test_vs_naive, scores.dm_pvalue, scores.beats_baseline) == (None, None, None)
    assert "the difference is the same in every window" in scores.evidence_note
    assert scores.mae_path == pytest.approx(0.5)


def test_negative_is_better_and_wins_only_with_evidence() -> None:
    cells = made(n_windows=40)
    toward = cells.day0[:, None] + 0.3 * (cells.y - cells.day0[:, None])
    better, worse = cells.score(y_hat=toward), cells.score(y_hat=2 * cells.day0[:, None] - toward)
    assert better.dm_test_vs_naive < 0
    assert better.dm_pvalue < 0.05
    assert better.beats_baseline is True
    assert better.directional_accuracy == 1.0
    assert worse.dm_test_vs_naive > 0
    assert worse.dm_pvalue < 0.05
    assert worse.beats_baseline is False
    assert worse.directional_accuracy == 0.0
    unsure = cells.score()
    assert unsure.dm_pvalue > 0.05 or unsure.dm_test_vs_naive > 0
    assert unsure.beats_baseline is False


def test_better_by_luck_does_not_beat_the_baseline() -> None:
    lucky = next(
        scores
        for scores in (made(n_windows=12, seed=seed, worse=0.2).score() for seed in range(100))
        if scores.dm_test_vs_naive < 0 and scores.dm_pvalue > 0.05
    )
    assert lucky.mae_path < lucky.naive_mae_path
    assert lucky.beats_baseline is False


def test_the_evidence_is_one_loss_a_window() -> None:
    cells = made(n_windows=25)
    windows = window_scores(y=cells.y, y_hat=cells.y_hat, day0=cells.day0, level=cells.level)
    for step_overlap in (1, 3):
        test = diebold_mariano(windows.mae_path, windows.naive_mae_path, overlap=step_overlap)
        scores = cells.score(step_overlap)
        assert (scores.dm_test_vs_naive, scores.dm_pvalue, scores.dm_n) == (test.statistic, test.pvalue, 25)


def test_a_naive_forecast_of_a_random_walk_has_a_mase_near_the_root_of_its_step() -> None:
    scores = made(n_windows=400, worse=0.0).score()
    assert scores.mase_14day == pytest.approx(math.sqrt(14), rel=0.1)


@pytest.mark.parametrize(
    ("y", "scale", "level"),
    [([3.0], math.nan, 3.0), ([1.0, 3.0], 2.0, 2.0), ([1.0, -3.0, -3.0], 2.0, 7 / 3), ([5.0, 5.0], 0.0, 5.0)],
)
def test_scale_and_level(y: list[float], scale: float, level: float) -> None:
    assert scale_and_level(np.array(y)) == pytest.approx((scale, level), nan_ok=True)


# --- at any step ---------------------------------------------------------------------------------------------------


def at(cells: Cells, step: int, step_size: int | None = None) -> StepScores:
    return metrics_at(cells_of(*cells.frames()), step, step_size=step_size)


def about(expected: float | None) -> Any:
    return None if expected is None else pytest.approx(expected, rel=1e-7, abs=1e-9)


def until(cells: Cells, step: int) -> Cells:
    """The same windows as if they ended at a step."""
    return dataclasses.replace(cells, **{name: getattr(cells, name)[:, :step] for name in ("y", "y_hat", "ds")})


@settings(max_examples=60, deadline=None)
@given(cells=made_of_quarters(), data=st.data())
def test_the_metrics_at_a_step_are_those_of_windows_that_end_there(cells: Cells, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, cells.y.shape[1]))
    found = at(cells, step)
    short = until(cells, step)
    expected = score_loop(short, 1)
    assert found.n_windows == len(cells.y)
    for name in ("mae_path", "naive_mae_path", "dm_test_vs_naive", "dm_pvalue"):
        assert getattr(found, name) == about(expected[name]), name
    assert (found.evidence_note is None) == (expected["dm_pvalue"] is not None)
    # with every step made this one, the loop's figures of step 14 and of all steps are those of the step
    last = {name: np.repeat(getattr(cells, name)[:, step - 1 : step], 14, axis=1) for name in ("y", "y_hat")}
    of_step = score_loop(dataclasses.replace(cells, **last), 1)
    for name in ("mae", "rmse", "mape", "mase"):
        assert getattr(found, name) == about(of_step[f"{name}_14day"]), name
    assert found.directional_accuracy == about(of_step["directional_accuracy"])


def test_at_the_horizon_they_are_those_recorded() -> None:
    for case, model in CASES:
        cells, expected = oracle_cells(case, model), oracle_row(case, model)
        found = at(cells, expected["horizon"], expected["step_size"])
        for name in ("mae_path", "naive_mae_path", "dm_test_vs_naive", "dm_pvalue"):
            assert getattr(found, name) == pytest.approx(expected[name], **AGREEMENT), name
        for step, name in ((1, "mae_1day"), (7, "mae_7day"), (14, "mae_14day")):
            if step <= expected["horizon"]:
                assert at(cells, step).mae == pytest.approx(expected[name], **AGREEMENT)
        if expected["horizon"] >= 14:
            found = at(cells, 14)
            for name in ("rmse", "mape", "mase"):
                assert getattr(found, name) == pytest.approx(expected[f"{name}_14day"], **AGREEMENT), name


def test_the_overlap_is_that_of_the_step() -> None:
    """Windows of 14 steps every 7: at step 7 they do not overlap, at step 8 they do."""
    rng = np.random.default_rng(4)
    y = 100 + np.cumsum(rng.standard_normal(600))
    cells = cut(np.arange(600).astype("datetime64[D]"), y, horizon=14, step_size=7, n_windows=60)
    cells = dataclasses.replace(cells, y_hat=cells.y_hat + rng.standard_normal(cells.y.shape))
    for step, step_overlap in ((1, 1), (7, 1), (8, 2), (14, 2)):
        short = until(cells, step)
        windows = window_scores(y=short.y, y_hat=short.y_hat, day0=short.day0, level=short.level)
        test = diebold_mariano(windows.mae_path, windows.naive_mae_path, overlap=step_overlap)
        assert at(cells, step).dm_pvalue == test.pvalue  # seen from the dates
        assert at(cells, step, 7).dm_pvalue == test.pvalue
        wider = diebold_mariano(windows.mae_path, windows.naive_mae_path, overlap=step)
        assert at(cells, step, 1).dm_pvalue == wider.pvalue, "announced, wherever the dates are"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_bias_is_positive_where_forecasts_are_too_high(sign: float) -> None:
    cells = made()
    found = at(dataclasses.replace(cells, y_hat=cells.y + 2 * sign), 3)
    assert found.bias == pytest.approx(2 * sign)
    assert found.mae == pytest.approx(2)


def test_the_symmetric_percentage() -> None:
    cells = made(n_windows=2, horizon=1)
    two = {"y": np.array([[100.0], [-50.0]]), "y_hat": np.array([[110.0], [50.0]])}
    found = at(dataclasses.replace(cells, **two), 1)
    assert found.smape == pytest.approx(100 * (2 * 10 / 210 + 2 * 100 / 100) / 2)
    nought = dataclasses.replace(cells, y=np.array([[100.0], [0.0]]), y_hat=np.array([[110.0], [1.0]]))
    assert at(nought, 1).smape == pytest.approx(100 * (2 * 10 / 210 + 2) / 2)
    assert at(nought, 1).mape is None
    assert at(dataclasses.replace(nought, y_hat=np.array([[110.0], [1e-9]])), 1).smape is None


def test_directions_at_a_step_are_of_that_step() -> None:
    cells = made(n_windows=4, horizon=2)
    move = np.array([[1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]])
    call = np.array([[-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 0.0]])
    found = dataclasses.replace(cells, y=cells.day0[:, None] + move, y_hat=cells.day0[:, None] + call)
    assert at(found, 1).directional_accuracy == 0.0
    assert at(found, 2).directional_accuracy == pytest.approx(1 / 3)
    assert at(dataclasses.replace(found, y_hat=cells.day0[:, None] + call * [1, 0]), 2).directional_accuracy is None
    assert at(dataclasses.replace(found, y=cells.day0[:, None] + move * [1, 0]), 2).directional_accuracy is None


def test_naive_says_what_it_is() -> None:
    cells = cells_of(*made().frames())
    found = metrics_at(cells.naive(), 5)
    assert found.evidence_note == "same forecasts as naive"
    assert (found.dm_test_vs_naive, found.dm_pvalue, found.directional_accuracy) == (None, None, None)
    assert found.mae_path == found.naive_mae_path == metrics_at(cells, 5).naive_mae_path


def test_quantiles_are_scored_at_the_step() -> None:
    cells = made(n_windows=12)
    forecasts, windows = cells.frames()
    around = {name: cells.y_hat.ravel() + reach for name, reach in zip(QUANTILE_COLUMNS, (-1, 0, 1), strict=True)}
    forecasts = forecasts.assign(**around)
    forecasts.loc[forecasts["cutoff"] == windows["cutoff"][0], [*QUANTILE_COLUMNS]] = None
    found = metrics_at(cells_of(forecasts, windows), 3)
    y, y_hat = cells.y[1:, 2], cells.y_hat[1:, 2]
    assert found.coverage_80 == coverage(y, y_hat - 1, y_hat + 1)
    assert found.pinball_loss == pinball_loss(y, np.stack([y_hat - 1, y_hat, y_hat + 1], axis=-1))
    assert found.n_windows == 12
    assert (at(cells, 3).coverage_80, at(cells, 3).pinball_loss) == (None, None)
    assert evaluate(forecasts, windows) == cells.score(), "quantiles change no other metric"


@pytest.mark.parametrize("step", [0, -1, 1.5, "3", True, None])
def test_a_step_that_is_none(step: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"step is .*: it must be a whole number of at least 1"):
        at(made(), step)


def test_a_step_beyond_the_windows() -> None:
    with pytest.raises(InvalidInputError, match="step is 15: the windows have 14 steps"):
        at(made(), 15)


def test_where_every_window_failed_no_step_has_a_figure() -> None:
    forecasts, windows = made(n_windows=3).frames()
    found = metrics_at(cells_of(forecasts, windows.assign(status="failed")), 99)
    assert found == StepScores(evidence_note=NO_WINDOW)
