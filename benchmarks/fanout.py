"""Fits spread over Spark and the same in a pool of processes: seconds of each, on this machine's cores.

Every series is a random walk of its own. Both fit the same windows, in alternation, with their workers warm; afterwards
the forecasts must be the same to the bit. In one more run over Spark one of its Python workers is killed on the way:
every window must come back once, with the same forecast.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from common import Report, alternate, parser, say

if TYPE_CHECKING:
    from experiments.science.forecasting import WindowForecast, WindowsTask

LENGTH, HORIZON, TRAIN = 300, 14, 200

Found = dict[tuple[int, int], bytes]
"""The forecast, or its error, by task and window."""


def main() -> None:
    """Run both, kill, compare and keep."""
    options = parser(__doc__)
    options.add_argument("--series", type=int, default=1000)
    options.add_argument("--windows", type=int, default=5, help="of each series (%(default)s)")
    options.add_argument("--model", default="arima", help="a variant that needs no covariate (%(default)s)")
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    from experiments.services import fanout, pool
    from experiments.storage.engine import start

    report = Report(given)
    tasks = list(made_tasks(given.series, given.windows, given.model))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        engine = start("spark", Path(temporary), catalog="commodity", schema="experiments")
        in_pool = partial(pool.run, workers=pool.cores(), time_limit=300)
        over_spark = partial(fanout.run, engine=engine, time_limit=300)
        jobs = {
            f"pool of {pool.cores()} processes": lambda: timed(partial(in_pool, enumerate(tasks))),
            "spread over Spark": lambda: timed(partial(over_spark, enumerate(tasks))),
        }
        found = alternate(jobs, runs=given.runs)
        say("Spark, one Python worker killed on the way")
        killed: list[int] = []
        threading.Thread(target=kill_one, args=(killed, median(s for s, _ in found["spread over Spark"]) / 2)).start()
        found["and a worker killed"] = [timed(partial(over_spark, enumerate(tasks)))]
        engine.close()
    if not killed:
        sys.exit("no Python worker of Spark was found to be killed")
    first, *others = [forecasts for several in found.values() for _, forecasts in several]
    if any(other != first for other in others):
        sys.exit("the forecasts differ")
    seconds = {name: [spent for spent, _ in several] for name, several in found.items()}
    report.seconds(seconds)
    (_, one), (_, other), (_, dying) = seconds.items()
    report.ratio("Spark / pool", median(other) / median(one))
    report.ratio("Spark with a worker killed / Spark", median(dying) / median(other))
    report.note(f"{len(first):,} windows of {given.series:,} series: all there, none twice, the same to the bit")
    report.finish()


def made_tasks(n_series: int, n_windows: int, model: str) -> Iterator[WindowsTask]:
    """What a backtest of one model on these series would have fitted."""
    from experiments.science.forecasting import WindowsTask, part_for
    from experiments.science.models import BASELINE_MODELS
    from experiments.science.series import Series
    from experiments.services.walk import WINDOWS_A_TASK

    ds = np.datetime64("2020-01-01", "D") + np.arange(LENGTH)
    ends = [LENGTH - 1 - HORIZON * back for back in range(n_windows, 0, -1)]
    for number in range(n_series):
        y = 100 + np.random.default_rng(number).normal(size=LENGTH).cumsum()
        name = f"series_{number}"
        series = Series(commodity="Made", unique_id=name, ds=ds, y=y, covariates={}, frequency="day")
        for at in range(0, n_windows, WINDOWS_A_TASK):
            positions = tuple(ends[at : at + WINDOWS_A_TASK])
            part, before = part_for(series, positions, horizon=HORIZON, train_size=TRAIN)
            yield WindowsTask(
                variant=BASELINE_MODELS[model],
                series=part,
                positions=tuple(position - before for position in positions),
                horizon=HORIZON,
                train_size=TRAIN,
                seed=42,
            )


def timed(run: Callable[[], Iterator[tuple[int, int, WindowForecast]]]) -> tuple[float, Found]:
    """Seconds of a run and what it found; a window that comes twice ends the benchmark."""
    started, found = time.perf_counter(), {}
    for tag, number, forecast in run():
        if (tag, number) in found:
            sys.exit(f"window {number} of task {tag} came twice")
        found[tag, number] = str(forecast.error).encode() if forecast.y_hat is None else forecast.y_hat.tobytes()
    return time.perf_counter() - started, found


def kill_one(killed: list[int], after: float) -> None:
    """Kill a Python worker of our Spark: a child of its daemon, which is a child of the JVM, which is ours."""
    time.sleep(after)
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            if "pyspark.daemon" in (entry / "cmdline").read_text():
                parents[int(entry.name)] = int(status[1])
        except OSError:
            continue
    jvm = {int(child) for child in children(os.getpid())}
    workers = [process for process, parent in parents.items() if parents.get(parent) in jvm]
    if workers:
        os.kill(workers[0], signal.SIGKILL)
        killed.append(workers[0])


def children(process: int) -> list[str]:
    """Of whichever of its threads."""
    return [
        child for task in Path(f"/proc/{process}/task").iterdir() for child in (task / "children").read_text().split()
    ]


if __name__ == "__main__":
    main()
