"""Logging complete runs of 12 metrics and 10 parameters, against MLflow on SQLite.

Each round is a process of its own and adds to what the rounds before it left; starting, connecting and the
first run are not counted on either side.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, alternate, answer, mlflow_version, parser

DURABLE = (
    "Durable, ours as context manager: nothing before the block ends; then everything, in one commit to `experiments` "
    "and one to `model_runs` (a kill between the two leaves rows of `experiments` alone, which no view shows).",
    "Durable, ours one by one: each run when `write_experiment` returns, against a kill of the process.",
    "Neither of ours survives a power cut for sure: the engine calls no fsync (none seen with strace). MLflow's SQLite "
    "syncs at every transaction, some 16 times a whole run, so its runs survive one, and part of its time is that.",
)


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__, mlflow=True)
    options.add_argument("--rounds", type=int, default=3, help="rounds of each way (%(default)s)")
    options.add_argument("--runs", type=int, default=2000, help="logged together in a round (%(default)s)")
    options.add_argument("--one-by-one", type=int, default=200, help="logged one by one in a round (%(default)s)")
    options.add_argument(
        "--mlflow-seconds", type=float, default=60, help="for each of its ways, over all rounds (%(default)s)"
    )
    given = options.parse_args()
    report = Report(given, mlflow=mlflow_version(given.mlflow_python))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        found = alternate(_jobs(given, Path(temporary)), runs=given.rounds, warm_up=False)
    rates = {name: [one["runs"] / one["seconds"] for one in rounds] for name, rounds in found.items()}
    report.table(
        ("runs a second", "median", "range", "runs in all"),
        [
            [
                name,
                f"{median(some):,.1f}",
                f"{min(some):,.1f} to {max(some):,.1f}",
                f"{sum(r['runs'] for r in found[name]):,}",
            ]
            for name, some in rates.items()
        ],
    )
    batch, single, fluent, log_batch = (median(some) for some in rates.values())
    report.ratio(f"ours, {given.runs:,} together ÷ MLflow's whole runs", batch / fluent, least=50)
    report.ratio(f"ours, {given.runs:,} together ÷ MLflow's log_batch", batch / log_batch)
    report.ratio("ours, one by one ÷ MLflow's whole runs", single / fluent)
    for words in DURABLE:
        report.note(words)
    report.finish()


def _jobs(given: Any, folder: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """One way of logging each: ours and MLflow's next to each other, each into a store of its own."""
    seeds = iter(range(1_000_000))

    def ours(ledger: str, runs: int, *flags: str) -> Callable[[], dict[str, Any]]:
        command = [sys.executable, HERE / "experiments_side.py", "log", "--ledger", folder / ledger, *flags]
        return lambda: answer([*command, "--runs", str(runs), "--seed", str(next(seeds))])

    def mlflow(store: str, *flags: str) -> Callable[[], dict[str, Any]]:
        (folder / store).mkdir()
        command = [given.mlflow_python, HERE / "mlflow_side.py", "log", "--store", "sqlite:///runs.db", *flags]
        seconds = str(given.mlflow_seconds / given.rounds)
        return lambda: answer([*command, "--seconds", seconds, "--seed", str(next(seeds))], cwd=folder / store)

    return {
        f"ours, {given.runs:,} together (DatabricksWriter as context manager)": ours("together", given.runs),
        "ours, one by one (DatabricksWriter)": ours("one-by-one", given.one_by_one, "--one-by-one"),
        "MLflow, whole runs (start_run, log_params, log_metrics)": mlflow("whole"),
        "MLflow, its fastest way (client: create_run, log_batch, set_terminated)": mlflow("log-batch", "--log-batch"),
    }


if __name__ == "__main__":
    main()
