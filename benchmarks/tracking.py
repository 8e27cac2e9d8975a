"""Run tracking beside MLflow on SQLite: points, whole runs and histories, and the memory it takes.

Ours survives SIGKILL when a call returns, as MLflow's synchronous calls do; of its asynchronous calls it is counted how
many survive. MLflow's store of many runs is filled by SQL, ours by the tracker's own merge.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, alternate, answer, mlflow_version, parser, say

OURS, THEIRS = HERE / "tracking_side.py", HERE / "mlflow_tracking_side.py"


def main() -> None:
    """Measure both, one after the other, and keep what came out."""
    options = parser(__doc__, mlflow=True)
    options.add_argument("--points", type=int, default=1_000_000)
    options.add_argument("--many-points", type=int, default=10_000_000, help="logged while memory is watched")
    options.add_argument("--runs", type=int, default=2_000)
    options.add_argument("--stored-runs", type=int, default=10_000, help="in the store whose history is read")
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    report = Report(given, mlflow=mlflow_version(given.mlflow_python))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        found = calls(folder, given)
        told(report, found, given)
        histories(report, folder, given)
        memory(report, folder, given)
    report.finish()


def ours(*arguments: object) -> Any:
    """What our side answers."""
    return answer([sys.executable, OURS, *map(str, arguments)])


def theirs(given: Any, *arguments: object) -> Any:
    """What MLflow's side answers."""
    return answer([given.mlflow_python, THEIRS, *map(str, arguments)])


def calls(folder: Path, given: Any) -> dict[str, list[Any]]:
    """Points and whole runs of both, in alternation, each in a new store."""
    number = iter(range(10_000))

    def store() -> str:
        return f"sqlite:///{folder / f'{next(number)}.db'}"

    def ledger() -> Path:
        return folder / f"ledger {next(number)}"

    return alternate(
        {
            "points": lambda: ours("points", ledger(), given.points),
            "runs": lambda: ours("many", ledger(), given.runs, 10),
            "MLflow sync": lambda: theirs(given, "sync", "--store", store(), "--seconds", 10),
            "MLflow async": lambda: theirs(given, "async", "--store", store(), "--calls", 1000),
            "MLflow runs": lambda: theirs(given, "runs", "--store", store(), "--seconds", 10),
        },
        runs=given.repeats,
        warm_up=False,
    )


def told(report: Report, found: dict[str, list[Any]], given: Any) -> None:
    """The rates, and ours over theirs."""

    def rate(name: str) -> float:
        return median(one["runs"] / one["seconds"] if "runs" in one else one["per_second"] for one in found[name])

    rows = [
        ("log_metric, one thread, surviving SIGKILL", "points", "MLflow sync"),
        ("whole runs, 12 metrics and 10 parameters, committed", "runs", "MLflow runs"),
    ]
    report.table(
        ("per second, median", "ours", "MLflow", "ours / MLflow"),
        [(what, *(f"{rate(n):,.0f}" for n in (a, b)), f"{rate(a) / rate(b):,.0f}") for what, a, b in rows],
    )
    report.ratio("log_metric a second", rate("points"), least=100_000)
    report.ratio("log_metric beside MLflow's synchronous one", rate("points") / rate("MLflow sync"), least=500)
    committed = median(one["seconds"] for one in found["points"])
    report.ratio(f"{given.points:,} points from the first call to the last commit, seconds", committed, most=15)
    report.ratio(f"{given.runs:,} whole runs, committed, beside MLflow", rate("runs") / rate("MLflow runs"), least=50)
    last = found["MLflow async"][-1]
    report.note(
        f"MLflow asynchronous: {rate('MLflow async'):,.0f} calls a second; killed after the last of "
        f"{last['calls']:,}, {last['survived']:,} are in its store"
    )


def histories(report: Report, folder: Path, given: Any) -> None:
    """The history of one run in a store of many, and in one of a tenth."""
    seconds: dict[str, list[Any]] = {}
    for runs in (given.stored_runs // 10, given.stored_runs):
        say(f"filling {runs:,} runs of 1,000 points")
        path = folder / f"filled {runs}"
        filled = ours("fill", path, runs, 1000)
        (path / "ids.json").write_text(json.dumps(filled["ids"]))
    store = f"sqlite:///{folder / 'filled.db'}"
    command = ("history", "--store", store, "--runs", given.stored_runs, "--points", 1000)
    theirs(given, *command)
    seconds = alternate(
        {
            "ours, a tenth": lambda: ours("history", folder / f"filled {given.stored_runs // 10}", 1000, 20),
            "ours": lambda: ours("history", folder / f"filled {given.stored_runs}", 1000, 20),
            "MLflow": lambda: theirs(given, *command),
        },
        runs=given.repeats,
        warm_up=False,
    )
    again = {name: median(one["again"] for one in runs) for name, runs in seconds.items()}
    n = given.stored_runs * 1000
    report.table(
        (f"history of a run of 1,000 points among {n:,}, seconds", "first", "again"),
        [(name, f"{median(one['first'] for one in runs):.3f}", f"{again[name]:.4f}") for name, runs in seconds.items()],
    )
    report.ratio("history, MLflow beside ours", again["MLflow"] / again["ours"], least=10)
    report.ratio("history, ours beside ours at a tenth", again["ours"] / again["ours, a tenth"], most=1.5)


def memory(report: Report, folder: Path, given: Any) -> None:
    """Memory while many points are logged."""
    say(f"logging {given.many_points:,} points")
    found = ours("points", folder / "memory", given.many_points)
    listed = ", ".join(f"{one:,}" for one in found["memory"])
    report.note(
        f"{given.many_points:,} points in one process: {found['per_second']:,.0f} a second, committed after "
        f"{found['seconds']:.0f} s; memory at every tenth and at the end, MiB: {listed}; "
        f"{found['journal'] / 2**20:.0f} MiB of journal left"
    )


if __name__ == "__main__":
    main()
