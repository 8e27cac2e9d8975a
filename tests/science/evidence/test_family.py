"""Families: models compared on the windows they share, and what may be said of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.family import (
    BASELINE_ITSELF,
    BETTER,
    EQUAL,
    NO_WINDOW,
    NOT_COMPARED,
    SAME_AS_NAIVE,
    TOO_LITTLE,
    VERDICTS,
    WORSE,
    Standing,
    compare_family,
)
from experiments.science.evidence.multiplicity import holm
from experiments.science.evidence.pairs import compare_pairs, compare_with, turned
from experiments.science.evidence.planner import detectable_difference, windows_needed

N = 40


def losses_of(n: int = N, seed: int = 1, **models: Any) -> pd.DataFrame:
    """Naive's losses, and models that lose a factor of it plus noise of a size: `name=(factor, noise)`."""
    random = np.random.default_rng(seed)
    naive = random.uniform(2, 4, n)
    columns = {name: np.abs(factor * naive + noise * random.normal(size=n)) for name, (factor, noise) in models.items()}
    return pd.DataFrame({"naive": naive, **columns}, index=pd.date_range("2020-01-01", periods=n, freq="14D"))


def standings(losses: pd.DataFrame, **options: Any) -> dict[str, Standing]:
    return {one.model: one for one in compare_family(losses, baseline="naive", **options).standings}


def test_every_verdict() -> None:
    losses = losses_of(better=(0.7, 0.2), worse=(1.3, 0.2), equal=(1.0, 0.05), unclear=(1.0, 1.5))
    losses["copy"] = losses["naive"] * (1 + 1e-9)
    losses["short"] = losses["better"].where(np.arange(N) > 5)
    losses["none"] = math.nan
    found = standings(losses)
    assert {name: one.verdict for name, one in found.items()} == {
        "naive": BASELINE_ITSELF,
        "better": BETTER,
        "worse": WORSE,
        "equal": EQUAL,
        "unclear": TOO_LITTLE,
        "copy": SAME_AS_NAIVE,
        "short": NOT_COMPARED,
        "none": NOT_COMPARED,
    }
    assert {one.verdict for one in found.values()} == set(VERDICTS)
    assert found["short"].note == "34 of 40 windows: 90% are needed to compare on shared ones"
    assert found["none"].note == NO_WINDOW
    assert (found["short"].place, found["short"].to_naive, found["short"].in_confidence_set) == (None, None, None)


def test_the_figures_against_naive_and_the_leader_are_those_of_the_test() -> None:
    losses = losses_of(a=(0.9, 0.5), b=(1.1, 0.5), c=(1.0, 1.0))
    family = compare_family(losses, baseline="naive", overlap=2)
    tests = {name: diebold_mariano(losses[name], losses["naive"], overlap=2) for name in "abc"}
    adjusted = dict(zip("abc", holm([tests[name].pvalue for name in "abc"]), strict=True))
    leader = family.standings[0].model
    for one in family.standings:
        if one.model != "naive":
            assert one.to_naive is not None
            test = tests[one.model]
            assert one.to_naive.statistic == test.statistic
            assert (one.to_naive.lower, one.to_naive.upper) == test.interval()
            assert one.to_naive.pvalue_holm == pytest.approx(adjusted[one.model])
            assert one.equal_within == pytest.approx(np.abs(test.interval(0.9)).max() / losses["naive"].mean())
            assert one.detectable == pytest.approx(
                detectable_difference(test.standard_error, N, overlap=2, significance=0.05 / 3) / losses["naive"].mean()
            )
        if one.model != leader:
            assert one.to_leader is not None
            to_leader = diebold_mariano(losses[one.model], losses[leader], overlap=2)
            assert one.to_leader.statistic == pytest.approx(to_leader.statistic)
            assert (one.to_leader.lower, one.to_leader.upper) == pytest.approx(to_leader.interval())
            assert one.to_leader.difference >= 0
    assert family.standings[0].to_leader is None
    assert family.n_tested == 3
    raw = [pair.pvalue for pair in family.pairs]
    assert [pair.pvalue_holm for pair in family.pairs] == pytest.approx(holm(raw).tolist())


def test_pairs_are_the_larger_loss_first_and_naive_last() -> None:
    family = compare_family(losses_of(a=(0.7, 0.3), b=(0.8, 0.3), c=(1.3, 0.3)), baseline="naive")
    assert [one.model for one in family.standings] == ["a", "b", "naive", "c"]
    assert {(pair.model, pair.other) for pair in family.pairs} == {
        ("b", "a"), ("a", "naive"), ("c", "a"), ("b", "naive"), ("c", "b"), ("c", "naive"),
    }  # fmt: skip


