"""MLflow's side of tracking, in a process of its own, on SQLite: prints one line of JSON.

Needs only mlflow, so that it may run in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from mlflow_side import log

STARTED = 1_700_000_000_000
"""The start of made runs, milliseconds since 1970."""

FILL_RUNS = """
    with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :runs)
    insert into runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage,
                      artifact_uri, experiment_id, source_name, entry_point_name, source_version)
    select printf('%032x', i + 1), 'made', 'LOCAL', 'made', 'FINISHED', :started, :started + 1000000, 'active',
           '', 0, '', '', '' from n
"""
FILL_METRICS = """
    with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :points)
    insert into metrics (key, value, timestamp, run_uuid, step, is_nan)
    select 'loss', abs(random()) / 9.3e18, :started + 10 * n.i, r.run_uuid, n.i, 0
    from n cross join runs r where r.name = 'made'
"""
FILL_LATEST = """
    insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan)
    select key, value, timestamp, run_uuid, step, is_nan from metrics where step = :points - 1
"""


def sync(seconds: float) -> dict[str, Any]:
    """`log_metric` calls of one thread, each answered when it is in the store, until the time is up."""
    import mlflow

    with mlflow.start_run():
        mlflow.log_metric("loss", 0.0, step=0)
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            count += 1
            mlflow.log_metric("loss", 1 / count, step=count)
        taken = time.perf_counter() - started
    return {"calls": count, "seconds": taken, "per_second": count / taken}


def asynchronous(store: str, calls: int, wait: float) -> dict[str, Any]:
    """`log_metric(synchronous=False)` in a process that is killed after so many calls, and what is in the store then.

    The process goes on for `wait` seconds after its last call before SIGKILL meets it.
    """
    command = [sys.executable, __file__, "killed", "--store", store, "--calls", str(calls), "--wait", str(wait)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode != -signal.SIGKILL:
        sys.exit(f"the process ended with {child.returncode} before it was killed")
    told = json.loads(child.stdout.splitlines()[-1])
    with closing(sqlite3.connect(file_of(store))) as connection:
        kept = connection.execute("select count(*) from metrics where run_uuid = ?", (told["run"],)).fetchone()[0]
    return {"calls": calls, "seconds": told["seconds"], "per_second": calls / told["seconds"], "survived": kept}


def killed(calls: int, wait: float) -> None:
    """Log without waiting for answers, say how long the calls took, and die."""
    import mlflow

    run = mlflow.start_run()
    started = time.perf_counter()
    for step in range(calls):
        mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
    told = {"run": run.info.run_id, "seconds": time.perf_counter() - started}
    print(json.dumps(told), flush=True)
    time.sleep(wait)
    os.kill(os.getpid(), signal.SIGKILL)


def history(store: str, runs: int, points: int, repeats: int) -> dict[str, Any]:
    """`get_metric_history` of single runs in a store of so many runs with so many points each."""
    from mlflow import MlflowClient

    filled = fill(store, runs, points)
    client = MlflowClient()
    seconds, found = [], 0
    for turn in range(1 + repeats):
        run_id = f"{1 + turn * 7919 % runs:032x}"
        started = time.perf_counter()
        found = len(client.get_metric_history(run_id, "loss"))
        seconds.append(time.perf_counter() - started)
        if found != points:
            sys.exit(f"the run {run_id} has {found} points, not {points}")
    return {"runs": runs, "points": found, "fill": filled, "first": seconds[0], "again": median(seconds[1:])}


def fill(store: str, runs: int, points: int) -> float:
    """Made runs with one metric each, written by SQL since logging them would take days; returns the seconds."""
    started = time.perf_counter()
    with closing(sqlite3.connect(file_of(store))) as connection, connection:
        if connection.execute("select count(*) from runs where name = 'made'").fetchone()[0] == runs:
            return 0.0
        connection.execute("pragma cache_size = -1000000")
        connection.execute(FILL_RUNS, {"runs": runs, "started": STARTED})
        connection.execute(FILL_METRICS, {"points": points, "started": STARTED})
        connection.execute(FILL_LATEST, {"points": points})
    return time.perf_counter() - started


def file_of(store: str) -> Path:
    """The file of a SQLite store."""
    return Path(store.removeprefix("sqlite:///"))


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sync", "async", "killed", "runs", "history"))
    parser.add_argument("--store", required=True, help="as sqlite:///runs.db")
    parser.add_argument("--seconds", type=float, default=20, help="of sync and runs (%(default)s)")
    parser.add_argument("--calls", type=int, default=2000, help="of async (%(default)s)")
    parser.add_argument("--wait", type=float, default=0, help="seconds between the last call and SIGKILL (%(default)s)")
    parser.add_argument("--runs", type=int, default=10_000, help="in the store of history (%(default)s)")
    parser.add_argument("--points", type=int, default=1000, help="of each of them (%(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="of history (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import mlflow

    mlflow.set_tracking_uri(given.store)
    mlflow.set_experiment(experiment_id="0")  # the default one; makes the tables where there are none
    if given.what == "killed":
        killed(given.calls, given.wait)
    answers = {
        "sync": lambda: sync(given.seconds),
        "async": lambda: asynchronous(given.store, given.calls, given.wait),
        "runs": lambda: log(given.seconds, seed=given.seed, batch=True),
        "history": lambda: history(given.store, given.runs, given.points, given.repeats),
    }
    print(json.dumps(answers[given.what]()))


if __name__ == "__main__":
    main()
