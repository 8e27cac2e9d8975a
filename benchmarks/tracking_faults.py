"""Run tracking under faults: processes killed while they log, commit and recover, and many that log at once.

A process says what was acknowledged; it is killed at a random instant, and every third kill hits the process that
recovers what the last one left. In the end every acknowledged record must be in the tables once, and no run be left
running.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from common import HERE, Report, environment, parser, say

SIDE = HERE / "tracking_side.py"
LONGEST = 2.5
"""Seconds after its first acknowledged record within which a process is killed."""

RECOVERY = 2.2
"""Seconds after its start within which a process that recovers is killed: it imports for most of them."""


def main() -> None:
    """Kill, then log from many processes, and keep what came out."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--runs", type=int, default=100, help="of each process (%(default)s)")
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        if given.kills:
            report.note(kills(Path(temporary) / "killed", given.kills))
        if given.processes:
            report.note(at_once(Path(temporary) / "together", given.processes, given.runs))
    report.finish()


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the other side."""
    return subprocess.Popen(
        [sys.executable, SIDE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def kills(path: Path, count: int) -> str:
    """Kill one process after another, then see what is there."""
    rng = random.Random(1)  # noqa: S311  no secret
    acknowledged: list[dict[str, object]] = []
    kinds: Counter[str] = Counter()
    for number in range(count):
        recovering = number % 3 == 2  # noqa: PLR2004  every third
        beside = start("recover", path) if recovering and rng.random() < 0.5 else None  # noqa: PLR2004  two at once
        process = start("recover" if recovering else "log", path, number)
        delay = rng.uniform(1.2, RECOVERY) if recovering else rng.uniform(0, LONGEST)
        if not recovering and process.stdout is not None:
            acknowledged += [json.loads(process.stdout.readline() or "{}")]
        threading.Timer(delay, process.send_signal, [signal.SIGKILL]).start()
        out, told = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            sys.exit(f"process {number} ended with {process.returncode}: {told}")
        if beside is not None and (beside.communicate()[0] or beside.returncode):
            sys.exit(f"the process that recovered beside {number} ended with {beside.returncode}")
        kinds["recovering beside one that is not killed"] += beside is not None
        kinds["recovering" if recovering else "logging"] += process.returncode == -signal.SIGKILL
        acknowledged += [json.loads(line) for line in out.splitlines() if line.endswith("}")]
        if number % 20 == 19:  # noqa: PLR2004
            say(f"{number + 1} of {count} killed")
    n_points, n_runs = check(path, [record for record in acknowledged if record])
    listed = ", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items()))
    return (
        f"{count} processes to be killed ({listed}): {len(acknowledged):,} acknowledgements of {n_points:,} points and "
        f"{n_runs:,} runs, each there once, no run left running"
    )


def check(path: Path, acknowledged: list[dict[str, object]]) -> tuple[int, int]:
    """See that everything acknowledged is there once; what is wrong ends the benchmark."""
    from experiments import connect

    with connect(path) as ledger:
        status = ledger.sql("select experiment_id, status from experiments").set_index("experiment_id")["status"]
        if not status.index.is_unique:
            sys.exit("a run is there twice")
        if (status == "running").any():
            sys.exit(f"left running: {list(status.index[status == 'running'])}")
        points = ledger.sql("select experiment_id, value from metrics")
        if points.duplicated().any():
            sys.exit(f"{points.duplicated().sum()} points are there twice")
        counted = points.groupby("experiment_id")["value"].agg(["size", "max"])
        if (bad := counted[counted["size"] != counted["max"] + 1]).size:
            sys.exit(f"points in the middle are missing:\n{bad}")
        parameters = set(ledger.sql("select experiment_id from hyperparameters")["experiment_id"])
    for record in acknowledged:
        run, what = str(record["run"]), record["what"]
        there = {
            "start": run in status.index,
            "parameters": run in parameters,
            "points": run in counted.index and counted.loc[run, "max"] >= record.get("upto", 0),
            "end": status.get(run) == "completed",
        }
        if not there[str(what)]:
            sys.exit(f"acknowledged and not there: {record}")
    return len(points), len(status)


def at_once(path: Path, processes: int, runs: int) -> str:
    """Many processes log complete runs at once; all must be there."""
    from experiments import connect

    connect(path).close()
    began = time.perf_counter()
    running = [start("many", path, runs) for _ in range(processes)]
    for process in running:
        _, told = process.communicate()
        if process.returncode:
            sys.exit(f"a process ended with {process.returncode}: {told}")
    seconds = time.perf_counter() - began
    with connect(path) as ledger:
        found = ledger.sql(
            "select count(*) as runs, count(distinct experiment_id) as distinct_runs, "
            "sum(cast(status = 'completed' as int)) as completed from experiments"
        ).iloc[0]
        points = ledger.sql("select count(*) as n from metrics")["n"].iloc[0]
        parameters = ledger.sql("select count(*) as n from hyperparameters")["n"].iloc[0]
    expected = processes * runs
    if [*found, points, parameters] != [expected] * 3 + [12 * expected, 10 * expected]:
        sys.exit(f"of {expected} runs: {dict(found)}, {points} points, {parameters} hyperparameters")
    return f"{processes} processes x {runs} complete runs at once: all there, in {seconds:.0f} s"


if __name__ == "__main__":
    main()
