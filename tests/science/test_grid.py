"""The grid of cutoffs: against plain loops, and what must hold when a series grows."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.example_data import load_wti
from experiments.science.grid import cutoff_positions, find_grid, observed_overlap, overlap
from experiments.science.series import prepare

Dates = NDArray[np.datetime64]

SIZE = st.integers(1, 20)


@dataclass(frozen=True)
class Request:
    """A series of `ds` and the grid asked for on it; the origin at position `offset`."""

    ds: Dates
    offset: int
    horizon: int
    step_size: int
    n_windows: int
    min_train: int

    def positions(self) -> list[int]:
        return cutoff_positions(
            self.ds,
            origin=self.ds[self.offset].item(),
            horizon=self.horizon,
            step_size=self.step_size,
            n_windows=self.n_windows,
            min_train=self.min_train,
        ).tolist()


def with_gaps(gaps: Sequence[int]) -> Dates:
    """Dates from 2020 on, each `gap` days after the one before."""
    return np.datetime64("2020-01-01", "D") + np.concatenate([[0], np.cumsum(gaps)])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    n = draw(st.integers(1, 250))
    gaps = draw(hnp.arrays(np.int64, n, elements=st.integers(1, 5)))
    offset = draw(st.integers(0, min(n, 12)))
    sizes = {name: draw(SIZE) for name in ("horizon", "step_size")}
    n_windows, min_train = draw(st.integers(1, 12)), draw(st.integers(1, 60))
    return Request(ds=with_gaps(gaps), offset=offset, n_windows=n_windows, min_train=min_train, **sizes)


def complete_cutoffs(request: Request) -> list[int]:
    """Every cutoff of the grid that has its history before it and its horizon after it, counted one by one."""
    found = []
    position = request.offset
    while position >= request.step_size:  # the grid runs back from its origin too
        position -= request.step_size
    while position < len(request.ds):
        observed_after = len(request.ds) - 1 - position
        if observed_after >= request.horizon and position + 1 >= request.min_train:
            found.append(position)
        position += request.step_size
    return found


@settings(max_examples=150, deadline=None)
@given(request_=requests())
def test_the_cutoffs_are_the_last_complete_ones(request_: Request) -> None:
    complete = complete_cutoffs(request_)
    if len(complete) >= request_.n_windows:
        assert request_.positions() == complete[len(complete) - request_.n_windows :]
    else:
        with pytest.raises(NotEnoughDataError, match=rf"enough for {len(complete)} windows\.$"):
            request_.positions()


@settings(max_examples=60, deadline=None)
@given(request_=requests(), appended=st.lists(st.integers(1, 5), min_size=1, max_size=40))
def test_appended_observations_never_move_an_old_cutoff(request_: Request, appended: list[int]) -> None:
    assume(len(complete_cutoffs(request_)) >= request_.n_windows)
    old = request_.ds[request_.positions()]
    grown = np.concatenate([request_.ds, request_.ds[-1] + np.cumsum(appended)])
    longer = replace(request_, ds=grown)
    new = grown[longer.positions()]
    assert set(new[new <= old[-1]]) <= set(old)
    # asked for as many more windows as have become complete, it gives the old ones and those
    more = len(complete_cutoffs(longer)) - len(complete_cutoffs(request_))
    everything = grown[replace(longer, n_windows=request_.n_windows + more).positions()]
    assert list(everything[: request_.n_windows]) == list(old)
    assert (everything[request_.n_windows :] > old[-1]).all()


@settings(max_examples=100, deadline=None)
@given(request_=requests())
def test_the_number_of_observations_that_is_asked_for_is_exact(request_: Request) -> None:
    short = replace(request_, ds=request_.ds[: request_.offset + 1])
    assume(len(complete_cutoffs(short)) < short.n_windows)
    with pytest.raises(NotEnoughDataError) as raised:
        short.positions()
    needed = int(re.search(r"need (\d+) observations", str(raised.value)).group(1))
    assert f"the series has {len(short.ds)}," in str(raised.value)
    rows = with_gaps([1] * (needed + 5))
    assert len(replace(request_, ds=rows[:needed]).positions()) == request_.n_windows
    with pytest.raises(NotEnoughDataError, match=f"need {needed} observations; the series has {needed - 1},"):
        replace(request_, ds=rows[: needed - 1]).positions()


def test_the_message_says_what_is_needed_and_what_there_is() -> None:
    request_ = Request(ds=with_gaps([1] * 99), offset=0, horizon=14, step_size=14, n_windows=5, min_train=42)
    with pytest.raises(NotEnoughDataError) as raised:
        request_.positions()
    assert str(raised.value) == (
        "5 windows of 14 steps every 14, the first with 42 observations to train on, need 113 observations; the "
        "series has 100, enough for 4 windows."
    )


@pytest.mark.parametrize(
    "origin", ["2019-12-31", "2020-01-02", "2020-01-09"], ids=["before the first", "in a gap", "after the last"]
)
def test_an_origin_that_is_not_a_date_of_the_series_is_refused(origin: str) -> None:
    ds = with_gaps([2, 2, 2])
    with pytest.raises(InvalidInputError, match=f"origin {origin} is not a date of the series") as raised:
        cutoff_positions(ds, origin=dt.date.fromisoformat(origin), horizon=1, step_size=1, n_windows=1, min_train=1)
    assert not isinstance(raised.value, NotEnoughDataError)
    assert "(2020-01-01 to 2020-01-07)" in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(request_=requests(), begin=st.integers(0, 80))
def test_a_first_window_has_its_observations_after_the_covariates_begin(request_: Request, begin: int) -> None:
    later = replace(request_, min_train=request_.min_train + begin)
    numbers = {name: getattr(request_, name) for name in ("horizon", "step_size", "n_windows", "min_train")}
    assume(request_.offset < len(request_.ds))
    origin = request_.ds[request_.offset].item()
    complete = complete_cutoffs(later)
    if len(complete) >= request_.n_windows:
        assert cutoff_positions(request_.ds, origin=origin, begin=begin, **numbers).tolist() == later.positions()
    else:
        with pytest.raises(NotEnoughDataError) as raised:
            later.positions()
        needed = re.search(r"need \d+ observations; .*", str(raised.value)).group(0)
        with pytest.raises(NotEnoughDataError, match=re.escape(needed)):
            cutoff_positions(request_.ds, origin=origin, begin=begin, **numbers)


# --- where to count from ---------------------------------------------------------------------------------------------


def days(first: str, last: str) -> Dates:
    return np.arange(first, last, dtype="datetime64[D]")


OLD, CUT, LATER, OTHER = (dt.date(2020, 1, day) for day in (1, 11, 21, 5))
RECORDED = [(OLD, None, OLD), (OLD, "a", CUT), (OLD, "a", LATER), (OLD, "b", LATER), (OTHER, None, OTHER)]
JANUARY, CUT_JANUARY = days("2020-01-01", "2020-02-01"), days("2020-01-02", "2020-02-01")


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({"a": JANUARY}, (OLD, {"a": OLD})),
        ({"a": CUT_JANUARY}, (OLD, {"a": CUT})),
        ({"a": days("2020-01-12", "2020-02-01")}, (OLD, {"a": LATER})),
        # each series from its own cutoffs, for holidays differ
        ({"a": CUT_JANUARY, "b": CUT_JANUARY}, (OLD, {"a": CUT, "b": LATER})),
        ({"a": JANUARY, "b": CUT_JANUARY}, (OLD, {"a": OLD, "b": LATER})),
        # one that has none of its own, from another's
        ({"new": CUT_JANUARY}, (OLD, {"new": CUT})),
        ({"a": days("2020-01-02", "2020-01-11")}, (OTHER, {"a": OTHER})),
        ({"a": days("2020-01-25", "2020-02-01")}, (dt.date(2020, 1, 25), {"a": dt.date(2020, 1, 25)})),
        (
            {"a": days("2020-01-25", "2020-02-09"), "b": days("2020-02-02", "2020-03-01")},
            (dt.date(2020, 2, 2), dict.fromkeys("ab", dt.date(2020, 2, 2))),
        ),
        ({"a": JANUARY, "c": days("2020-02-01", "2020-03-01")}, None),
    ],
)
def test_windows_are_counted_on_a_recorded_grid_else_from_a_date_all_share(
    series: dict[str, Dates], expected: object
) -> None:
    assert find_grid(RECORDED, series) == expected


def test_the_first_grid_begins_with_the_first_date_every_series_has() -> None:
    first = dt.date(2020, 1, 9)
    found = find_grid([], {"a": JANUARY, "b": days("2020-01-09", "2020-03-01")})
    assert found == (first, {"a": first, "b": first})


@settings(max_examples=60, deadline=None)
@given(request_=requests(), cut=st.integers(0, 249))
def test_a_file_that_was_cut_stays_on_the_grid(request_: Request, cut: int) -> None:
    complete = complete_cutoffs(request_)
    assume(complete)
    origin = request_.ds[request_.offset].item()
    recorded = [(origin, None, origin), *((origin, "a", request_.ds[position].item()) for position in complete)]
    cut = min(cut, complete[-1])
    found = find_grid(recorded, {"a": request_.ds[cut:]})
    assert found is not None
    assert found[0] == origin
    again = complete_cutoffs(
        replace(request_, ds=request_.ds[cut:], offset=int(np.flatnonzero(request_.ds[cut:] == found[1]["a"])[0]))
    )
    assert {(position + cut - request_.offset) % request_.step_size for position in again} <= {0}


def test_the_grid_runs_back_from_its_origin_too() -> None:
    asked = {"horizon": 2, "step_size": 5, "n_windows": 4, "min_train": 3}
    assert cutoff_positions(JANUARY, origin=dt.date(2020, 1, 19), **asked).tolist() == [8 + 5, 18, 23, 28]
    assert cutoff_positions(JANUARY[:22], origin=dt.date(2020, 1, 19), **asked).tolist() == [3, 8, 13, 18]


def test_an_empty_series_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"not a date of the series \(empty\)"):
        cutoff_positions(
            np.array([], dtype="datetime64[D]"),
            origin=dt.date(2020, 1, 1),
            horizon=1,
            step_size=1,
            n_windows=1,
            min_train=1,
        )


def test_the_grid_is_counted_in_observations_not_in_days() -> None:
    """On a trading-day series a step is a trading day: weekends and holidays move no cutoff."""
    (wti,) = prepare(load_wti(), commodity="WTI")
    sizes = {"horizon": 14, "step_size": 14, "n_windows": 40, "min_train": 42}
    positions = cutoff_positions(wti.ds, origin=wti.ds[0].item(), **sizes)
    assert set(np.diff(positions)) == {14}
    assert not (positions % 14).any()
    assert len(np.unique(np.diff(wti.ds[positions]).astype(int))) > 1
    # a week later: the same windows but for the first, and at most one new
    earlier = cutoff_positions(wti.ds[:-5], origin=wti.ds[0].item(), **sizes)
    assert len(set(positions) - set(earlier)) <= 1
    assert set(positions) & set(earlier) == set(
        range(max(positions[0], earlier[0]), min(positions[-1], earlier[-1]) + 1, 14)
    )


# --- overlap -------------------------------------------------------------------------------------------------------


@given(last_step=st.integers(1, 400), step_size=st.integers(1, 400))
def test_the_overlap_counts_the_windows_that_share_an_observation(last_step: int, step_size: int) -> None:
    """A window's steps are T + 1 to T + k; those of the j-th one after it T + j * step_size + 1 onwards."""
    sharing = 1
    while sharing * step_size + 1 <= last_step:
        sharing += 1
    assert overlap(last_step, step_size) == sharing == math.ceil(last_step / step_size)


