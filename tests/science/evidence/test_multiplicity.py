"""Many p-values at once: against R, against plain loops, and what must hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.multiplicity import benjamini_hochberg, holm
from references import number, table

PVALUES = st.lists(st.none() | st.floats(0, 1), max_size=12).map(
    lambda values: np.array([math.nan if p is None else p for p in values])
)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg], ids=lambda adjust: adjust.__name__)
@pytest.mark.parametrize("case", dict.fromkeys(row["case"] for row in table("holm")))
def test_adjusted_pvalues_are_what_r_says(adjust: Any, case: str) -> None:
    rows = [row for row in table(adjust.__name__) if row["case"] == case]
    adjusted = adjust([number(row["pvalue"]) for row in rows])
    np.testing.assert_allclose(adjusted, [number(row[adjust.__name__]) for row in rows], rtol=1e-10, atol=0)


@settings(deadline=None)  # the first example pays for an import
@given(PVALUES)
def test_holm_is_its_plain_loop(pvalues: np.ndarray) -> None:
    tested = sorted((p, i) for i, p in enumerate(pvalues) if not math.isnan(p))
    expected = [math.nan] * len(pvalues)
    largest = 0.0
    for rank, (p, i) in enumerate(tested):
        largest = max(largest, p * (len(tested) - rank))
        expected[i] = min(1.0, largest)
    before = pvalues.copy()
    np.testing.assert_allclose(holm(pvalues), expected, rtol=1e-12)
    np.testing.assert_array_equal(pvalues, before)


@settings(deadline=None)
@given(PVALUES)
def test_benjamini_hochberg_is_its_plain_loop(pvalues: np.ndarray) -> None:
    tested = sorted(p for p in pvalues if not math.isnan(p))
    expected = [
        min([1.0, *(q * len(tested) / (rank + 1) for rank, q in enumerate(tested) if q >= p)]) + 0 * p for p in pvalues
    ]
    before = pvalues.copy()
    np.testing.assert_allclose(benjamini_hochberg(pvalues), expected, rtol=1e-12)
    np.testing.assert_array_equal(pvalues, before)


@settings(deadline=None)
@given(PVALUES, st.randoms())
def test_adjusting_keeps_the_order_and_asks_more_of_holm(pvalues: np.ndarray, random: Any) -> None:
    step_down, step_up = holm(pvalues), benjamini_hochberg(pvalues)
    tested = ~np.isnan(pvalues)
    assert np.array_equal(np.isnan(step_up), ~tested)
    assert np.all(pvalues[tested] <= step_up[tested] * (1 + 1e-12))
    assert np.all(step_up[tested] <= step_down[tested] * (1 + 1e-12))
    assert np.all(step_down[tested] <= 1)
    rising = np.argsort(pvalues[tested], kind="stable")
    for adjusted in (step_down, step_up):
        assert np.all(np.diff(adjusted[tested][rising]) >= 0)
    moved = random.sample(range(pvalues.size), pvalues.size)
    np.testing.assert_array_equal(benjamini_hochberg(pvalues[moved]), step_up[moved])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize(
    ("pvalues", "said"),
    [
        ([0.1, 1.5], "given 1.5 at position 1"),
        ([math.nan, -0.1], "given -0.1 at position 1"),
        ([math.inf], "given inf at position 0"),
        ([[0.1]], r"pvalues has shape \(1, 1\)"),
        (["small"], "pvalues holds something that is not a number"),
    ],
)
def test_pvalues_that_cannot_be_used_raise(adjust: Any, pvalues: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        adjust(pvalues)
