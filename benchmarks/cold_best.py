"""Cold `experiments best`, the whole process, against a bare script with the same questions and `mlflow --version`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from common import HERE, Report, alternate, experiments, mlflow_version, output, parser, say, whole_process


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__, mlflow=True)
    options.add_argument("--runs", type=int, default=9, help="runs of each command, after one warm-up (%(default)s)")
    options.add_argument("--ledger", type=Path, help="folder of a filled ledger; by default the demo makes one")
    given = options.parse_args()
    report = Report(given, mlflow=mlflow_version(given.mlflow_python))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        ledger = given.ledger
        if ledger is None:
            ledger = Path(temporary) / "ledger"
            say("filling a ledger with the demo")
            output([*experiments(), "demo", "--path", ledger])
        commands = {
            "`experiments best`": [*experiments(), "best", "--path", ledger],
            "bare script": [sys.executable, HERE / "bare_best.py", ledger],
            "`mlflow --version`": [given.mlflow_python, "-m", "mlflow", "--version"],
            "`experiments --help`": [*experiments(), "--help"],
            "`python -c 'import experiments'`": [sys.executable, "-c", "import experiments"],
            "`python -c pass`": [sys.executable, "-c", "pass"],
        }
        spent = alternate(
            {name: lambda command=command: whole_process(command) for name, command in commands.items()},
            runs=given.runs,
        )
    wall = {name: [one.wall for one in found] for name, found in spent.items()}
    report.seconds(wall)
    best, bare, mlflow, usage, imported, nothing = wall
    report.ratio("`experiments best` ÷ bare script", median(wall[best]) / median(wall[bare]), most=1.2)
    by_run = [ours / floor for ours, floor in zip(wall[best], wall[bare], strict=True)]
    report.note(f"the same run by run: median {median(by_run):.2f}, {min(by_run):.2f} to {max(by_run):.2f}")
    cpu = {name: median(one.cpu for one in spent[name]) for name in (best, bare)}
    report.note(
        f"processor seconds, which other load disturbs less: {cpu[best]:.2f} and {cpu[bare]:.2f}, "
        f"ratio {cpu[best] / cpu[bare]:.2f}"
    )
    report.ratio("`experiments best` ÷ `mlflow --version`", median(wall[best]) / median(wall[mlflow]))
    alone = median(wall[imported]) - median(wall[nothing])
    report.ratio("`import experiments` beyond starting Python, seconds", alone, most=0.3)
    report.ratio("`experiments --help`, seconds", median(wall[usage]))
    report.finish()


if __name__ == "__main__":
    main()