@pytest.mark.parametrize(
    ("last_step", "step_size", "windows"), [(14, 14, 1), (14, 20, 1), (14, 13, 2), (14, 7, 2), (14, 1, 14), (1, 1, 1)]
)
def test_overlap_is_1_when_the_steps_end_before_the_next_cutoff(last_step: int, step_size: int, windows: int) -> None:
    assert overlap(last_step, step_size) == windows


@settings(max_examples=80, deadline=None)
@given(request_=requests())
def test_the_dates_of_a_regular_grid_show_its_overlap(request_: Request) -> None:
    assume(len(complete_cutoffs(request_)) >= request_.n_windows)
    positions = np.array(request_.positions())
    cutoffs, ends = request_.ds[positions], request_.ds[positions + request_.horizon]
    announced = overlap(request_.horizon, request_.step_size)
    # fewer windows than share an observation: as many as there are
    assert observed_overlap(cutoffs, ends) == min(announced, request_.n_windows)


@settings(max_examples=100, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    lengths=st.lists(st.integers(1, 30), min_size=21, max_size=21),
)
def test_the_overlap_of_any_cutoffs_is_its_plain_loop(gaps: list[int], lengths: list[int]) -> None:
    cutoffs = with_gaps(gaps)
    ends = cutoffs + np.array(lengths[: len(cutoffs)])
    begun = [sum(one <= other < end for other in cutoffs) for one, end in zip(cutoffs, ends, strict=True)]
    assert observed_overlap(cutoffs, ends) == max(begun)


def test_no_windows_overlap_by_none() -> None:
    empty = np.array([], dtype="datetime64[D]")
    assert observed_overlap(empty, empty) == 1
