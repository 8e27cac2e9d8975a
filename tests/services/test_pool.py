"""Worker processes: every window comes back once, whatever happens to who fits it."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import misbehaving
from experiments.errors import InvalidInputError
from experiments.science.forecasting import WindowForecast, WindowsTask, forecast_windows
from experiments.science.series import Series
from experiments.science.window import FitFunction, ModelVariant
from experiments.services import pool

POSITIONS = tuple(range(40, 46))


def task(function: FitFunction, *, windows: int = len(POSITIONS), **params: Any) -> WindowsTask:
    y = np.random.default_rng(1).normal(size=60).cumsum()
    ds = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    series = Series(commodity="Test", unique_id="Test", ds=ds, y=y, covariates={}, frequency="day")
    variant = ModelVariant(name=function.__name__, type="Test", function=function, params=params)
    return WindowsTask(variant=variant, series=series, positions=POSITIONS[:windows], horizon=3, train_size=30, seed=7)


def run(*tasks: WindowsTask, workers: int = 2, time_limit: float = 60) -> dict[tuple[int, int], WindowForecast]:
    found = list(pool.run(enumerate(tasks), workers=workers, time_limit=time_limit))
    assert Counter((tag, number) for tag, number, _ in found) == {
        (tag, number): 1 for tag, one in enumerate(tasks) for number in range(len(one.positions))
    }
    return {(tag, number): forecast for tag, number, forecast in found}


def test_the_numbers_do_not_depend_on_the_number_of_workers() -> None:
    tasks = [task(misbehaving.fit_drawn, step=step) for step in (0.5, 1.0, 2.0)]
    here = {(tag, number): f for tag, one in enumerate(tasks) for number, f in enumerate(forecast_windows(one))}
    for workers in (0, 1, 3):
        there = run(*tasks, workers=workers)
        for at, forecast in here.items():
            assert forecast.y_hat is not None
            assert there[at].y_hat.tobytes() == forecast.y_hat.tobytes()  # type: ignore[union-attr]


def test_a_window_whose_worker_dies_is_tried_once_more(tmp_path: Path) -> None:
    found = run(task(misbehaving.fit_deadly_once, windows=2, marks=str(tmp_path)), task(misbehaving.fit_drawn))
    assert {forecast.error for forecast in found.values()} == {None}
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("function", "how"), [(misbehaving.fit_deadly, "exit code 9"), (misbehaving.fit_killed, "signal SIGKILL")]
)
def test_then_it_has_failed_and_the_others_go_on(function: FitFunction, how: str) -> None:
    found = run(task(misbehaving.fit_drawn), task(function, windows=1))
    assert [found[0, number].error for number in range(len(POSITIONS))] == [None] * len(POSITIONS)
    assert found[1, 0].error == f"WorkerDied: the process of this fit ended twice, the last time by {how}"


def test_a_fit_that_never_returns_is_cut_off_and_the_others_go_on() -> None:
    found = run(task(misbehaving.fit_endless_in_the_middle), task(misbehaving.fit_drawn), time_limit=2)
    late = found[0, 2]
    assert (late.error, late.fit_seconds) == ("TimeoutError: no forecast within 2 s", 2)
    assert [at for at, forecast in found.items() if forecast.error] == [(0, 2)]


def test_what_a_worker_cannot_read_has_failed() -> None:
    found = run(task(misbehaving.fit_drawn, poison=misbehaving.Unreadable()), task(misbehaving.fit_drawn))
    assert {found[0, number].error for number in range(len(POSITIONS))} == {"ValueError: not here"}
    assert found[1, 0].error is None


def test_a_worker_that_is_done_serves_the_next_run_unless_code_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.end_idle()
    run(task(misbehaving.fit_drawn), workers=1)
    first = _children()
    run(task(misbehaving.fit_drawn), workers=1)
    assert _children() == first
    monkeypatch.setattr(pool, "_edited", lambda file: -1.0)
    run(task(misbehaving.fit_drawn), workers=1)
    assert len(_children()) == 1
    assert not _children() & first


def test_tasks_are_taken_as_they_are_needed_and_workers_are_ended_with_the_run_that_is() -> None:
    pool.end_idle()
    taken = 0

    def tasks() -> Iterator[tuple[int, WindowsTask]]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number, task(misbehaving.fit_drawn)

    results = pool.run(tasks(), workers=2, time_limit=60)
    next(results)
    assert taken < 10
    children = _children()
    assert len(children) == 2
    results.close()
    assert not _children() & children


def test_workers_leave_ctrl_c_to_us() -> None:
    pool.end_idle()
    results = pool.run([(0, task(misbehaving.fit_slow))], workers=1, time_limit=60)
    next(results)
    for child in _children():
        os.kill(child, signal.SIGINT)
    assert [forecast.error for _, _, forecast in results] == [None] * (len(POSITIONS) - 1)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), "10", True, None])
def test_a_time_limit_is_a_number_above_0(limit: object) -> None:
    with pytest.raises(InvalidInputError, match=r"time_limit is .*: give the seconds a fit may take, more than 0\."):
        pool.check_time_limit(limit)


def _children() -> set[int]:
    """Processes of this one that serve."""
    time.sleep(0.1)
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text()
        except (OSError, ValueError):
            continue
        if status[1] == str(os.getpid()) and "services.pool" in command:
            found.add(int(entry.name))
    return found
