"""The Model Confidence Set: against arch, against a plain loop, against simulated truth, and where nothing is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import diebold_mariano, windows_required
from experiments.science.evidence.multiplicity import CONFIDENCE_SET_METHODS, ConfidenceSet, model_confidence_set
from experiments.science.evidence.resampling import block_length, circular_blocks, times_drawn

each_method = pytest.mark.parametrize("method", CONFIDENCE_SET_METHODS)


def losses_of(n: int, worse: list[float], *, overlap: int = 1, common: float = 0.5, seed: int = 1) -> np.ndarray:
    """Absolute errors of models that are `worse` times as large as those of the best, array [n, models]."""
    rng = np.random.default_rng(seed)

    def errors(count: int) -> np.ndarray:
        steps = rng.standard_normal((count, n + overlap - 1))
        return np.lib.stride_tricks.sliding_window_view(steps, overlap, -1).sum(-1) / math.sqrt(overlap)

    return np.abs(math.sqrt(common) * errors(1) + math.sqrt(1 - common) * errors(len(worse))).T * worse


# --- references from outside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "block"), [(1, 1), (8, 2), (40, 1), (40, 14), (41, 14), (100, 5), (1000, 10)])
def test_resamples_are_those_of_arch(n: int, block: int) -> None:
    bootstrap = pytest.importorskip("arch.bootstrap")
    reference = bootstrap.CircularBlockBootstrap(block, np.arange(n), seed=7)
    expected = [data[0][0] for data in reference.bootstrap(20)]
    np.testing.assert_array_equal(circular_blocks(n, block=block, reps=20, seed=7), expected)


@pytest.mark.parametrize(
    ("n", "worse", "overlap"),
    [
        (40, [1, 1, 1], 1),
        (40, [1.5, 1.2, 1, 1.1, 3], 3),
        (90, [1, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5], 7),
        (180, [*np.linspace(1, 1.5, 25)], 14),
        (28, [1, 2], 14),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_published_set_is_that_of_arch(n: int, worse: list[float], overlap: int, seed: int) -> None:
    bootstrap = pytest.importorskip("arch.bootstrap")
    losses = losses_of(n, worse, overlap=overlap, seed=seed)
    block = max(overlap, math.ceil(round(n ** (1 / 3), 9)))
    reference = bootstrap.MCS(losses, 0.05, reps=500, block_size=block, method="R", bootstrap="circular", seed=seed)
    reference.compute()
    result = model_confidence_set(losses, overlap=overlap, reps=500, seed=seed, method="arch")
    np.testing.assert_allclose(result.pvalues, reference.pvalues["Pvalue"].sort_index(), rtol=1e-12)
    assert np.flatnonzero(result.members).tolist() == sorted(reference.included)
    assert (result.block, result.reps, result.seed, result.method) == (block, 500, seed, "arch")


# --- a plain loop --------------------------------------------------------------------------------------------------


def loop_studentized(losses: np.ndarray, overlap: int, reps: int, seed: int) -> list[float]:
    n, count = losses.shape
    rows = np.random.default_rng(seed).integers(n, size=(reps, n))
    means = losses.mean(axis=0)

    def largest(table: np.ndarray, models: list[int], offset: np.ndarray) -> tuple[float, int]:
        """With the losses moved to the same mean, but for `offset`."""
        best = (-math.inf, -1)
        for i in models:
            for j in models:
                if i != j:
                    method = "hln" if overlap == 1 else "fixed-smoothing"
                    test = diebold_mariano(table[:, i], table[:, j], overlap=overlap, method=method)
                    moved = test.mean_difference - (offset[i] - offset[j])
                    best = max(best, (moved / test.standard_error, i))
        return best

    models, pvalues, reached = list(range(count)), [math.nan] * count, 0.0
    while len(models) > 1:
        statistic, worst = largest(losses, models, np.zeros(count))
        more = sum(largest(losses[drawn], models, means)[0] >= statistic for drawn in rows)
        reached = max(reached, (1 + more) / (1 + reps))
        pvalues[worst] = reached
        models.remove(worst)
    pvalues[models[0]] = 1.0
    return pvalues


@pytest.mark.parametrize(("n", "worse", "overlap"), [(20, [1, 1.3, 1.1, 2], 1), (24, [2, 1, 1.5, 1.2], 3)])
def test_the_studentized_set_is_its_plain_loop(n: int, worse: list[float], overlap: int) -> None:
    losses = losses_of(n, worse, overlap=overlap, seed=3)
    result = model_confidence_set(losses, overlap=overlap, reps=60, seed=5)
    assert result.pvalues.tolist() == pytest.approx(loop_studentized(losses, overlap, 60, 5))
    assert len(set(result.pvalues)) > 2
    assert result.block == 1


# --- what must hold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", [1, 3, 14])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_two_models_it_is_the_test_of_equal_accuracy(overlap: int, seed: int) -> None:
    losses = losses_of(60, [1, 1.3], overlap=overlap, seed=seed)
    result = model_confidence_set(losses, overlap=overlap, reps=4000)
    expected = diebold_mariano(losses[:, 0], losses[:, 1], overlap=overlap).pvalue
    # Three standard errors of 4000 resamples, and what the resampled distribution differs from Student's.
    assert result.pvalues.min() == pytest.approx(expected, abs=0.04)
    assert result.pvalues.max() == 1


@pytest.mark.parametrize(("n", "overlap"), [(40, 1), (40, 3), (60, 14)])
def test_equal_models_stay_in_the_set_as_often_as_it_says(n: int, overlap: int) -> None:
    repetitions, left_out = 80, dict.fromkeys(CONFIDENCE_SET_METHODS, 0)
    for seed in range(repetitions):
        losses = losses_of(n, [1] * 10, overlap=overlap, seed=1000 + seed)
        for method in left_out:
            result = model_confidence_set(losses, overlap=overlap, reps=300, seed=seed, method=method)
            left_out[method] += not result.members.all()
    # 5 % asked for; Monte Carlo error (three standard errors): 7.3 points.
    assert left_out["studentized"] / repetitions <= 0.05 + 0.073
    assert left_out["arch"] / repetitions > 0.15  # why it is not the one used unless asked for


@each_method
def test_a_much_worse_model_is_left_out_and_the_equals_stay(method: str) -> None:
    losses = losses_of(100, [1, 1, 3, 1], common=0.8, seed=4)
    result = model_confidence_set(losses, method=method)
    assert result.members.tolist() == [True, True, False, True]
    assert result.pvalues[2] <= 0.01
    assert result.pvalues.max() == 1
    assert result.note is None


@each_method
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), overlap=st.sampled_from([1, 3]), random=st.randoms(), exponent=st.integers(-200, 200))
def test_neither_order_nor_unit_of_the_models_matters(
    method: str, seed: int, overlap: int, random: Any, exponent: int
) -> None:
    # Few digits, so that there are ties between windows, means and models.
    losses = np.random.default_rng(seed).integers(0, 4, (20, 6)).astype(float)
    result = model_confidence_set(losses, overlap=overlap, reps=100, method=method)
    moved = random.sample(range(6), 6)
    other = model_confidence_set(np.ldexp(losses[:, moved], exponent), overlap=overlap, reps=100, method=method)
    np.testing.assert_array_equal(other.pvalues, result.pvalues[moved])
    np.testing.assert_array_equal(other.members, result.members[moved])
    assert other.note == result.note


@each_method
def test_a_seed_gives_a_set_and_another_another(method: str) -> None:
    losses = losses_of(40, [1, 1.2, 1.4])
    first, again = (model_confidence_set(losses, seed=3, method=method) for _ in range(2))
    np.testing.assert_array_equal(first.pvalues, again.pvalues)
    assert not np.array_equal(first.pvalues, model_confidence_set(losses, seed=4, method=method).pvalues)


@each_method
def test_members_are_those_above_the_level(method: str) -> None:
    losses = losses_of(40, [1, 1.2, 1.4, 1.7])
    for level in (0.5, 0.75, 0.9, 0.99):
        result = model_confidence_set(losses, level=level, method=method)
        np.testing.assert_array_equal(result.members, result.pvalues > 1 - level)
        assert result.level == level


# --- models that cannot be told apart ------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize("copy", [np.copy, lambda x: x.astype(np.float32), lambda x: np.exp(np.log(x))])
@pytest.mark.parametrize("overlap", [1, 3])
def test_copies_share_the_fate_of_their_model_and_change_no_other(copy: Any, overlap: int, method: str) -> None:
    losses = losses_of(60, [1, 1.1, 2, 1.3], overlap=overlap)
    alone = model_confidence_set(losses, overlap=overlap, method=method)
    doubled = np.column_stack([losses, copy(losses[:, 2]), copy(losses[:, 0])])
    result = model_confidence_set(doubled, overlap=overlap, method=method)
    np.testing.assert_array_equal(result.pvalues, alone.pvalues[[0, 1, 2, 3, 2, 0]])
    np.testing.assert_array_equal(result.members, alone.members[[0, 1, 2, 3, 2, 0]])


def nothing_tested(result: ConfidenceSet) -> bool:
    return bool(np.isnan(result.pvalues).all() and result.members.all())


@each_method
@pytest.mark.parametrize(("n", "overlap"), [(7, 1), (0, 1), (27, 14)])
def test_too_few_windows_leave_all_models_in(n: int, overlap: int, method: str) -> None:
    result = model_confidence_set(losses_of(40, [1, 9])[:n], overlap=overlap, method=method)
    assert nothing_tested(result)
    needed = windows_required(overlap)
    assert result.note.startswith(f"too few windows to say: {n} given, at least {needed} needed at overlap {overlap}")
    enough = model_confidence_set(losses_of(40, [1, 9])[:needed], overlap=overlap, method=method)
    assert not np.isnan(enough.pvalues).any()


@each_method
def test_one_model_is_not_compared(method: str) -> None:
    result = model_confidence_set(losses_of(40, [1]), method=method)
    assert nothing_tested(result)
    assert result.note == "one model only: there is nothing to compare"


@each_method
@pytest.mark.parametrize("table", [np.zeros((20, 3)), np.ones((20, 2)), losses_of(20, [1]).repeat(4, axis=1)])
def test_equal_models_are_not_compared(table: np.ndarray, method: str) -> None:
    result = model_confidence_set(table, method=method)
    assert nothing_tested(result)
    assert result.note.startswith("all models lose the same in every window, within 1e-06 of the mean loss")


@each_method
@pytest.mark.parametrize("overlap", [1, 3])
def test_a_constant_difference_is_no_evidence(overlap: int, method: str) -> None:
    best = losses_of(40, [1])
    result = model_confidence_set(np.hstack([best + 0.5, best, best + 0.1]), overlap=overlap, method=method)
    assert nothing_tested(result)
    assert "the same in every window" in result.note


@pytest.mark.parametrize("overlap", [1, 3])
def test_a_model_a_constant_behind_is_judged_by_the_others(overlap: int) -> None:
    losses = losses_of(60, [1, 1], overlap=overlap, common=0.9)
    first = losses[:, :1]
    result = model_confidence_set(np.hstack([losses, first + 0.01, first + 9]), overlap=overlap)
    assert result.members.tolist()[:3] == [True, True, True]
    assert not result.members[3]  # the second model tells, if not the first
    far = model_confidence_set(np.hstack([first, first + 0.01, losses[:, 1:] + 9]), overlap=overlap)
    assert far.members.tolist() == [True, True, False]
    assert far.pvalues[0] == 1
    assert math.isnan(far.pvalues[1])
    assert far.note.startswith("1 of 3 different models cannot be told from the best")


def test_differences_without_low_frequencies_are_no_evidence() -> None:
    n = 64
    d = np.cos(np.pi * 20 * (np.arange(n) + 0.5) / n)
    assert nothing_tested(model_confidence_set(np.column_stack([3 + d, np.full(n, 2.0)]), overlap=2))


def test_a_difference_in_a_single_window_is_no_evidence() -> None:
    """A third of the resamples have no variance at all: they count as infinitely large, not as small."""
    losses = np.ones((10, 2))
    losses[4, 1] = 5.0
    result = model_confidence_set(losses)
    assert result.members.all()
    assert result.pvalues[1] > 0.3


@each_method
def test_models_of_the_same_mean_are_all_members(method: str) -> None:
    """A tie, which arch.bootstrap.MCS does not survive."""
    losses = np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [1.0, 2.0, 4.0], [2.0, 1.0, 0.0]] * 5)
    result = model_confidence_set(losses, method=method)
    assert result.members.all()
    assert nothing_tested(result) if method == "arch" else np.all(result.pvalues > 0.9)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (
            [[1.0, math.nan], [1.0, 2.0]],
            r"losses holds 1 losses that are not finite, the first nan at position \(0, 1\)",
        ),
        ([[1.0, 2.0], [math.inf, 2.0]], r"the first inf at position \(1, 0\)"),
        ([1.0, 2.0], r"losses has shape \(2,\): accepted is a table of windows by models"),
        (np.ones((4, 0)), "with one model at least"),
        ([["a", "b"]], "losses holds something that is not a number"),
    ],
)
def test_losses_that_cannot_be_used_raise(losses: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        model_confidence_set(losses)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overlap": 0}, "overlap counts windows: given 0"),
        ({"level": 95}, "level is a confidence such as 0.95: given 95"),
        ({"reps": 0}, "reps counts resamples: given 0, accepted is an integer of at least 1"),
        ({"seed": -1}, "seed starts the random numbers: given -1, accepted is an integer of at least 0"),
        ({"seed": None}, "seed starts the random numbers: given None"),
        ({"method": "max"}, "method 'max' is not known: accepted are studentized, arch"),
    ],
)
def test_options_that_cannot_be_used_raise(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        model_confidence_set(losses_of(20, [1, 1]), **options)


# --- resampling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "overlap", "length"), [(8, 1, 2), (9, 1, 3), (125, 1, 5), (126, 1, 6), (40, 14, 14)])
def test_a_block_is_as_long_as_the_overlap_or_the_cube_root(n: int, overlap: int, length: int) -> None:
    assert block_length(n, overlap) == length


def test_windows_are_counted_and_weights_summed_as_in_a_loop() -> None:
    drawn = circular_blocks(11, block=3, reps=5, seed=1)
    weights = np.arange(11.0)
    counts, sums = np.zeros((5, 11)), np.zeros((5, 11))
    for rep, positions in enumerate(drawn):
        for place, window in enumerate(positions):
            counts[rep, window] += 1
            sums[rep, window] += weights[place]
    np.testing.assert_array_equal(times_drawn(drawn), counts)
    np.testing.assert_array_equal(times_drawn(drawn, weights), sums)
