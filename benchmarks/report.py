"""The presentation report of 100,000 runs, cold: the whole process of `experiments report`, in each format.

The store is that of `leaderboard_view.py`, with a row of `experiments` for each run, and windows and forecasts of the
newest evaluation of each model, which is what evidence and charts are made of. The evidence is recorded before, as the
weekly job does. Beside it `experiments best` on the same store, which is what any answer takes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from common import Report, alternate, answer, experiments, output, parser, say, whole_process
from leaderboard_view import _MODELS, _RUN, _TIMES, _WHEN, COMMODITIES, MODELS, insert
from leaderboard_view import _fill as fill_runs

GOAL = 5.0
WINDOWS, HORIZON = 40, 14
FORMATS = ("html", "pptx", "md")

_CUTOFF = "date_add(date '2024-06-01', cast(14 * n.id as int))"
_LOSS = "2D + 0.05D * m.id + rand()"
_MONTH = f"date_format({_WHEN}, 'yyyy-MM')"
_OF_RUN = {"experiment_id": _RUN, "commodity": "c.commodity", "unique_id": "c.commodity", "run_month": _MONTH}

ADDED = {
    "backtests": (
        {
            "backtest_id": "concat('backtest-', c.commodity)",
            "commodity": "c.commodity",
            "frequency": "'trading day'",
            "horizon": str(HORIZON),
            "step_size": str(HORIZON),
            "n_windows": str(WINDOWS),
            "train_size": "1000",
            "metric_version": "1",
        },
        f"(select explode(array{COMMODITIES}) as commodity) as c",
        "newest",
    ),
    "experiments": (
        {
            "experiment_id": _RUN,
            "name": "concat('model_', m.id)",
            "experiment_type": "'backtest'",
            "status": "'completed'",
            "started_at": _WHEN,
            "ended_at": f"{_WHEN} + make_dt_interval(0, 0, 1, 0)",
        },
        _TIMES + _MODELS,
        "all",
    ),
    "run_windows": (
        _OF_RUN
        | {
            "cutoff": _CUTOFF,
            "day0": "100D",
            "scale": "1D",
            "level": "100D",
            "status": "'ok'",
            "mae_path": _LOSS,
            "naive_mae_path": "2D + 0.01D * n.id",
        },
        f"{_TIMES}{_MODELS} cross join range(0, {WINDOWS}) as n",
        "newest",
    ),
    "forecasts": (
        _OF_RUN
        | {
            "cutoff": _CUTOFF,
            "step": "cast(s.id as int)",
            "ds": f"date_add({_CUTOFF}, cast(s.id as int))",
            "y": "102D + 0.01D * n.id",
            "y_hat": "100D + rand()",
            "quantiles": "map('0.1', 97D, '0.5', 100D, '0.9', 103D)",
        },
        f"{_TIMES}{_MODELS} cross join range(0, {WINDOWS}) as n cross join range(1, {HORIZON + 1}) as s",
        "newest",
    ),
}
"""What each table is filled with beside the runs: an expression a column, the rows, and of which evaluations."""


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=100_000, help="runs in the store (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="processes of each, after one warm-up (%(default)s)")
    options.add_argument("--side", metavar="LEDGER", help="fill this ledger, in a process of its own")
    given = options.parse_args()
    if given.side:
        _fill(given.side, given.runs)
        return
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        ledger = Path(temporary) / "ledger"
        say(f"filling {given.runs:,} runs")
        answer([sys.executable, __file__, "--runs", given.runs, "--side", ledger])
        output([*experiments(), "job", "refresh", "--path", ledger])
        shown = [*experiments(), "report", "--for", "presentation", "--path", ledger, "--output"]
        commands = {f"report, {form}": [*shown, Path(temporary) / f"presentation.{form}"] for form in FORMATS}
        commands["`experiments best`"] = [*experiments(), "best", "--path", ledger]
        spent = alternate(
            {name: lambda command=command: whole_process(command) for name, command in commands.items()},
            runs=given.rounds,
        )
        sizes = {form: (Path(temporary) / f"presentation.{form}").stat().st_size for form in FORMATS}
    report.seconds({name: [one.wall for one in found] for name, found in spent.items()})
    for form in FORMATS:
        name = f"report, {form}"
        report.ratio(f"{name}: seconds, the whole process", median(one.wall for one in spent[name]), most=GOAL)
        report.note(
            f"{name}: {median(one.cpu for one in spent[name]):.2f} processor seconds, {sizes[form] / 1024:,.0f} KiB"
        )
    report.finish()


def _fill(folder: str, runs: int) -> None:
    """The runs of the leaderboard's benchmark, and beside them what a report reads."""
    from experiments.services.ledger import connect

    fill_runs(folder, runs)
    times = -(-runs // (MODELS * len(COMMODITIES)))
    with connect(folder) as ledger:
        for table, (given, source, of) in ADDED.items():
            insert(ledger, table, (given, source), 0 if of == "all" else times - 1, times, times)


if __name__ == "__main__":
    main()
