"""Latencies of a ledger with thousands of commits against one with few: what small commits add up to."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, alternate, answer, experiments, parser, say, whole_process

SIDE = HERE / "evaluations_side.py"
FRESH = 25
LOGGED = 10


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--evaluations", type=int, default=2500, help="each a commit to four tables (%(default)s)")
    options.add_argument("--runs", type=int, default=7, help="runs of each command, after one warm-up (%(default)s)")
    options.add_argument("--keep", type=Path, help="folder of the two ledgers; what is there is not filled again")
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = given.keep or Path(temporary)
        ledgers = {"fresh": (folder / "fresh", FRESH), "full": (folder / "full", given.evaluations)}
        for name, (path, evaluations) in ledgers.items():
            if not path.exists():
                say(f"logging {evaluations} evaluations to the {name} ledger")
                told = answer([sys.executable, SIDE, path, str(evaluations)])
                report.note(
                    f"{name}: {evaluations} evaluations in {told['total']:.0f} s, median {told['median']:.2f} s, "
                    f"longest {told['longest']:.2f} s; {commits(path)} commits to model_runs"
                )
        asked = {
            f"`experiments {command}`, {name}": lambda command=command, path=path: (
                whole_process([*experiments(), command, "--path", path]).wall
            )
            for command in ("best", "leaderboard")
            for name, (path, _) in ledgers.items()
        }
        wall: dict[str, list[float]] = alternate(asked, runs=given.runs)
        logged: dict[str, list[dict[str, Any]]] = {name: [] for name in ledgers}
        for turn in range(3):
            for name, (path, _) in ledgers.items():
                say(f"logging {LOGGED} more to the {name} ledger, turn {turn + 1} of 3")
                again = f"{os.getpid()} {turn}"  # other names, the same data
                logged[name].append(answer([sys.executable, SIDE, path, str(LOGGED), "--named", again]))
        wall |= {f"one logged evaluation, {name}": [one["median"] for one in found] for name, found in logged.items()}
    report.seconds(wall)
    for what in ("`experiments best`", "`experiments leaderboard`", "one logged evaluation"):
        report.ratio(f"{what}, full ÷ fresh", median(wall[f"{what}, full"]) / median(wall[f"{what}, fresh"]), most=1.5)
    report.finish()


def commits(path: Path) -> int:
    """The newest version of `model_runs`."""
    return max(int(file.stem) for file in (path / "experiments" / "model_runs" / "_delta_log").glob("*[0-9].json"))


if __name__ == "__main__":
    main()
