"""The specification's top-5 query on a full `model_runs`, against MLflow's `search_runs` on SQLite.

MLflow is filled by its fastest documented way for the time given, our table through the storage layer's
`merge_new`, 10,000 rows a commit, one week's job after the other. Both fetch the answer as a pandas frame.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, alternate, answer, mlflow_version, parser, say


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__, mlflow=True)
    options.add_argument("--runs", type=int, default=100_000, help="rows of our model_runs (%(default)s)")
    options.add_argument("--mlflow-seconds", type=float, default=300, help="how long it is filled (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="sessions of each, after one warm-up (%(default)s)")
    options.add_argument("--repeats", type=int, default=20, help="the same question again in each (%(default)s)")
    given = options.parse_args()
    report = Report(given, mlflow=mlflow_version(given.mlflow_python))
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        ours = [sys.executable, HERE / "experiments_side.py"]
        mlflow = [given.mlflow_python, HERE / "mlflow_side.py"]
        ledger, store = ["--ledger", folder / "ledger"], ["--store", "sqlite:///runs.db"]
        say(f"filling ours with {given.runs:,} runs")
        filled = answer([*ours, "fill", *ledger, "--runs", str(given.runs)])
        say(f"filling MLflow for {given.mlflow_seconds:.0f} s")
        theirs = answer([*mlflow, "log", *store, "--log-batch", "--seconds", str(given.mlflow_seconds)], cwd=folder)
        repeats = ["--repeats", str(given.repeats)]
        asked = alternate(
            {
                "ours": lambda: answer([*ours, "ask", *ledger, *repeats]),
                "MLflow": lambda: answer([*mlflow, "ask", *store, *repeats], cwd=folder),
            },
            runs=given.rounds,
        )
    _write(report, filled, theirs, asked)


def _write(report: Report, filled: dict[str, Any], theirs: dict[str, Any], asked: dict[str, list[Any]]) -> None:
    n_ours, n_theirs = filled["runs"], theirs["runs"] + 1
    names = list(asked["ours"][0]["asked"])
    figures = {
        f"ours, {name}, {n_ours:,} runs, {when}": [one["asked"][name][when] for one in asked["ours"]]
        for name in names
        for when in ("first", "again")
    }
    search = {when: [one[when] for one in asked["MLflow"]] for when in ("first", "again")}
    figures |= {f"MLflow, search_runs, {n_theirs:,} runs, {when}": some for when, some in search.items()}
    report.seconds(figures)
    top5, rows = names[0], {name: asked["ours"][0]["asked"][name]["rows"] for name in names}
    for when, words in (("again", "warm"), ("first", "first in a session")):
        our = median(one["asked"][top5][when] for one in asked["ours"])
        report.ratio(
            f"MLflow's search_runs ÷ our top 5, {words}, MLflow on {n_theirs:,} runs", median(search[when]) / our
        )
        report.ratio(
            f"the same divided by the runs each holds, {words}", median(search[when]) / n_theirs / (our / n_ours)
        )
    report.note(
        "first: asked once in a new process, ours after connecting "
        f"({median(one['connect'] for one in asked['ours']):.2f} s, imports included), MLflow's after importing it and "
        "reaching its tables; the top 5 comes first, the views after it; again: median of the repeats"
    )
    report.note(
        f"rows answered: {', '.join(f'{name} {count}' for name, count in rows.items())}, "
        f"search_runs {asked['MLflow'][0]['rows']}"
    )
    report.note(
        f"filled: ours in {filled['seconds']:.0f} s ({filled['partitions']} partitions, {filled['files']} files, "
        f"{filled['bytes'] / 2**20:.0f} MiB) through merge_new, MLflow in {theirs['seconds']:.0f} s by log_batch"
    )
    report.finish()


if __name__ == "__main__":
    main()
