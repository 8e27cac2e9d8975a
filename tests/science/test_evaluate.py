"""Metrics recomputed from stored rows: the same figures, and a refusal where rows are missing or too many."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells import Cells, cut, made, made_of_quarters
from experiments.errors import InvalidInputError
from experiments.science.metrics import NO_WINDOW, Scores, evaluate


@settings(max_examples=25, deadline=None)
@given(cells=made_of_quarters(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_does_not_matter(cells: Cells, seed: int) -> None:
    forecasts, windows = cells.frames()
    shuffled = [frame.sample(frac=1, random_state=seed) for frame in (forecasts, windows)]
    assert evaluate(*shuffled) == cells.score()


def test_figures_recomputed_are_those_recorded_to_the_last_bit() -> None:
    """Numpy's sums depend on how an array lies in memory."""
    for horizon in (14, 40):
        cells = made(n_windows=9, horizon=horizon)
        assert evaluate(*cells.frames()) == cells.score()


@pytest.mark.parametrize("form", ["text", "timestamp", "date"])
@pytest.mark.parametrize("side", [0, 1])
def test_dates_may_be_text_or_timestamps(form: str, side: int) -> None:
    cells = made(n_windows=10)
    frames = list(cells.frames())
    convert = {"text": lambda x: str(x.date()), "timestamp": pd.Timestamp, "date": lambda x: x.date()}[form]
    for name in ({"cutoff", "ds"}, {"cutoff"})[side]:
        frames[side][name] = frames[side][name].map(convert)
    assert evaluate(*frames) == cells.score()


def test_the_frames_given_are_left_as_they_are() -> None:
    frames = [frame.sample(frac=1, random_state=3) for frame in made().frames()]
    copies = [frame.copy(deep=True) for frame in frames]
    evaluate(*frames)
    for frame, copy in zip(frames, copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_something_that_is_no_frame_is_refused() -> None:
    forecasts, windows = made().frames()
    with pytest.raises(InvalidInputError, match=r"forecasts is list: give the frame that Ledger\.forecasts returns"):
        evaluate([1], windows)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"windows is str: give the frame that Ledger\.windows returns"):
        evaluate(forecasts, "id")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cutoff", "step", "ds", "y", "y_hat"])
def test_a_missing_column_of_forecasts_is_named(name: str) -> None:
    forecasts, windows = made().frames()
    with pytest.raises(InvalidInputError, match=rf"forecasts lacks the columns \['{name}'\]; it has \["):
        evaluate(forecasts.drop(columns=name), windows)


@pytest.mark.parametrize("name", ["cutoff", "day0", "scale", "level"])
def test_a_missing_column_of_windows_is_named(name: str) -> None:
    forecasts, windows = made().frames()
    with pytest.raises(InvalidInputError, match=rf"windows lacks the columns \['{name}'\]; it has \["):
        evaluate(forecasts, windows.drop(columns=name))


def test_windows_without_a_status_all_count() -> None:
    cells = made()
    forecasts, windows = cells.frames()
    assert evaluate(forecasts, windows.drop(columns="status")) == cells.score()


