"""Fits spread over the machines of a Spark: each of its Python workers has a pool of one process.

So the time limit, the second try and the row of a failed window are the pool's own, wherever a window is fitted.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING

import cloudpickle

from experiments.errors import InvalidInputError
from experiments.services import pool
from experiments.storage.spread import interrupt, slots, spread

if TYPE_CHECKING:
    from experiments.science.forecasting import WindowForecast, WindowsTask
    from experiments.services.pool import Tag
    from experiments.storage.engine import Engine

SPREAD = "spark"
"""What `workers` is to spread the fits."""

_JOBS = 8
"""Jobs of Spark at once: one that waits for a long fit does not hold up the others."""

_JOB_SECONDS = 3
"""What a job's fits should take: results come when it ends, so it is what an interruption may cost."""

_JOB_BYTES = 16_000_000
"""What a job may carry."""


def check_spread(workers: str, engine: Engine | None = None) -> None:
    """Refuse a word for `workers` that is unknown, or an engine that cannot spread fits.

    Raises
    ------
    InvalidInputError
        If it is another word than "spark", or the engine is sail.
    """
    if workers != SPREAD:
        msg = f"workers is {workers!r}: give a whole number of at least 0, or {SPREAD!r}."
        raise InvalidInputError(msg)
    if engine is not None and engine.name == "sail":  # it runs Python in one process, and answers nothing meanwhile
        msg = f"workers is {SPREAD!r} and the ledger's engine is sail: give a number of processes, or another engine."
        raise InvalidInputError(msg)


def has_machines(engine: Engine) -> bool:
    """Whether the engine is a cluster with machines beside the one this process runs on."""
    told = (engine.cluster or {}).get("clusterWorkers", "")
    return told.isdecimal() and int(told) > 0


def run(
    tasks: Iterable[tuple[Tag, WindowsTask]], *, engine: Engine, time_limit: float
) -> Generator[tuple[Tag, int, WindowForecast]]:
    """Forecast the windows of tasks in the Python workers of Spark; results come as jobs of a few seconds end.

    Parameters
    ----------
    tasks : iterable of (object, WindowsTask)
        As in `pool.run`; taken a few seconds' worth at a time.
    engine : Engine
        Whose Spark is used; its machines need this package and the models' libraries.
    time_limit : float
        As in `pool.run`.

    Yields
    ------
    tuple of object, int, WindowForecast
        As in `pool.run`. Of a Python worker of Spark that dies, all that its job had not handed over is made again.

    Raises
    ------
    EngineError
        If Spark gives up, after a Python worker died four times for instance.
    """
    at_once = 2 * slots(engine)  # so that none waits while this process writes
    jobs, parts = min(at_once, _JOBS), -(-at_once // _JOBS)
    name = f"experiments-{uuid.uuid4()}"
    work = partial(_forecast, name=name, time_limit=time_limit)
    new, size = iter(tasks), parts
    threads = ThreadPoolExecutor(jobs)
    running: dict[Future[list[bytes]], list[Tag]] = {}
    try:
        while True:
            while len(running) < jobs and (taken := _take(new, size)):
                packed = [content for _, content in taken]
                running[threads.submit(spread, engine, work, packed, parts=parts, tag=name)] = [tag for tag, _ in taken]
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                tags, found = running.pop(done), [cloudpickle.loads(content) for content in done.result()]
                fitting = sum(forecast.fit_seconds + forecast.predict_seconds for _, _, forecast in found)
                fitting = max(fitting, _JOB_SECONDS / 1000)
                size = max(parts, min(4 * len(tags), int(parts * _JOB_SECONDS / fitting * len(tags))))
                yield from ((tags[number], window, forecast) for number, window, forecast in found)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        if running:
            interrupt(engine, name)


def _take(new: Iterator[tuple[Tag, WindowsTask]], size: int) -> list[tuple[Tag, bytes]]:
    """The next tasks, as they travel with their number among them; none when there are no more."""
    taken: list[tuple[Tag, bytes]] = []
    weight = 0
    while len(taken) < size and weight < _JOB_BYTES and (given := next(new, None)) is not None:
        taken.append((given[0], cloudpickle.dumps((len(taken), pool.pack(given[1])))))
        weight += len(taken[-1][1])
    return taken


_served: set[str] = set()
"""In a Python worker of Spark, the runs that its pool fitted for."""


def _forecast(contents: Iterable[bytes], *, name: str, time_limit: float) -> Iterator[bytes]:
    """In a Python worker of Spark: forecast tasks in its pool, which stays for the next of the same run."""
    if name not in _served:  # what a model imports may have been edited since the run before
        pool.end_idle()
        _served.add(name)
    tasks = (cloudpickle.loads(content) for content in contents)
    for number, window, forecast in pool.run_packed(tasks, workers=1, time_limit=time_limit):
        yield cloudpickle.dumps((number, window, forecast))
