"""Limits valid at every look: against R, against the probability they promise, and where there is nothing to say."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.sequences import confidence_sequence

ORACLES = Path(__file__).parents[1] / "oracles"


def rows_by_case() -> dict[str, list[dict[str, str]]]:
    with (ORACLES / "sequences.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return {case: [row for row in rows if row["case"] == case] for case in dict.fromkeys(row["case"] for row in rows)}


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([math.nan if row[name] == "NA" else float(row[name]) for row in rows])


@pytest.mark.parametrize("rows", rows_by_case().values(), ids=rows_by_case())
def test_limits_are_what_r_says(rows: list[dict[str, str]]) -> None:
    found = confidence_sequence(
        column(rows, "difference"),
        overlap=int(rows[0]["overlap"]),
        start=int(rows[0]["start"]),
        level=float(rows[0]["level"]),
    )
    assert found.note is None
    np.testing.assert_array_equal(found.n, column(rows, "n"))
    for name in ("mean", "lower", "upper"):
        np.testing.assert_allclose(getattr(found, name), column(rows, name), rtol=1e-10, atol=1e-10)


# --- what they promise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlap", "start"), [(1, 8), (3, 40)])
def test_limits_miss_at_any_of_many_looks_no_more_often_than_promised(overlap: int, start: int) -> None:
    random = np.random.default_rng(5)
    repetitions, looks = 1500, 300
    missed = 0
    for _ in range(repetitions):
        noise = np.convolve(random.standard_normal(looks + overlap - 1), np.ones(overlap), mode="valid")
        found = confidence_sequence(noise, overlap=overlap, start=start, level=0.9)
        missed += bool(np.any(found.lower > 0) or np.any(found.upper < 0))
    # the sequence has no end: by these looks most, but not all, of the 10 % is spent
    assert 0.04 < missed / repetitions < 0.10 + 2 * math.sqrt(0.1 * 0.9 / repetitions)


def test_limits_at_one_look_are_wider_than_an_interval_for_one_look() -> None:
    differences = np.random.default_rng(6).standard_normal(200)
    found = confidence_sequence(differences, start=40)
    error = np.std(differences, ddof=1) / math.sqrt(200)
    assert 2 < (found.upper[-1] - found.mean[-1]) / error < 4


def test_without_overlap_limits_are_standard_errors_of_the_test_of_equal_accuracy() -> None:
    differences = np.random.default_rng(7).standard_normal(30)
    found = confidence_sequence(differences, start=8)
    test = diebold_mariano(differences, np.zeros(30))
    assert test.statistic is not None
    ratio = (found.upper[-1] - found.mean[-1]) / (found.mean[-1] / test.statistic)
    again = confidence_sequence(-3 * differences + 1, start=8)
    other = diebold_mariano(-3 * differences + 1, np.zeros(30))
    assert other.statistic is not None
    assert ratio == pytest.approx((again.upper[-1] - again.mean[-1]) / (again.mean[-1] / other.statistic))


def test_negative_dependence_is_not_taken_for_precision() -> None:
    differences = np.tile([1.0, -1.0], 20) + 0.05
    overlapping = confidence_sequence(differences, overlap=2, start=20)
    assert np.all(overlapping.lower[19:] < 0)


@given(
    differences=st.lists(st.integers(-1000, 1000), min_size=9, max_size=40),
    more=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
    overlap=st.integers(1, 4),
)
def test_later_windows_change_no_earlier_look(differences: list[int], more: list[float], overlap: int) -> None:
    before = confidence_sequence(differences, overlap=overlap, start=8)
    after = confidence_sequence([*differences, *more], overlap=overlap, start=8)
    for name in ("mean", "lower", "upper"):
        np.testing.assert_allclose(
            getattr(after, name)[: len(differences)], getattr(before, name), rtol=1e-9, atol=1e-9
        )


@given(unit=st.sampled_from([1e-150, 1e-9, 1.0, 3.0, 1e12, 1e299]))
def test_limits_carry_the_unit_of_the_losses(unit: float) -> None:
    differences = np.random.default_rng(8).standard_normal(20)
    plain = confidence_sequence(differences, overlap=2, start=10)
    scaled = confidence_sequence(unit * differences, overlap=2, start=10)
    np.testing.assert_allclose(scaled.lower / unit, plain.lower, rtol=1e-10)
    np.testing.assert_allclose(scaled.upper / unit, plain.upper, rtol=1e-10)


# --- nothing to say ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 7])
def test_fewer_windows_than_the_first_look_have_no_limits(count: int) -> None:
    found = confidence_sequence(np.arange(float(count)), start=8)
    assert found.n.tolist() == list(range(1, count + 1))
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()
    assert found.note == f"too few windows to say: {count} given, the first look is at 8"


@pytest.mark.parametrize("value", [0.0, 0.1, -1e299])
@pytest.mark.parametrize("overlap", [1, 3])
def test_the_same_difference_everywhere_has_no_limits(value: float, overlap: int) -> None:
    found = confidence_sequence([value] * 12, overlap=overlap, start=8)
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()
    assert found.mean == pytest.approx([value] * 12)
    assert found.note is not None
    assert "no variance" in found.note


def test_differences_lost_beside_a_far_larger_one_have_no_limits() -> None:
    found = confidence_sequence([1e-200, 2e-200] * 5 + [1e200], start=8)
    assert np.isnan(found.lower[:10]).all()
    assert found.lower[-1] < found.upper[-1]


def test_limits_appear_once_differences_differ() -> None:
    found = confidence_sequence([0.5] * 10 + [0.7, 0.4], start=8)
    assert np.isnan(found.lower[:10]).all()
    assert np.isfinite(found.lower[10:]).all()
    assert found.note is None


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"differences": [1.0, math.nan] * 8}, "not finite"),
        ({"differences": ["a"] * 8}, "not a number"),
        ({"differences": [[1.0, 2.0]] * 8}, r"shape \(8, 2\)"),
        ({"overlap": 0}, "overlap counts windows: given 0"),
        ({"start": 7}, "given 7, accepted is an integer of at least 8"),
        ({"start": 20, "overlap": 14}, "given 20, accepted is an integer of at least 28"),
        ({"start": True}, "given True"),
        ({"start": 8.0}, "given 8.0"),
        ({"level": 0.0}, "level"),
        ({"level": 1.0}, "given 1.0"),
        ({"level": math.nan}, "given nan"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: dict[str, Any], said: str) -> None:
    usable: dict[str, Any] = {"differences": np.arange(16.0), "start": 8}
    with pytest.raises(InvalidInputError, match=said):
        confidence_sequence(**(usable | arguments))


def test_extreme_levels_have_finite_limits() -> None:
    for level in (1e-9, 1 - 1e-9):
        found = confidence_sequence(np.arange(20.0), overlap=4, start=8, level=level)
        assert np.isfinite(found.lower[7:]).all()
