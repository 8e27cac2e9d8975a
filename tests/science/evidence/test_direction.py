"""Directional calls against references from outside, against a plain loop, and what cannot be told."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.direction import pesaran_timmermann
from references import AGREEMENT, table


def calls(text: str) -> np.ndarray:
    return np.array([up == "1" for up in text])


@pytest.mark.parametrize("row", table("directions"), ids=lambda row: row["case"])
def test_pesaran_timmermann_is_what_r_and_statsmodels_say(row: dict[str, str]) -> None:
    result = pesaran_timmermann(calls(row["actual"]), calls(row["predicted"]))
    published = next(r for r in table("pesaran_timmermann") if r["case"] == row["case"])
    assert result.n == int(published["n"])
    assert result.statistic == pytest.approx(float(published["statistic"]), **AGREEMENT)
    assert result.pvalue == pytest.approx(float(published["pvalue"]), **AGREEMENT)
    without_last_term = next(r for r in table("directions_sm") if r["case"] == row["case"])
    shrunk = result.statistic * math.sqrt((result.n - 1) / result.n)
    assert shrunk == pytest.approx(float(without_last_term["statistic"]), **AGREEMENT)


@settings(deadline=None)  # the first example pays for an import
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=20, max_size=60))
def test_pesaran_timmermann_is_its_plain_loop(pairs: list[tuple[bool, bool]]) -> None:
    n = len(pairs)
    hits = ups = called = 0
    for actual, predicted in pairs:
        hits += actual == predicted
        ups += actual
        called += predicted
    assume(0 < ups < n)
    assume(0 < called < n)
    y, x = ups / n, called / n
    star = y * x + (1 - y) * (1 - x)
    v_star = ((2 * y - 1) ** 2 * x * (1 - x) + (2 * x - 1) ** 2 * y * (1 - y)) / n
    v_star += 4 * y * x * (1 - y) * (1 - x) / n**2
    expected = (hits / n - star) / math.sqrt(star * (1 - star) / n - v_star)
    result = pesaran_timmermann([a for a, _ in pairs], [p for _, p in pairs])
    assert result.statistic == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert result.pvalue == pytest.approx(0.5 * math.erfc(expected / math.sqrt(2)), rel=1e-8)


def test_too_few_calls_say_nothing() -> None:
    result = pesaran_timmermann([True, False] * 9 + [True], [True, False] * 9 + [True])
    assert (result.statistic, result.pvalue, result.n) == (None, None, 19)
    assert result.note == "too few calls to say: 19 given, at least 20 needed"


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(("side", "said"), [("calls", "all calls are alike"), ("moves", "all actual moves are alike")])
def test_calls_or_moves_all_alike_say_nothing(up: bool, side: str, said: str) -> None:
    mixed, alike = [True, False] * 15, [up] * 30
    result = pesaran_timmermann(mixed, alike) if side == "calls" else pesaran_timmermann(alike, mixed)
    assert (result.statistic, result.pvalue, result.n) == (None, None, 30)
    assert result.note.startswith(said)


@pytest.mark.parametrize(
    ("actual", "predicted", "said"),
    [
        ([1, 0], [True, False], "actual_up has type int64"),
        ([True, False], [0.5, -0.5], "predicted_up has type float64"),
        ([[True, False]], [True, False], r"shape \(1, 2\): accepted is a one-dimensional array of booleans"),
        ([True, False], [True], "actual_up has 2 values and predicted_up 1"),
    ],
)
def test_calls_that_cannot_be_used_raise(actual: Any, predicted: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        pesaran_timmermann(actual, predicted)
