"""The span covariates cover: where the last cutoff and the first training row may lie, and what is said of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.series import Series, prepare
from experiments.science.span import covered_span

FIRST = pd.Timestamp("2024-01-01")
HORIZON = 5


def daily(first: int, last: int, name: str = "y") -> pd.DataFrame:
    """Values on the days `first` to `last`, counted from 2024-01-01."""
    days = np.arange(first, last + 1)
    return pd.DataFrame({"ds": FIRST + pd.to_timedelta(days, "D"), name: days.astype(float)})


def series(n: int = 60, known: dict[str, Any] | None = None, **observed: pd.DataFrame) -> Series:
    (one,) = prepare(daily(0, n - 1), commodity="Tea", covariates=observed, known_covariates=known)
    return one


def test_without_covariates_it_is_the_series() -> None:
    span = covered_span(series(), HORIZON)
    assert len(span.series.ds) == 60
    assert (span.begin, span.begin_reason, span.end_reason) == (0, None, None)


def test_cutoffs_end_with_an_observed_covariate_and_its_actuals_may_follow() -> None:
    span = covered_span(series(rain=daily(-9, 40)), HORIZON)
    assert span.series.ds[-1 - HORIZON] == np.datetime64("2024-02-10")  # day 40, the last cutoff there can be
    assert span.end_reason == "rain ends on 2024-02-10, the series on 2024-02-29"
    assert len(span.series.y) == len(span.series.covariates["rain"]) == 46


def test_steps_end_with_a_known_covariate() -> None:
    span = covered_span(series(known={"tariff": daily(-9, 40)}), HORIZON)
    assert span.series.ds[-1] == np.datetime64("2024-02-10")
    assert span.end_reason == "tariff ends on 2024-02-10, the series on 2024-02-29"


def test_a_covariate_that_ends_no_window_is_not_mentioned() -> None:
    span = covered_span(series(rain=daily(0, 54), known={"tariff": daily(0, 70)}), HORIZON)
    assert len(span.series.ds) == 60
    assert span.end_reason is None


def test_of_several_the_one_that_binds_is_named() -> None:
    span = covered_span(series(rain=daily(3, 40), frost=daily(9, 40), vix=daily(9, 50)), HORIZON)
    assert span.end_reason == "rain and frost end on 2024-02-10, the series on 2024-02-29"
    assert span.begin == 9
    assert span.begin_reason == "frost and vix begin on 2024-01-10, the series on 2024-01-01"


def test_an_end_on_no_date_of_the_series_is_the_date_before() -> None:
    weekly = daily(0, 60).iloc[::7]
    (one,) = prepare(weekly, commodity="Tea", covariates={"rain": daily(0, 40)})
    span = covered_span(one, 2)
    assert [str(day) for day in span.series.ds[-3:]] == ["2024-02-05", "2024-02-12", "2024-02-19"]


@pytest.mark.parametrize(("first", "last"), [(-30, -1), (60, 90)])
def test_a_covariate_that_covers_nothing_is_refused_with_both_spans(first: int, last: int) -> None:
    ends = (FIRST + pd.Timedelta(days=first)).date(), (FIRST + pd.Timedelta(days=last)).date()
    said = (
        f"covariate 'rain' runs from {ends[0]} to {ends[1]} and covers none of the data of Tea, 2024-01-01 to 2024-02"
    )
    with pytest.raises(InvalidInputError, match=said):
        covered_span(series(rain=daily(first, last)), HORIZON)


@settings(max_examples=60, deadline=None)
@given(
    ends=st.lists(st.integers(1, 90), min_size=2, max_size=2),
    begins=st.lists(st.integers(-20, 30), min_size=2, max_size=2),
    horizon=st.integers(1, 20),
    more=st.integers(0, 30),
)
def test_more_prices_beyond_the_end_of_a_covariate_change_nothing(
    ends: list[int], begins: list[int], horizon: int, more: int
) -> None:
    rain, tariff = (daily(min(begin, end), end) for begin, end in zip(begins, ends, strict=True))
    old, new = (covered_span(series(n, rain=rain, known={"tariff": tariff}), horizon) for n in (120, 120 + more))
    assert old.series.dataset_version(("rain", "tariff")) == new.series.dataset_version(("rain", "tariff"))
    assert old.series.ds[-1].item() == min(
        dt.date(2024, 1, 1) + dt.timedelta(days=days) for days in (ends[0] + horizon, ends[1])
    )
    assert old.begin == max(0, *(min(begin, end) for begin, end in zip(begins, ends, strict=True)))
