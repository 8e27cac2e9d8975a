"""Processes that log evaluations into one ledger at once: all rows there, none twice, no error seen."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import HERE, Report, environment, parser, say

SIDE = HERE / "evaluations_side.py"


def main() -> None:
    """Run, count and keep."""
    options = parser(__doc__)
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--evaluations", type=int, default=25, help="of each process (%(default)s)")
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        path = Path(temporary) / "ledger"
        say(f"{given.processes} processes x {given.evaluations} evaluations")
        started = time.perf_counter()
        running = [
            subprocess.Popen(
                [sys.executable, SIDE, path, str(given.evaluations), "--named", f"writer {number}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for number in range(given.processes)
        ]
        told = [process.communicate() for process in running]
        seconds = time.perf_counter() - started
        failed = [errors for process, (_, errors) in zip(running, told, strict=True) if process.returncode or errors]
        if failed:
            sys.exit(f"{len(failed)} of {given.processes} processes failed, the first with:\n{failed[0]}")
        longest = max(json.loads(printed)["longest"] for printed, _ in told)
        found = counts(path)
    expected = given.processes * given.evaluations
    if found != {"runs": expected, "models": expected, "windows": 8 * expected, "forecasts": 8 * 14 * expected}:
        sys.exit(f"{expected} evaluations were logged, the ledger has {found}")
    report.note(
        f"{expected} evaluations in {seconds:.0f} s, the longest {longest:.1f} s; all there, none twice, no error"
    )
    report.finish()


def counts(path: Path) -> dict[str, int]:
    """What the ledger holds, counted by distinct keys as well where a doubled row would show."""
    from experiments import connect

    with connect(path) as ledger:
        row = ledger.sql(
            "select (select count(*) from model_runs) as runs, "
            "(select count(distinct model_name) from model_runs) as models, "
            "(select count(*) from run_windows) as windows, (select count(*) from forecasts) as forecasts"
        ).iloc[0]
    return {str(name): int(value) for name, value in row.items()}


if __name__ == "__main__":
    main()
