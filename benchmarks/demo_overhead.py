"""The demo's backtest against the sum of its fits ÷ cores, and where the rest goes.

The ratio comes from fresh runs of the command and the tables they leave. The parts come from one more run, traced
by demo_traced.py: each fit notes when it began and ended, so that what lies before, between and after can be told.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, answer, experiments, parser, say

SECONDS = """
    select r.model_name, count(*) as n, sum(fit_seconds) + sum(predict_seconds) as seconds,
      percentile(fit_seconds + predict_seconds, 0.5) as median, max(fit_seconds + predict_seconds) as slowest
    from run_windows as w
    inner join model_runs as r on w.experiment_id = r.experiment_id
    group by r.model_name
    order by seconds desc
"""


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=3, help="fresh runs, besides the traced one (%(default)s)")
    given = options.parse_args()
    report = Report(given)
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        runs = []
        for turn in range(given.runs):
            say(f"run {turn + 1} of {given.runs}")
            runs.append(_run(folder / f"ledger_{turn}"))
        say("the traced run")
        parts = _traced(folder, cores)
    report.seconds(
        {
            "whole command `experiments demo`": [run["command"] for run in runs],
            "its backtest": [run["backtest"] for run in runs],
            "sum of fit and predict seconds": [run["fits"] for run in runs],
            f"sum ÷ {cores} cores": [run["fits"] / cores for run in runs],
        }
    )
    report.table(
        ("variant", "windows", "seconds", "median of one", "slowest"),
        [
            [
                f"`{one['model_name']}`",
                f"{one['n']}",
                *(f"{one[name]:.3f}" for name in ("seconds", "median", "slowest")),
            ]
            for one in runs[-1]["variants"]
        ],
    )
    report.ratio("backtest ÷ (fits ÷ cores)", median(run["backtest"] / (run["fits"] / cores) for run in runs))
    report.ratio("whole command ÷ (fits ÷ cores)", median(run["command"] / (run["fits"] / cores) for run in runs))
    report.table(("where one traced run's seconds go", "seconds"), [[name, f"{some:.2f}"] for name, some in parts])
    report.finish()


def _run(ledger: Path) -> dict[str, Any]:
    """One fresh run, and what its tables say of it."""
    started = time.perf_counter()
    said = answer([*experiments(), "demo", "--path", ledger, "--json"])
    command = time.perf_counter() - started
    variants = answer([*experiments(), "sql", SECONDS, "--path", ledger, "--json"])
    fits = sum(one["seconds"] for one in variants)
    return {"command": command, "backtest": said["seconds"], "fits": fits, "variants": variants}


def _traced(folder: Path, cores: int) -> list[tuple[str, float]]:
    """The parts of a run, in order of time."""
    trace = folder / "trace.jsonl"
    started = time.monotonic()
    main = answer([sys.executable, HERE / "demo_traced.py", folder / "traced", trace])
    ended = time.monotonic()
    tasks = [json.loads(line) for line in trace.read_text().splitlines()]
    begun, done = min(task["began"] for task in tasks), max(task["ended"] for task in tasks)
    workers = defaultdict(list)
    for task in sorted(tasks, key=lambda task: task["began"]):
        workers[task["worker"]].append(task)
    busy = sum(task["ended"] - task["began"] for task in tasks)
    late = sum(one[0]["began"] - begun for one in workers.values()) + (cores - len(workers)) * (done - begun)
    tail = sum(done - one[-1]["ended"] for one in workers.values())
    between = cores * (done - begun) - busy - late - tail
    return [
        ("start of Python, imports, engine, tables", main["ready"] - started),
        ("backtest: its data, fingerprints of the models, what is recorded already", main["fitting"] - main["ready"]),
        ("backtest: start of the workers, until the first fit begins", begun - main["fitting"]),
        (f"backtest: **fits ÷ {cores} cores** ({len(tasks)} fits)", busy / cores),
        ("backtest: a worker not yet started, ÷ cores", late / cores),
        ("backtest: workers waiting between two fits, ÷ cores", between / cores),
        ("backtest: workers idle while the last fits end, ÷ cores", tail / cores),
        ("backtest: last writes and the leaderboard", main["finished"] - done),
        ("the words, closing, end of the process", ended - main["finished"]),
        ("together", ended - started),
        ("*within the fits:* imports of the models' libraries, in all workers", _imports(tasks)),
        ("*within the fits:* processor time of the fits' own threads", sum(task["cpu"] for task in tasks)),
        ("*beside the fits:* the main process in the hook, writes included", main["hook"]),
        ("*beside the fits:* the main process in writes", main["writes"]),
        ("*beside the fits:* processor time of the main process with its engine", main["cpu"]),
    ]


def _imports(tasks: Sequence[dict[str, Any]]) -> float:
    """Seconds beyond its variant's median of every fit during which modules were imported."""
    seconds = defaultdict(list)
    for task in tasks:
        seconds[task["variant"]].append(task["ended"] - task["began"])
    return sum(
        max(0.0, task["ended"] - task["began"] - median(seconds[task["variant"]])) for task in tasks if task["modules"]
    )


if __name__ == "__main__":
    main()
