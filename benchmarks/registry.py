"""The registry beside MLflow's on SQLite: save, list, best, load and change an alias, with few and with many versions.

Each model has ten versions. The first of each store is saved as users save; the others are added in bulk, on our side
as rows and files through the storage layer, on MLflow's by SQL, all of them with the first one's file. What is measured
is what users call. MLflow is told the model's requirements, so that it does not look for them, and asked for the best
in its two documented steps: the run, then the version of it. Goals hold for the median once libraries are loaded.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from common import HERE, Report, alternate, answer, mlflow_version, parser, say

OURS, THEIRS = HERE / "registry_side.py", HERE / "mlflow_registry_side.py"
WHAT = {
    "save": "save a model with its file",
    "list": "list the versions of a model",
    "best": "the best of all by a metric",
    "load": "load a version",
    "alias": "change an alias",
    "load champion": "load by alias",
}
READ = ("list", "best", "load", "load champion")
ENOUGH = 0.05
"""Seconds that are enough, where MLflow is faster."""

ALIAS = 0.2
"""Seconds within which an alias is changed."""

GROWTH = 3
"""How many times longer it may take with a hundred times the versions."""


def main() -> None:
    """Measure both, one after the other, and keep what came out."""
    options = parser(__doc__, mlflow=True)
    options.add_argument(
        "--versions", default="10,1000,100000", help="in the registry, one after another (%(default)s)"
    )
    options.add_argument("--repeats", type=int, default=20, help="of each, in one process (%(default)s)")
    options.add_argument("--rounds", type=int, default=3, help="processes of each (%(default)s)")
    given = options.parse_args()
    report = Report(given, mlflow=mlflow_version(given.mlflow_python))
    found: dict[int, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        for versions in map(int, given.versions.split(",")):
            found[versions] = one_size(Path(temporary), versions, given)
    for versions, spent in found.items():
        told(report, versions, spent)
    growth(report, found)
    report.finish()


def one_size(folder: Path, versions: int, given: Any) -> dict[str, dict[str, float]]:
    """Both registries with so many versions: the median seconds of each thing, by who does it."""
    path, store = folder / f"registry {versions}", f"sqlite:///{folder / f'{versions}.db'}"
    say(f"filling {versions:,} versions")
    answer([sys.executable, OURS, "fill", path, versions])
    theirs = [given.mlflow_python, THEIRS]
    answer([*theirs, "fill", "--store", store, "--versions", versions])
    counts = ["--versions", versions, "--repeats", given.repeats]
    seeds = iter(range(10_000))
    runs = alternate(
        {
            "ours": lambda: answer([sys.executable, OURS, "measure", path, versions, given.repeats, next(seeds)]),
            "MLflow": lambda: answer([*theirs, "measure", "--store", store, *counts, "--seed", next(seeds)]),
        },
        runs=given.rounds,
        warm_up=False,
    )
    spent = {}
    for who, processes in runs.items():
        spent[who] = {what: median(one for run in processes for one in run[what][1:]) for what in WHAT}
        spent[f"{who}, first"] = {what: median(run[what][0] for run in processes) for what in WHAT}
    return spent


def told(report: Report, versions: int, spent: dict[str, dict[str, float]]) -> None:
    """The figures of one size, and whether the goals are met."""
    who = ("ours", "MLflow", "ours, first", "MLflow, first")
    report.table(
        (f"{versions:,} versions, milliseconds, median", *who),
        [(words, *(f"{1000 * spent[one][what]:,.0f}" for one in who)) for what, words in WHAT.items()],
    )
    ours, theirs = spent["ours"], spent["MLflow"]
    report.ratio(f"{versions:,}: save, MLflow beside ours", theirs["save"] / ours["save"], least=1)
    for what in READ:
        most = max(theirs[what], ENOUGH)
        report.ratio(f"{versions:,}: {WHAT[what]}, seconds", ours[what], most=round(most, 3))
    report.ratio(f"{versions:,}: {WHAT['alias']}, seconds", ours["alias"], most=ALIAS)


def growth(report: Report, found: dict[int, dict[str, dict[str, float]]]) -> None:
    """Ours with the most versions beside ours with a hundredth of them."""
    sizes = sorted(found)
    if len(sizes) < 2:  # noqa: PLR2004
        return
    fewer, more = sizes[-2:]
    for what, words in WHAT.items():
        ratio = found[more]["ours"][what] / found[fewer]["ours"][what]
        report.ratio(f"{words}: {more:,} versions beside {fewer:,}", ratio, most=GROWTH)


if __name__ == "__main__":
    main()
