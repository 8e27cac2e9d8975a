"""The evidence planner: against R, against simulation, and there and back."""

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
from experiments.science.evidence.planner import MOST_WINDOWS, detectable_difference, windows_needed

ORACLES = Path(__file__).parents[1] / "oracles"

with (ORACLES / "planner.csv").open() as lines:
    PLANS = list(csv.DictReader(lines))


def asked(row: dict[str, str]) -> dict[str, Any]:
    return {
        "overlap": int(row["overlap"]),
        "significance": float(row["significance"]),
        "power": float(row["power"]),
    }


@pytest.mark.parametrize("row", PLANS, ids=lambda row: "-".join(list(row.values())[:4]))
def test_detectable_difference_is_what_r_says(row: dict[str, str]) -> None:
    found = detectable_difference(1.0, int(row["n"]), **asked(row))
    assert found == pytest.approx(float(row["detectable"]), rel=1e-6)
    assert detectable_difference(0.25, int(row["n"]), **asked(row)) == pytest.approx(found / 4)


@pytest.mark.parametrize(
    "row", [row for row in PLANS if row["needed"] != "NA"], ids=lambda row: "-".join(list(row.values())[:4])
)
def test_windows_needed_are_what_r_says(row: dict[str, str]) -> None:
    expected = max(8, math.ceil(float(row["needed"]) - 1e-6))
    assert windows_needed(float(row["difference"]), 1.0, int(row["n"]), **asked(row)) == expected
    assert windows_needed(-float(row["difference"]), 1.0, int(row["n"]), **asked(row)) == expected


@given(
    n=st.integers(8, 5000),
    overlap=st.integers(1, 20),
    standard_error=st.floats(1e-6, 1e6),
    significance=st.sampled_from([0.05, 0.05 / 300]),
    power=st.sampled_from([0.5, 0.8, 0.99]),
)
def test_the_difference_that_windows_tell_needs_those_windows(
    n: int, overlap: int, standard_error: float, significance: float, power: float
) -> None:
    n = max(n, 2 * overlap)
    wanted: dict[str, Any] = {"overlap": overlap, "significance": significance, "power": power}
    difference = detectable_difference(standard_error, n, **wanted)
    assert windows_needed(difference, standard_error, n, **wanted) == n
    assert (windows_needed(0.9 * difference, standard_error, n, **wanted) or math.inf) > n


@pytest.mark.parametrize(("n", "overlap"), [(25, 1), (60, 3)])
def test_the_test_finds_a_detectable_difference_as_often_as_planned(n: int, overlap: int) -> None:
    random = np.random.default_rng(9)
    # the mean of independent differences of variance 1 has the standard error 1 / sqrt(n), whatever the test
    shift = detectable_difference(1 / math.sqrt(n), n, overlap=overlap)
    tests = [diebold_mariano(random.standard_normal(n) + shift, np.zeros(n), overlap=overlap) for _ in range(1000)]
    found = [test.pvalue is not None and test.pvalue < 0.05 for test in tests]
    assert np.mean(found) == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 1000))


def test_no_fewer_windows_than_are_tested_at_all() -> None:
    assert windows_needed(1e300, 1e-300, 40) == 8
    assert windows_needed(1e9, 1.0, 40, overlap=14) == 28


def test_what_more_windows_than_worth_waiting_for_would_tell_needs_none() -> None:
    assert windows_needed(0.0, 1.0, 40) is None
    assert windows_needed(1e-9, 1.0, 40) is None
    assert windows_needed(100.0, 1.0, MOST_WINDOWS * 2, overlap=MOST_WINDOWS) is None
    least = detectable_difference(1.0, MOST_WINDOWS)
    assert windows_needed(least, 1.0, MOST_WINDOWS) == MOST_WINDOWS
    assert windows_needed(0.999 * least, 1.0, MOST_WINDOWS) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"standard_error": 0.0}, "standard_error is 0.0"),
        ({"standard_error": -1.0}, "standard_error is -1.0"),
        ({"standard_error": math.inf}, "standard_error is inf"),
        ({"standard_error": math.nan}, "standard_error is nan"),
        ({"n": 7}, "given 7, accepted is an integer of at least 8"),
        ({"n": 20, "overlap": 14}, "at least 28"),
        ({"n": True}, "given True"),
        ({"n": 40.0}, "given 40.0"),
        ({"overlap": 0}, "overlap counts windows"),
        ({"significance": 0.0}, "significance 0.0"),
        ({"power": 1.0}, "power 1.0"),
        ({"significance": 0.5, "power": 0.4}, "0 < significance < power < 1"),
        ({"power": math.nan}, "power nan"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: dict[str, Any], said: str) -> None:
    usable: dict[str, Any] = {"standard_error": 1.0, "n": 40}
    with pytest.raises(InvalidInputError, match=said):
        detectable_difference(**(usable | arguments))
    with pytest.raises(InvalidInputError, match=said):
        windows_needed(1.0, **(usable | arguments))


@pytest.mark.parametrize("difference", [math.nan, math.inf])
def test_a_difference_that_is_no_number_is_refused(difference: float) -> None:
    with pytest.raises(InvalidInputError, match="mean_difference"):
        windows_needed(difference, 1.0, 40)