def without(frame: pd.DataFrame, where: pd.Series) -> pd.DataFrame:
    return frame[~where]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: without(f, (f["step"] == 3) & (f["cutoff"] == f["cutoff"].max())),
        lambda f: without(f, (f["step"] == 14) & (f["cutoff"] == f["cutoff"].min())),
        lambda f: without(f, f["step"] == 3),  # of every window: step 4 must not pass for it
        lambda f: without(f, f["step"] == 1),
        lambda f: without(f, f["cutoff"] == f["cutoff"].max()),
        lambda f: f.iloc[:0],
        lambda f: f.assign(step=f["step"] - 1),
        lambda f: f.assign(step=f["step"].astype(str)),
        lambda f: f.assign(y=f["y"].where(f["step"] != 5)),
        lambda f: f.assign(y_hat=f["y_hat"].where(f["step"] != 5)),
        lambda f: f.assign(ds=f["ds"].where(f["step"] != 14)),
    ],
)
def test_a_window_that_lacks_a_step_is_refused(spoil: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    forecasts, windows = made(n_windows=9).frames()
    with pytest.raises(InvalidInputError, match="lack a step of a successful window"):
        evaluate(spoil(forecasts), windows)


@pytest.mark.parametrize("name", ["day0", "level"])
def test_a_window_without_day_0_or_level_is_refused(name: str) -> None:
    forecasts, windows = made(n_windows=9).frames()
    windows.loc[4, name] = math.nan
    with pytest.raises(InvalidInputError, match=f"windows lack day0 or level at {windows['cutoff'][4].date()}"):
        evaluate(forecasts, windows)


def test_a_window_without_a_scale_is_scored_without_mase() -> None:
    forecasts, windows = made(n_windows=9).frames()
    windows.loc[4, "scale"] = math.nan
    scores = evaluate(forecasts, windows)
    assert scores.mase_14day is None
    assert scores.mae_14day > 0


@pytest.mark.parametrize("side", [0, 1])
def test_the_rows_of_two_evaluations_are_refused(side: int) -> None:
    frames = list(made(n_windows=9).frames())
    frames[side] = pd.concat([frames[side], frames[side].assign(y_hat=1.0)])
    with pytest.raises(InvalidInputError, match="stands twice: give the forecasts and windows of one evaluation"):
        evaluate(*frames)


def test_failed_windows_are_ignored_with_whatever_they_left_behind() -> None:
    cells = made(n_windows=20)
    forecasts, windows = cells.frames()
    good = np.arange(20) != 6
    expected = dataclasses.replace(
        cells, **{item.name: getattr(cells, item.name)[good] for item in dataclasses.fields(cells)}
    ).score()
    windows.loc[6, ["status", "day0", "scale", "level"]] = ["failed", None, None, None]
    of_failed = forecasts["cutoff"] == windows["cutoff"][6]
    assert evaluate(forecasts[~of_failed], windows) == expected
    assert evaluate(forecasts[~of_failed | (forecasts["step"] < 5)], windows) == expected
    assert evaluate(forecasts.assign(y_hat=forecasts["y_hat"].mask(of_failed)), windows) == expected
    assert expected.dm_n == 19


@pytest.mark.parametrize("with_rows", [True, False])
def test_where_every_window_failed_there_is_a_note(with_rows: bool) -> None:
    forecasts, windows = made(n_windows=3).frames()
    windows["status"] = "failed"
    forecasts = forecasts if with_rows else forecasts.iloc[:0]
    assert evaluate(forecasts, windows) == Scores(evidence_note=NO_WINDOW)
    assert evaluate(forecasts, windows.iloc[:0]) == Scores(evidence_note=NO_WINDOW)


@pytest.mark.parametrize(
    ("step_size", "announced", "step_overlap"), [(14, None, 1), (5, None, 3), (5, 5, 3), (1, 14, 14)]
)
def test_cutoffs_that_lie_closer_than_announced_are_noticed_from_their_dates(
    step_size: int, announced: int | None, step_overlap: int
) -> None:
    rng = np.random.default_rng(9)
    y = 100 + np.cumsum(rng.standard_normal(600))
    cells = cut(np.arange(600).astype("datetime64[D]"), y, horizon=14, step_size=step_size, n_windows=40)
    cells = dataclasses.replace(cells, y_hat=cells.y_hat + rng.standard_normal(cells.y.shape))
    scores = evaluate(*cells.frames(), step_size=announced)
    assert scores == cells.score(step_overlap)
    assert scores.dm_method == ("hln" if step_overlap == 1 else "fixed-smoothing")
    assert (scores.pt_pvalue is None) == (step_overlap > 1)


def test_an_announced_overlap_counts_even_where_the_windows_that_overlap_failed() -> None:
    cells = made(n_windows=20)
    assert evaluate(*cells.frames(), step_size=7) == cells.score(2)
