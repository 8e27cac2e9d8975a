"""A process that tracks runs, for tracking_faults.py and tracking.py: until it is killed, or so many."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

POINTS = 500_000
"""Points merged at once to fill a ledger."""


def main() -> None:
    """Track as told."""
    what, path, *counts = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    if what == "recover":
        from experiments import connect

        connect(path).close()
    elif what == "log":
        log(path, random.Random(counts[0]))  # noqa: S311  no secret
    else:
        print(json.dumps({"many": many, "points": points, "fill": fill, "history": history}[what](path, *counts)))


def log(path: Path, rng: random.Random) -> None:
    """Log runs for ever, and say what was acknowledged."""
    from experiments import ExperimentTracker, connect

    tracker = ExperimentTracker(connect(path))
    while True:
        run = tracker.start_experiment("to be killed", "rl")
        say(run=run, what="start")
        tracker.log_hyperparameters_batch({"gamma": 0.9, "layers": [64, 32]})
        say(run=run, what="parameters")
        for number in range(rng.choice([10, 1_000, 30_000])):
            tracker.log_metric("return", float(number), episode=number)
            if number % 50 == 0:
                say(run=run, what="points", upto=number)
            if rng.random() < 0.0005:  # noqa: PLR2004
                tracker.flush()
        tracker.end_experiment()
        say(run=run, what="end")


def say(**acknowledged: object) -> None:
    """Say so in one piece."""
    os.write(1, (json.dumps(acknowledged) + "\n").encode())


def many(path: Path, count: int, before: int = 0) -> dict[str, Any]:
    """Log complete runs of 12 metrics and 10 hyperparameters, from the first call to the last commit.

    `before` are logged and committed first, so that no library is loaded while the time is taken.
    """
    from experiments import ExperimentTracker, connect

    with connect(path) as ledger:
        tracker, started = ExperimentTracker(ledger), time.perf_counter()
        for turn in range(-before, count):
            if turn == 0:
                tracker.flush()
                started = time.perf_counter()
            with tracker:
                tracker.start_experiment("one of many")
                tracker.log_hyperparameters_batch({f"parameter {number}": number for number in range(10)})
                for number in range(12):
                    tracker.log_metric(f"metric {number}", number / 7, step=0)
        called = time.perf_counter() - started
        tracker.flush()
        taken = time.perf_counter() - started
    return {"runs": count, "called": called, "seconds": taken, "per_second": count / taken}


def points(path: Path, count: int) -> dict[str, Any]:
    """Log points of one metric: seconds of the calls, seconds to the last commit, memory on the way."""
    from experiments import ExperimentTracker, connect

    memory = []
    with connect(path) as ledger, ExperimentTracker(ledger) as tracker:
        tracker.start_experiment("points")
        tracker.log_metric("loss", 0.0, step=0)
        tracker.flush()
        started = time.perf_counter()
        for step in range(1, count + 1):
            tracker.log_metric("loss", 1 / step, step=step)
            if step % max(count // 10, 1) == 0:
                memory.append(resident())
        called = time.perf_counter() - started
        tracker.flush()
        taken = time.perf_counter() - started
        memory.append(resident())
        there = int(ledger.sql("select count(*) as n from metrics")["n"].iloc[0])
        on_disk = sum(file.stat().st_size for file in (path / "journal").rglob("points-*"))
    if there != count + 1:
        sys.exit(f"{there} points of {count + 1} are there")
    return {"per_second": count / called, "called": called, "seconds": taken, "memory": memory, "journal": on_disk}


def resident() -> int:
    """Memory of this process and the engine in it, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def fill(path: Path, runs: int, per_run: int) -> dict[str, Any]:
    """Made runs with one metric each, merged as the tracker merges them."""
    import datetime as dt

    import numpy as np
    import pyarrow as pa

    from experiments import connect
    from experiments.identity import uuid7
    from experiments.services.tracking.rows import KEYS, PINS, RANGES, merge, month_of
    from experiments.storage.table import merge_arrow

    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ids = [uuid7(first + dt.timedelta(minutes=number)) for number in range(runs)]
    rows = [
        {"experiment_id": run, "name": "made", "experiment_type": "training", "status": "completed"}
        | {"started_at": first + dt.timedelta(minutes=number)}
        for number, run in enumerate(ids)
    ]
    rng, started = np.random.default_rng(1), time.perf_counter()
    with connect(path) as ledger:
        engine = ledger.engine
        merge(engine, "experiments", rows)
        at_once = max(POINTS // per_run, 1)
        for begin in range(0, runs, at_once):
            part = ids[begin : begin + at_once]
            n = len(part) * per_run
            step = np.tile(np.arange(per_run), len(part))
            nothing, names = pa.nulls(n, pa.int64()), pa.array(["loss"] * n)
            table = pa.table(
                {
                    "experiment_id": pa.array(np.repeat(part, per_run)),
                    "name": names,
                    "value": rng.random(n),
                    "step": step,
                    "episode": nothing,
                    "epoch": nothing,
                    "logged_at": pa.array(1_767_225_600_000_000 + step).cast(pa.timestamp("us", tz="UTC")),
                    "journal_id": pa.array([f"made-{begin}"] * n),
                    "position": np.arange(n),
                    "run_month": pa.array(np.repeat([month_of(run) for run in part], per_run)),
                }
            )
            merge_arrow(engine, "metrics", table, key=KEYS["metrics"], pins=PINS["metrics"], ranges=RANGES["metrics"])
    return {"ids": ids[:: max(runs // 100, 1)], "fill": time.perf_counter() - started}


def history(path: Path, per_run: int, repeats: int) -> dict[str, Any]:
    """The history of single runs of a filled ledger."""
    from experiments import MetricsLogger, connect

    ids = json.loads((path / "ids.json").read_text())
    with connect(path) as ledger:
        metrics, seconds = MetricsLogger(ledger), []
        for turn in range(1 + repeats):
            started = time.perf_counter()
            found = len(metrics.history(ids[turn * 37 % len(ids)], "loss"))
            seconds.append(time.perf_counter() - started)
            if found != per_run:
                sys.exit(f"a run has {found} points, not {per_run}")
    return {"first": seconds[0], "again": median(seconds[1:])}


if __name__ == "__main__":
    main()
