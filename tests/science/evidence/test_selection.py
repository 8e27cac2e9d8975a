"""What a selected model is expected to lose: against a plain loop, against simulated truth; and how often it won."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.resampling import circular_blocks
from experiments.science.evidence.selection import selected_loss, win_rate

# --- a plain loop --------------------------------------------------------------------------------------------------


def loop_corrected(losses: np.ndarray, overlap: int, reps: int, seed: int) -> float:
    n, count = losses.shape
    block = max(overlap, math.ceil(round(n ** (1 / 3), 9)))
    judged: list[list[float]] = [[] for _ in range(n)]
    for drawn in circular_blocks(n, block=block, reps=reps, seed=seed):
        in_bag = [sum(losses[window, model] for window in drawn) for model in range(count)]
        chosen = in_bag.index(min(in_bag))
        for window in range(n):
            if all(abs(window - other) >= overlap for other in drawn):
                judged[window].append(losses[window, chosen])
    return sum(sum(values) / len(values) for values in judged) / n


@pytest.mark.parametrize(("n", "overlap"), [(12, 1), (40, 1), (40, 2), (60, 3)])
def test_the_corrected_loss_is_its_plain_loop(n: int, overlap: int) -> None:
    losses = np.abs(np.random.default_rng(2).standard_normal((n, 5)))
    result = selected_loss(losses, overlap=overlap, reps=400, seed=3)
    assert result.corrected == pytest.approx(loop_corrected(losses, overlap, 400, 3), rel=1e-10)
    assert result.position == int(np.argmin(losses.mean(axis=0)))
    assert result.observed == pytest.approx(losses.mean(axis=0).min())
    assert (result.reps, result.seed, result.note) == (400, 3, None)


# --- simulated truth -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "overlap"), [(40, 1), (60, 3)])
def test_the_smallest_of_equals_is_too_small_and_corrected_it_is_not(n: int, overlap: int) -> None:
    """Twenty models of an expected loss of sqrt(2 / pi), however they are chosen."""
    truth, repetitions = math.sqrt(2 / math.pi), 300
    rng = np.random.default_rng(20260101)
    observed, corrected = np.empty((2, repetitions))
    for repetition in range(repetitions):
        steps = rng.standard_normal((20, n + overlap - 1)) / math.sqrt(overlap)
        errors = np.lib.stride_tricks.sliding_window_view(steps, overlap, -1).sum(-1)
        result = selected_loss(np.abs(errors).T, overlap=overlap, reps=400, seed=repetition)
        observed[repetition], corrected[repetition] = result.observed, result.corrected
    monte_carlo = corrected.std(ddof=1) / math.sqrt(repetitions)
    assert monte_carlo < 0.01
    assert corrected.mean() == pytest.approx(truth, abs=3 * monte_carlo)
    assert observed.mean() < truth - 0.1  # an eighth of the loss, and more


@pytest.mark.parametrize("overlap", [1, 3])
def test_where_one_model_is_clearly_best_there_is_nothing_to_correct(overlap: int) -> None:
    losses = np.abs(np.random.default_rng(3).standard_normal((60, 10))) + 3
    losses[:, 4] -= 2.5
    result = selected_loss(losses, overlap=overlap)
    assert result.position == 4
    assert result.corrected == pytest.approx(result.observed, rel=1e-12)


# --- what must hold ------------------------------------------------------------------------------------------------


def test_copies_change_nothing() -> None:
    losses = np.abs(np.random.default_rng(4).standard_normal((40, 4)))
    result = selected_loss(losses)
    doubled = selected_loss(np.hstack([losses, losses]))
    assert doubled == result


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), unit=st.floats(1e-3, 1e3), overlap=st.sampled_from([1, 2]))
def test_the_loss_has_its_unit_and_lies_among_those_seen(seed: int, unit: float, overlap: int) -> None:
    losses = np.random.default_rng(seed).gamma(2, size=(40, 6))
    result = selected_loss(losses, overlap=overlap, reps=300)
    scaled = selected_loss(losses * unit, overlap=overlap, reps=300)
    assert scaled.corrected == pytest.approx(result.corrected * unit)
    assert scaled.position == result.position
    assert result.observed <= result.corrected * 1.2
    assert losses.min() <= result.corrected <= losses.max()
    assert selected_loss(losses, overlap=overlap, reps=300) == result


# --- where there is too little to say ------------------------------------------------------------------------------


def test_one_model_was_not_chosen() -> None:
    losses = np.abs(np.random.default_rng(5).standard_normal((20, 1)))
    result = selected_loss(losses)
    assert result.corrected == result.observed == pytest.approx(losses.mean())
    assert (result.position, result.note) == (0, "one model only: nothing was chosen, so there is nothing to correct")


@pytest.mark.parametrize(("n", "overlap", "needed"), [(7, 1, 8), (1, 1, 8), (27, 14, 28)])
@pytest.mark.parametrize("n_models", [1, 3])
def test_too_few_windows_are_not_corrected(n: int, overlap: int, needed: int, n_models: int) -> None:
    losses = np.abs(np.random.default_rng(6).standard_normal((n, n_models)))
    result = selected_loss(losses, overlap=overlap)
    assert result.corrected is None
    assert result.observed == pytest.approx(losses.mean(axis=0).min())
    assert result.note == f"too few windows to say: {n} given, at least {needed} needed at overlap {overlap}"


def test_without_a_window_nothing_is_chosen() -> None:
    result = selected_loss(np.ones((0, 3)))
    assert (result.position, result.observed, result.corrected) == (None, None, None)
    assert result.note.startswith("too few windows to say: 0 given")


def test_windows_never_far_enough_from_the_drawn_are_not_corrected() -> None:
    losses = np.abs(np.random.default_rng(7).standard_normal((40, 3)))
    result = selected_loss(losses, overlap=14)
    assert result.corrected is None
    assert "40 are too seldom far enough" in result.note
    assert result.block == 14
    # Fewer resamples than a window must be left out by.
    assert selected_loss(losses, reps=9).corrected is None


@pytest.mark.parametrize(
    ("losses", "options", "said"),
    [
        ([[1.0, math.nan]], {}, r"the first nan at position \(0, 1\)"),
        ([1.0, 2.0], {}, r"losses has shape \(2,\)"),
        ([[1.0]], {"overlap": 0}, "overlap counts windows"),
        ([[1.0]], {"reps": 0}, "reps counts resamples"),
        ([[1.0]], {"seed": 0.5}, "seed starts the random numbers"),
    ],
)
def test_what_cannot_be_used_raises(losses: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        selected_loss(losses, **options)


# --- win rate ------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_the_win_rate_is_its_plain_loop(pairs: list[tuple[int, int]]) -> None:
    won = sum(a < b for a, b in pairs)
    tied = sum(a == b for a, b in pairs)
    result = win_rate([a for a, _ in pairs], [b for _, b in pairs])
    assert (result.n_won, result.n_tied, result.n) == (won, tied, len(pairs))
    if not pairs:
        assert math.isnan(result.share)
        return
    assert result.share == (won + tied / 2) / len(pairs)
    assert win_rate([b for _, b in pairs], [a for a, _ in pairs]).share == pytest.approx(1 - result.share)


def test_a_float32_copy_ties_in_every_window() -> None:
    losses = np.abs(np.random.default_rng(8).standard_normal(50))
    result = win_rate(losses.astype(np.float32), losses)
    assert (result.share, result.n_won, result.n_tied) == (0.5, 0, 50)
    assert win_rate(losses * (1 - 1e-4), losses).n_won > 40


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [([1.0], [1.0, 2.0], "loss_a has 1 values and loss_b 2"), ([1.0], [math.nan], "loss_b holds 1 losses")],
)
def test_losses_that_cannot_be_compared_raise(a: list[float], b: list[float], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        win_rate(a, b)
