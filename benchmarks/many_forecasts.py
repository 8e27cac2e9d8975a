"""What a store of many forecasts answers: every question people and dashboards ask, on 1 and on 10 million forecasts.

Again and again over five years 25 models are evaluated on 2 commodities, each on 40 windows of 14 steps; every
evaluation has its windows, forecasts and evidence. The tables are filled by SQL, a quarter of a year a commit, and
compacted as maintenance does. Each size is asked in a session of its own, each question the second time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import leaderboard_view as view
from common import Report, alternate, answer, parser, say
from report import ADDED, HORIZON, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.services.ledger import Ledger

GOAL = 1.0
_OF_ONE = "where commodity = 'Coffee' and run_month = '{month}' and experiment_id = '{run}'"
QUESTIONS: dict[str, str] = {
    "scale of experimentation, all": "select * from experiment_history",
    "pruning candidates, all": "select * from pruning_candidates",
    "leaderboard of a commodity": "select * from leaderboard where commodity = 'Coffee'",
    "cost against accuracy of a commodity": "select * from accuracy_by_cost where commodity = 'Coffee'",
    "evaluations of a model over time": "select * from finished_runs "
    "where commodity = 'Coffee' and model_name = 'model_3'",
    "accuracy by horizon, an evaluation": f"select * from accuracy_by_horizon {_OF_ONE}",  # noqa: S608  ours
    "accuracy by horizon, a month": "select * from accuracy_by_horizon "
    "where commodity = 'Coffee' and run_month = '{month}'",
    "accuracy by horizon, a commodity": "select * from accuracy_by_horizon where commodity = 'Coffee'",
    "accuracy by horizon, all": "select * from accuracy_by_horizon",
    "forecasts of an evaluation": f"select * from forecasts {_OF_ONE}",  # noqa: S608  ours
    "forecasts, all counted": "select count(*) as n, avg(abs(y - y_hat)) as mae from forecasts",
}


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--forecasts", type=int, nargs=2, default=[1_000_000, 10_000_000], help="sizes (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="sessions of each, after one warm-up (%(default)s)")
    options.add_argument("--side", nargs=2, metavar=("fill|ask", "LEDGER"), help="one side, in a process of its own")
    given = options.parse_args()
    if given.side:
        print(json.dumps(_fill(given.side[1], given.forecasts[0]) if given.side[0] == "fill" else _ask(given.side[1])))
        return
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        ledgers = {size: Path(temporary) / str(size) for size in given.forecasts}
        for size, ledger in ledgers.items():
            say(f"filling {size:,} forecasts")
            made = answer([sys.executable, __file__, "--forecasts", size, 0, "--side", "fill", ledger])
            report.note(
                f"{made['forecasts']:,} forecasts of {made['runs']:,} evaluations: {made['files']:,} files, "
                f"{made['mebibytes']:,.0f} MiB, written in {made['seconds']:.0f} s"
            )
        asked = alternate(
            {
                f"{size:,}": lambda ledger=ledger: answer([sys.executable, __file__, "--side", "ask", ledger])
                for size, ledger in ledgers.items()
            },
            runs=given.rounds,
        )
    few, many = asked.values()
    names = [*QUESTIONS, *_CALLS]
    report.seconds({f"{name}, {size}": [one[name] for one in found] for name in names for size, found in asked.items()})
    peaks = {size: median(one["peak mebibytes"] for one in found) for size, found in asked.items()}
    for name in names:
        seconds, before = median(one[name] for one in many), median(one[name] for one in few)
        report.ratio(f"{name}: seconds of {given.forecasts[1]:,} ({seconds / before:.1f} times)", seconds, most=GOAL)
    report.note("peak memory of a session: " + ", ".join(f"{size} {peak:,.0f} MiB" for size, peak in peaks.items()))
    report.finish()


def _fill(folder: str, forecasts: int) -> dict[str, Any]:
    """Evaluations of all models until there are as many forecasts."""
    from experiments.services.ledger import connect
    from experiments.storage.files import compact

    times = -(-forecasts // (view.MODELS * len(view.COMMODITIES) * WINDOWS * HORIZON))
    filled = view.FILLED | {table: (given, source) for table, (given, source, _) in ADDED.items()}
    started = time.perf_counter()
    with connect(folder) as ledger:
        for commit in range(view.COMMITS):
            first, last = (number * times // view.COMMITS for number in (commit, commit + 1))
            for table, rows in filled.items():
                if first < last and (table != "backtests" or last == times):
                    view.insert(ledger, table, rows, last - 1 if table == "backtests" else first, last, times)
        for table in filled:
            compact(Path(folder) / "experiments" / table)
        counted = {table: _count(ledger, table) for table in ("forecasts", "model_runs")}
    seconds = time.perf_counter() - started
    files = [*Path(folder).rglob("*.parquet")]
    return {
        "forecasts": counted["forecasts"],
        "runs": counted["model_runs"],
        "files": len(files),
        "mebibytes": sum(file.stat().st_size for file in files) / 2**20,
        "seconds": seconds,
    }


_CALLS: dict[str, Callable[[Ledger], Any]] = {
    "`Ledger.best`": lambda ledger: ledger.best("Coffee"),
    "`Ledger.leaderboard`": lambda ledger: ledger.leaderboard("Coffee"),
    "`Ledger.recompute`, 25 evaluations": lambda ledger: ledger.recompute("Coffee", horizon=5),
}


def _ask(folder: str) -> dict[str, float]:
    """Seconds of each question, the second time in its session; evidence is recorded before."""
    import resource

    from experiments.services.ledger import connect

    seconds = {}
    with connect(folder, create=False) as ledger:
        newest = ledger.sql(
            "select experiment_id, run_month from model_runs where commodity = 'Coffee' "
            "order by run_timestamp desc, experiment_id limit 1"
        ).iloc[0]
        place = {"month": newest["run_month"], "run": newest["experiment_id"]}
        asked = {name: (lambda query=query: ledger.sql(query.format(**place))) for name, query in QUESTIONS.items()}
        asked |= {name: (lambda call=call: call(ledger)) for name, call in _CALLS.items()}
        for name, ask in asked.items():
            ask()
            started = time.perf_counter()
            ask()
            seconds[name] = time.perf_counter() - started
    # the embedded engine lives in this process
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds | {"peak mebibytes": peak / (2**10 if os.uname().sysname == "Linux" else 2**20)}


def _count(ledger: Ledger, table: str) -> int:
    return int(ledger.sql(f"select count(*) as n from {table}")["n"].item())  # noqa: S608  ours


if __name__ == "__main__":
    main()