def test_a_model_that_lacks_a_tenth_takes_its_windows_from_all_and_one_that_lacks_more_none() -> None:
    losses = losses_of(a=(0.9, 0.5), tenth=(0.9, 0.5), more=(0.9, 0.5))
    losses.loc[losses.index[:4], "tenth"] = math.nan
    losses.loc[losses.index[-5:], "more"] = math.nan
    family = compare_family(losses, baseline="naive")
    assert family.windows.equals(losses.index[4:])
    found = {one.model: one for one in family.standings}
    assert found["a"].loss == pytest.approx(losses["a"].iloc[4:].mean())
    assert found["more"].verdict == NOT_COMPARED
    assert (found["tenth"].n_windows, found["more"].n_windows, family.n_windows) == (36, 35, 40)


def test_windows_to_tell_are_those_of_the_planner_after_holm() -> None:
    losses = losses_of(a=(1.0, 1.5), b=(1.02, 1.5))
    found = standings(losses)
    for name in ("a", "b"):
        test = diebold_mariano(losses[name], losses["naive"])
        needed = windows_needed(test.mean_difference, test.standard_error, N, significance=0.05 / 2)
        assert found[name].windows_to_tell == (None if needed is None else max(needed, N + 1))
    assert found["a"].verdict == TOO_LITTLE


def test_one_that_should_have_been_told_by_now_needs_more_windows_than_there_are() -> None:
    """Of two tests, one with a p-value between 2.5 and 5 % may have had the power, and still is not told."""
    rng = np.random.default_rng(0)
    for seed in range(200):
        losses = losses_of(seed=seed, a=(0.93, rng.uniform(0.3, 0.9)), b=(1.0, 1.0))
        for one in standings(losses, reps=10).values():
            assert one.windows_to_tell is None or one.windows_to_tell > N


def test_one_model_only() -> None:
    family = compare_family(losses_of(), baseline="naive")
    (only,) = family.standings
    assert (only.model, only.place, only.verdict, only.to_naive, only.to_leader) == (
        "naive",
        1,
        BASELINE_ITSELF,
        None,
        None,
    )
    assert family.pairs == ()
    assert family.n_tested == 0
    assert only.in_confidence_set is True


def test_all_equal() -> None:
    losses = losses_of()
    family = compare_family(losses.assign(a=losses["naive"], b=losses["naive"]), baseline="naive")
    assert [one.model for one in family.standings] == ["naive", "a", "b"]
    assert [one.verdict for one in family.standings] == [BASELINE_ITSELF, SAME_AS_NAIVE, SAME_AS_NAIVE]
    assert all(one.in_confidence_set for one in family.standings)
    assert all(pair.pvalue is None and pair.win_share == 0.5 for pair in family.pairs)


@pytest.mark.parametrize(
    "copied",
    [
        lambda naive: naive.astype(np.float32).astype(float),
        lambda naive: np.exp(np.log(naive)),
        lambda naive: naive * 3 / 3,
        lambda naive: naive + 1e-8 * np.where(np.arange(N) % 2, 1, -1),
    ],
    ids=["float32", "log", "scaled", "rounded"],
)
def test_copies_of_naive_are_the_same_at_the_level_of_the_series(copied: Any) -> None:
    losses = losses_of(other=(0.9, 0.5))
    found = standings(losses.assign(copy=copied(losses["naive"].to_numpy())), level=100.0)
    assert found["copy"].verdict == SAME_AS_NAIVE
    assert found["copy"].to_naive.pvalue is None
    assert found["copy"].place == found["naive"].place + 1


def test_too_few_windows_and_none() -> None:
    few = standings(losses_of(n=7, a=(0.5, 0.01)))
    assert (few["a"].verdict, few["a"].note) == (
        TOO_LITTLE,
        "too few windows to say: 7 given, at least 8 needed at overlap 1",
    )
    assert few["a"].place == 1
    apart = losses_of(a=(0.5, 0.1))
    apart["naive"] = apart["naive"].where(np.arange(N) >= 36)
    apart["a"] = apart["a"].where(np.arange(N) < 36)
    nothing = standings(apart)
    assert nothing["a"].verdict == TOO_LITTLE
    assert (nothing["a"].place, nothing["a"].loss, nothing["a"].to_naive.difference) == (None, None, None)
    empty = standings(losses_of(n=0, a=(1.0, 1.0)))
    assert (empty["a"].verdict, empty["naive"].verdict) == (NOT_COMPARED, BASELINE_ITSELF)


def test_a_constant_difference_is_no_evidence() -> None:
    losses = losses_of()
    found = standings(losses.assign(a=losses["naive"] + 1.0))
    assert found["a"].verdict == TOO_LITTLE
    assert "the difference is the same in every window" in str(found["a"].note)


