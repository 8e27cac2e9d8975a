"""Promote, prune, restore and audit in a session on a store of many runs, each with its windows.

The runs are those of leaderboard_view.py: again and again over five years 25 models are evaluated on 2 commodities.
Each evaluation has its 40 windows here, which move on with time; the forecasts are those of the last one. Every
question is asked once before it is measured.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leaderboard_view as view
from common import Report, parser, say

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

GOAL = 1.0
WINDOWS = 40
_KEPT = 10
"""Evaluations between which the windows stay the same."""

_CUTOFF = f"date_add(date '2015-01-01', cast(14 * (k.id + floor(w.id / {_KEPT})) as int))"
_NAIVE = f"2D + (crc32(cast({_CUTOFF} as string)) % 100) / 100D"
_STAMP = {"experiment_id": view._RUN, "commodity": "c.commodity", "unique_id": "c.commodity"} | {
    "run_month": f"date_format({view._WHEN}, 'yyyy-MM')"
}
_RUNS, _TAKEN_OF = view.FILLED["model_runs"]
FILLED = {
    "model_runs": (_RUNS | {"training_end_date": _CUTOFF.replace("k.id", f"{WINDOWS - 1}")}, _TAKEN_OF),
    "backtests": (
        {
            "backtest_id": "concat('backtest-', c.commodity)",
            "commodity": "c.commodity",
            "frequency": "'trading day'",
            "horizon": "14",
            "step_size": "14",
            "n_windows": str(WINDOWS),
            "metric_version": "1",
            "created_at": "timestamp '2020-01-01 00:00:00'",
        },
        view._TIMES + " where w.id = 0",
    ),
    "run_windows": (
        _STAMP
        | {
            "cutoff": _CUTOFF,
            "day0": "100D",
            "level": "100D",
            "status": "'ok'",
            "mae_path": f"({_NAIVE}) * (0.9D + m.id / 50D + 0.2D * rand())",
            "naive_mae_path": _NAIVE,
            "fit_seconds": "0.1D",
            "predict_seconds": "0.1D",
        },
        f"{view._TIMES}{view._MODELS} cross join range(0, {WINDOWS}) as k",
    ),
    "forecasts": (
        _STAMP
        | {
            "cutoff": _CUTOFF,
            "step": "s.step",
            "ds": f"date_add({_CUTOFF}, s.step)",
            "y": "102D",
            "y_hat": "101D + rand()",
        },
        f"{view._TIMES}{view._MODELS} cross join range(0, {WINDOWS}) as k "
        "cross join (select explode(array(1, 7, 14)) as step) as s where w.id = {times} - 1",
    ),
}
"""As in leaderboard_view.py."""


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=100_000, help="runs in the store (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="times each is asked (%(default)s)")
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        os.environ["EXPERIMENTS_REGISTRY"] = str(Path(temporary) / "registry.toml")
        from experiments.services.ledger import connect

        say(f"filling {given.runs:,} runs")
        with connect(Path(temporary) / "ledger") as ledger:
            fill(ledger, given.runs)
        with connect(Path(temporary) / "ledger") as ledger:
            report.note(f"{_count(ledger, 'model_runs'):,} runs, {_count(ledger, 'run_windows'):,} windows")
            seconds = ask(ledger, given.rounds)
    report.seconds(seconds)
    for name, found in seconds.items():
        report.ratio(f"longest {name}, seconds", max(found), most=GOAL)
    report.finish()


def fill(ledger: Ledger, runs: int) -> None:
    """The tables of as many evaluations of all models as it takes."""
    times = -(-runs // (view.MODELS * len(view.COMMODITIES)))
    for commit in range(view.COMMITS):
        first, last = (number * times // view.COMMITS for number in (commit, commit + 1))
        for table, filled in FILLED.items():
            view.insert(ledger, table, filled, first, last, times)


def ask(ledger: Ledger, rounds: int) -> dict[str, list[float]]:
    """Seconds of each question, round by round; the first round is not counted."""
    desk, commodity = ledger.decisions, view.COMMODITIES[0]
    seconds: dict[str, list[float]] = {}

    def timed(name: str, act: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = act()
        seconds.setdefault(name, []).append(time.perf_counter() - started)
        return found

    for turn in range(rounds + 1):
        model = f"model_{turn % 2}"
        timed("promote", lambda model=model: desk.promote(model, commodity, force=True, reason="measured"))
        listed = timed("prune, the tested list", lambda: desk.judged(commodity))
        timed("prune, the specified list", lambda: desk.judged(commodity, rule="specified"))
        worse = [one.model_name for one in listed if one.grounds.verdict.met and one.kept is None][:3]
        if not worse:
            sys.exit("no model is tested to be worse")
        timed("prune --apply, three models", lambda worse=worse: desk.prune(commodity, models=worse))
        for name in worse:
            timed("restore", lambda name=name: desk.restore(name, commodity))
        timed("audit", lambda: [one for one in ledger.audit() if one.problems])
    return {name: found[len(found) // (rounds + 1) :] for name, found in seconds.items()}


def _count(ledger: Ledger, table: str) -> int:
    return int(ledger.sql(f"select count(*) as n from {table}")["n"].item())  # noqa: S608  ours


if __name__ == "__main__":
    main()
