"""What is said of the values of a series: gaps, repeats, no movement, each in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.science.quirks import LONGEST_STEP_DAYS, quirks

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHAT = "the data of Tea"


def after(*gaps: int) -> NDArray[np.datetime64]:
    return np.datetime64("2024-01-01", "D") + np.cumsum([0, *gaps])


def said(
    ds: NDArray[np.datetime64], *, frequency: str = "day", y: NDArray[np.float64] | None = None
) -> tuple[str, ...]:
    return quirks(ds, np.arange(float(len(ds))) if y is None else y, frequency=frequency, what=WHAT)


@pytest.mark.parametrize(("frequency", "longest"), list(LONGEST_STEP_DAYS.items()))
def test_a_gap_is_longer_than_a_step_may_be(frequency: str, longest: int) -> None:
    assert said(after(1, longest, 1), frequency=frequency) == ()
    (line,) = said(after(longest + 1, 1, longest + 9, longest), frequency=frequency)
    days = "1 day" if longest == 1 else f"{longest} days"
    first = np.datetime64("2024-01-01", "D") + longest + 2
    assert line == (
        f"{WHAT} has 2 gaps of more than {days}, the longest from {first} to {first + longest + 9}: not filled, a step "
        "is the next observation"
    )


def test_an_irregular_series_has_no_gaps() -> None:
    assert said(after(1, 400, 3), frequency="irregular") == ()


def test_repeated_values_are_counted() -> None:
    (line,) = said(after(1, 1, 1, 1), y=np.array([1.0, 1.0, 2.0, 2.0, 1.0]))
    assert line == (
        f"{WHAT} has 2 values equal to the one before, the last on 2024-01-04: kept as observed, a stale close counts "
        "as no move"
    )
    assert said(after(1), y=np.array([1.0, 1.0 + 1e-12])) == ()


def test_a_series_that_never_moves_is_said_to_be_one() -> None:
    (line,) = said(after(1, 1), y=np.full(3, 2.5))
    assert line == f"{WHAT} never moves: every value is 2.5, every error 0, and nothing can be told"


def test_one_observation_is_nothing_to_speak_of() -> None:
    assert said(after()) == ()


def test_each_thing_has_a_line_of_its_own() -> None:
    assert len(said(after(1, 5, 1), y=np.array([1.0, 1.0, 2.0, 3.0]))) == 2