def test_naive_that_never_loses_has_no_shares() -> None:
    losses = losses_of(a=(0.0, 1.0)).assign(naive=0.0)
    found = standings(losses)
    assert (found["a"].skill, found["a"].equal_within, found["a"].detectable) == (None, None, None)
    assert found["a"].verdict == WORSE


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (pd.DataFrame({"a": [1.0]}), r"losses has the columns \['a'\]: accepted are"),
        (pd.DataFrame([[1.0, 2.0]], columns=["naive", "naive"]), "losses has the columns"),
        (pd.DataFrame({"naive": [1.0], "a": [math.inf]}), "losses of a are infinite"),
    ],
)
def test_losses_that_cannot_be_used_raise(losses: pd.DataFrame, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        compare_family(losses, baseline="naive")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1.0, 1e6]), overlap=st.sampled_from([1, 3]))
def test_neither_the_order_of_the_models_nor_the_unit_matters(seed: int, scale: float, overlap: int) -> None:
    losses = losses_of(n=30, seed=seed, a=(0.9, 0.6), b=(1.0, 0.6), c=(1.1, 0.6))
    plain = standings(losses, overlap=overlap, reps=50)
    other = standings(scale * losses[["c", "naive", "b", "a"]], overlap=overlap, reps=50)
    for name, one in plain.items():
        assert (one.verdict, one.place, one.in_confidence_set) == (
            other[name].verdict, other[name].place, other[name].in_confidence_set,
        )  # fmt: skip
        assert one.windows_to_tell == other[name].windows_to_tell
        assert one.loss * scale == pytest.approx(other[name].loss)


class TestPairs:
    def test_in_the_order_of_the_columns(self) -> None:
        losses = losses_of(a=(0.7, 0.3), b=(1.1, 0.5))
        pairs = compare_pairs(losses[["b", "a", "naive"]], overlap=1)
        assert [(pair.model, pair.other) for pair in pairs] == [("b", "a"), ("b", "naive"), ("a", "naive")]
        expected = holm([diebold_mariano(losses[pair.model], losses[pair.other]).pvalue for pair in pairs])
        assert [pair.pvalue_holm for pair in pairs] == expected.tolist()

    def test_halves_tell_when_a_difference_arose(self) -> None:
        losses = losses_of(n=21)
        losses["late"] = losses["naive"] - 1.0 * (np.arange(21) >= 10)
        (pair,) = compare_pairs(losses)
        assert (pair.first_half, pair.second_half) == pytest.approx((0.0, 1.0))
        assert pair.win_share == pytest.approx(10 / 2 / 21)

    def test_a_single_window_has_no_halves(self) -> None:
        (pair,) = compare_pairs(losses_of(n=1, a=(0.5, 0.0)))
        assert (pair.first_half, pair.second_half) == (None, None)

    def test_turned_twice_it_is_itself(self) -> None:
        (pair,) = compare_pairs(losses_of(a=(0.7, 0.3)))
        assert turned(turned(pair)) == pair
        other = turned(pair)
        assert (other.model, other.other, other.difference) == (pair.other, pair.model, -pair.difference)
        assert (other.lower, other.upper) == (-pair.upper, -pair.lower)
        assert other.win_share == pytest.approx(1 - pair.win_share)

    def test_a_copy_up_to_rounding_at_the_level_of_the_series_is_the_same(self) -> None:
        losses = losses_of(a=(0.9, 0.5))
        losses["float32"] = losses["a"] + 1e-6 * np.random.default_rng(3).normal(size=N)
        (pair,) = compare_pairs(losses[["a", "float32"]], level=100.0)
        assert (pair.pvalue, pair.difference, pair.win_share) == (None, 0.0, 0.5)
        (raw,) = compare_pairs(losses[["a", "float32"]])
        assert raw.difference != 0
        found = compare_family(losses, baseline="naive", level=100.0)
        assert {pair.pvalue for pair in found.pairs if "naive" not in (pair.model, pair.other)} == {None}


def test_comparing_with_one_model_is_the_family_s_comparison_with_the_baseline() -> None:
    rng = np.random.default_rng(5)
    losses = pd.DataFrame(rng.gamma(4, 1, (N, 4)) * [1, 0.7, 1, 1.4], columns=["naive", "better", "even", "worse"])
    losses["copy"] = losses["naive"] * (1 + 1e-9)
    in_family = {one.model: one.to_naive for one in compare_family(losses, baseline="naive", level=4.0).standings}
    alone = {pair.model: pair for pair in compare_with(losses, "naive", level=4.0)}
    assert alone == {name: pair for name, pair in in_family.items() if pair is not None}
    assert alone["copy"].pvalue is None
