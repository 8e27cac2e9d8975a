"""The leaderboard view with few and many runs behind it: every weekly evaluation has its runs and its evidence.

Again and again over five years 25 models are evaluated on 2 commodities; with every evaluation go a family a metric
and a standing a model, as `Ledger.refresh` writes them. The tables are filled by SQL, a quarter of a year a commit; the
pairs of `comparisons`, which the view does not read, are left out. Both sizes are asked in alternation, in sessions of
their own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from common import Report, alternate, answer, parser, say

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

COMMODITIES = ("Coffee", "WTI")
MODELS = 25
METRICS = ("mae_path", "mae_1day", "mae_7day", "mae_14day")
COMMITS = 20
MINUTES = 5 * 365 * 24 * 60
GOAL = 3.0
QUESTIONS = {
    "view, one commodity": "select * from leaderboard where commodity = 'Coffee'",
    "view, all": "select * from leaderboard",
    "view at a step": "select * from leaderboard_at_step where commodity = 'Coffee' and step = 7",
}


_TIMES = "range({first}, {last}) as w cross join (select explode(array('Coffee', 'WTI')) as commodity) as c"
_MODELS = f" cross join range(0, {MODELS}) as m"
_KINDS = f" cross join (select explode(array{METRICS}) as metric) as k"
_RUN = "concat('run-', w.id, '-', c.commodity, '-', m.id)"
_WHEN = "timestamp '2020-01-01 00:00:00' + make_dt_interval(0, 0, cast({minutes} * w.id as int), 0)"
_FAMILY = f"concat(date_format({_WHEN}, 'yyyyMMddHHmmss'), '-', md5(concat(w.id, c.commodity, k.metric)))"
_AS_OF = "date_add(date '2020-01-01', cast({minutes} * w.id / 1440 as int))"
_RANDOM = "rand()"

FILLED = {
    "model_runs": (
        {
            "experiment_id": _RUN,
            "evaluation_key": _RUN,
            "model_name": "concat('model_', m.id)",
            "model_version": "'v1'",
            "run_timestamp": _WHEN,
            "model_type": "'ARIMA'",
            "training_start_date": "date '2010-01-01'",
            "training_end_date": "date '2019-12-31'",
            "forecast_horizon_days": "14",
            "commodity": "c.commodity",
            "unique_id": "c.commodity",
            "status": "'completed'",
            "metrics_source": "'computed'",
            "backtest_id": "concat('backtest-', c.commodity)",
            "data_as_of": _AS_OF,
            "frequency": "'trading day'",
            "n_windows": "40",
            "n_failed_windows": "0",
            "beats_baseline": "false",
        }
        | dict.fromkeys(("mae_1day", "mae_7day", "mae_14day", "mae_path", "naive_mae_path"), _RANDOM)
        | dict.fromkeys(("directional_accuracy", "dm_test_vs_naive", "dm_pvalue", "execution_time_seconds"), _RANDOM),
        _TIMES + _MODELS,
    ),
    "families": (
        {
            "family_id": _FAMILY,
            "commodity": "c.commodity",
            "unique_id": "c.commodity",
            "backtest_id": "concat('backtest-', c.commodity)",
            "metric": "k.metric",
            "frequency": "'trading day'",
            "forecast_horizon_days": "14",
            "step_size": "14",
            "known_at": _WHEN,
            "data_as_of": _AS_OF,
            "n_models": str(MODELS),
            "n_compared": str(MODELS),
            "n_tested": str(MODELS - 1),
            "n_windows": "40",
            "n_shared": "40",
            "overlap": "1",
            "confidence_level": "0.95D",
            "confidence_method": "'studentized'",
            "bootstrap_reps": "1000",
            "bootstrap_seed": "42",
            "evidence_version": "1",
        }
        | dict.fromkeys(("naive_loss", "leader_loss", "leader_loss_corrected"), _RANDOM),
        _TIMES + _KINDS,
    ),
    "standings": (
        {
            "family_id": _FAMILY,
            "commodity": "c.commodity",
            "model_name": "concat('model_', m.id)",
            "model_version": "'v1'",
            "experiment_id": _RUN,
            "place": "cast(m.id + 1 as int)",
            "n_windows": "40",
            "naive_lower": "0D",
            "naive_upper": "1D",
            "in_confidence_set": "true",
            "verdict": "'not enough evidence'",
            "windows_to_tell": "400",
        }
        | dict.fromkeys(("loss", "skill", "naive_difference", "dm_test_vs_naive", "dm_pvalue"), _RANDOM)
        | dict.fromkeys(("dm_pvalue_holm", "naive_win_share", "leader_difference", "leader_pvalue"), _RANDOM)
        | dict.fromkeys(("leader_pvalue_holm", "mcs_pvalue", "equal_within", "detectable"), _RANDOM),
        _TIMES + _KINDS + _MODELS,
    ),
}
"""What each table is filled with: an expression a column, and the rows it is taken of."""


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, nargs=2, default=[100_000, 1_000_000], help="sizes (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="sessions of each, after one warm-up (%(default)s)")
    options.add_argument("--side", nargs=2, metavar=("fill|ask", "LEDGER"), help="one side, in a process of its own")
    given = options.parse_args()
    if given.side:
        _fill(given.side[1], given.runs[0]) if given.side[0] == "fill" else _ask(given.side[1])
        return
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        ledgers = {runs: Path(temporary) / str(runs) for runs in given.runs}
        for runs, ledger in ledgers.items():
            say(f"filling {runs:,} runs")
            answer([sys.executable, __file__, "--runs", runs, 0, "--side", "fill", ledger])
        asked = alternate(
            {
                f"{runs:,} runs": lambda ledger=ledger: answer([sys.executable, __file__, "--side", "ask", ledger])
                for runs, ledger in ledgers.items()
            },
            runs=given.rounds,
        )
    few, many = asked.values()
    report.seconds(
        {f"{name}, {size}": [one[name] for one in found] for name in QUESTIONS for size, found in asked.items()}
    )
    for name in QUESTIONS:
        ratio = median(one[name] for one in many) / median(one[name] for one in few)
        report.ratio(f"{name}: {given.runs[1]:,} runs to {given.runs[0]:,}", ratio, most=GOAL)
    report.finish()


def _fill(folder: str, runs: int) -> None:
    """Runs, families and standings of as many evaluations of all models as it takes."""
    import json

    from experiments.services.ledger import connect

    with connect(folder) as ledger:
        times = -(-runs // (MODELS * len(COMMODITIES)))
        for commit in range(COMMITS):
            for table, filled in FILLED.items():
                insert(ledger, table, filled, commit * times // COMMITS, (commit + 1) * times // COMMITS, times)
        print(json.dumps({"runs": int(ledger.sql("select count(*) as n from model_runs")["n"][0])}))


def insert(ledger: Ledger, table: str, filled: tuple[dict[str, str], str], first: int, last: int, times: int) -> None:
    """Insert what a table is filled with, of some of all evaluations, in one commit."""
    from experiments.storage import sql_files

    given, source = filled
    known = {one.name: f"cast(null as {one.type})" for one in sql_files.columns(table) if not one.generated}
    columns = known | given
    chosen = ", ".join(f"{expression} as {name}" for name, expression in columns.items())
    made = f"insert into {table} ({', '.join(columns)}) select {chosen} from {source}"  # noqa: S608  ours
    ledger.engine.spark.sql(made.format(first=first, last=last, minutes=MINUTES / times, times=times)).toArrow()


def _ask(folder: str) -> None:
    """Seconds of each question, the second time in its session."""
    import json

    from experiments.services.ledger import connect

    seconds = {}
    with connect(folder, create=False) as ledger:
        for name, query in QUESTIONS.items():
            ledger.sql(query)
            started = time.perf_counter()
            found = ledger.sql(query)
            seconds[name] = time.perf_counter() - started
            if len(found) not in (MODELS, MODELS * len(COMMODITIES)):
                sys.exit(f"{name} has {len(found)} rows")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
