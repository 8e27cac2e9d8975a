"""Fits spread over Spark: the same forecasts to the bit as in a pool, every window once whatever dies."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import misbehaving
from contract.content import prices
from experiments.errors import EngineError
from experiments.science.example_data import load_wti
from experiments.science.forecasting import WindowsTask
from experiments.science.models import registration, registry
from experiments.science.series import Series, prepare
from experiments.science.window import FitFunction, ModelVariant
from experiments.services import backtest as backtesting
from experiments.services import fanout, pool
from experiments.services import walk as walking
from experiments.services.backtest import BacktestResult, backtest
from experiments.storage.engine import Engine
from experiments.storage.spread import spread
from made import counts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.spark

OWN_MODEL = """
import functools
import numpy as np

@functools.cache
def drift(n):
    return np.linspace(0, 1, n)

def fit(window, step):
    return lambda: window.y[-1] + step * drift(window.horizon)

MODELS = {"own": {"type": "Own", "function": fit, "params": {"step": 0.5}}}
"""


@pytest.fixture
def engine(spark: SparkSession) -> Engine:
    return Engine(name="spark", session=spark, location=None, close=lambda: None)


POSITIONS = (150, 165, 180)


def task(series: Series, variant: ModelVariant | FitFunction, *, windows: int = 3, **params: Any) -> WindowsTask:
    if not isinstance(variant, ModelVariant):
        variant = ModelVariant(name=variant.__name__, type="Test", function=variant, params=params)
    return WindowsTask(variant=variant, series=series, positions=POSITIONS[:windows], horizon=5, train_size=100, seed=7)


def test_every_window_is_forecast_once_and_as_in_a_pool_whatever_dies(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_MODEL)
    registration.load_model_file(tmp_path / "own.py")
    (series,) = prepare(load_wti().tail(200), commodity="WTI")
    variants = registry.all_variants()
    for kind in ("process", "spark"):
        (tmp_path / kind).mkdir()
    tasks = [
        task(series, misbehaving.fit_orphaned_once, windows=1, marks=str(tmp_path / "spark")),
        *(task(series, variants[name]) for name in ("xgboost_v1", "arima", "naive", "own")),
        task(series, misbehaving.fit_moody),
        task(series, misbehaving.fit_deadly, windows=1),
        task(series, misbehaving.fit_deadly_once, windows=1, marks=str(tmp_path / "process")),
        task(series, misbehaving.fit_drawn, windows=2, poison=misbehaving.Unreadable()),
    ]
    there = list(fanout.run(enumerate(tasks), engine=engine, time_limit=60))
    wanted = {(at, number): 1 for at, one in enumerate(tasks) for number in range(len(one.positions))}
    assert Counter((at, number) for at, number, _ in there) == wanted
    assert [len(list((tmp_path / kind).iterdir())) for kind in ("process", "spark")] == [1, 1]
    here = {(at, number): one for at, number, one in pool.run(enumerate(tasks), workers=2, time_limit=60)}
    harmless = list(pool.run(enumerate(tasks[1:6], start=1), workers=0, time_limit=60))
    for at, number, one in [*there, *harmless]:
        assert (one.error, one.warning) == (here[at, number].error, here[at, number].warning)
        assert bits(one.y_hat) == bits(here[at, number].y_hat)
        assert {level: bits(q) for level, q in one.quantiles.items()} == {
            level: bits(q) for level, q in here[at, number].quantiles.items()
        }
    failed = Counter(at for at, _, one in there if one.error)
    assert failed == {5: failed[5], 6: 1, 8: 2}
    assert 0 < failed[5] < 3


def bits(values: np.ndarray[Any, Any] | None) -> bytes | None:
    return None if values is None else values.tobytes()


def test_a_fit_that_never_returns_is_cut_off_there(engine: Engine) -> None:
    series = Series(
        commodity="Test",
        unique_id="Test",
        ds=np.arange("2023-09-15", "2024-03-20", dtype="datetime64[D]"),
        y=np.arange(187.0),
        covariates={},
        frequency="day",
    )
    late = task(series, misbehaving.fit_endless_in_the_middle, windows=2)
    assert str(series.ds[POSITIONS[0]]) == "2024-02-12"
    found = {n: one.error for _, n, one in fanout.run([("late", late)], engine=engine, time_limit=4)}
    assert found == {0: "TimeoutError: no forecast within 4 s", 1: None}


def test_what_is_given_up_ends_there_too(engine: Engine) -> None:
    (series,) = prepare(load_wti().tail(200), commodity="WTI")
    results = fanout.run([(n, task(series, misbehaving.fit_slow)) for n in range(20)], engine=engine, time_limit=60)
    next(results)
    results.close()
    started = time.monotonic()
    assert spread(engine, iter, [b"one", b"two"], parts=1, tag="next") == [b"one", b"two"]
    assert time.monotonic() - started < 20 * 3 * 0.25


def test_when_spark_gives_up_it_is_said_in_a_line(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"^Spark gave up on what was spread over it: [^\n]*$"):
        spread(engine, misbehaving.fit_never, [b"one"], parts=2, tag="never")  # type: ignore[arg-type]


def test_an_interrupted_backtest_goes_on(engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    # recorded by the embedded engine, which is quicker; a backtest on Spark alone fills the twins
    monkeypatch.setattr(backtesting, "_who_fits", lambda *_: partial(fanout.run, engine=engine, time_limit=60))
    monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(slow=misbehaving.fit_slow))
    taken, take = 0, walking._Walk.take

    def take_or_interrupt(*arguments: Any) -> None:
        nonlocal taken
        taken += 1
        take(*arguments)
        if taken == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(walking._Walk, "take", take_or_interrupt)
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(ledger)
    # what Spark had under way, two jobs of two windows
    assert stopped.value.__notes__ == ["4 windows of 12 done and kept; run it again to go on"]
    assert run(ledger).n_fits == 8
    assert counts(ledger) | {"model_runs": 2, "run_windows": 12, "forecasts": 60} == counts(ledger)


def run(ledger: Ledger) -> BacktestResult:
    return backtest(
        prices(), commodity="Cocoa", models=["naive", "slow"], horizon=5, n_windows=6, ledger=ledger, progress=False
    )
