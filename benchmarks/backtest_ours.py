"""Our side of backtest.py: one `backtest()` into a ledger of its own, everything written; prints one line of JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest_task import HORIZON, MODELS, WARM_WINDOWS, length, read_task, statsforecast_model

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.backtest import BacktestResult
    from experiments.services.ledger import Ledger

FIGURES = """
    select r.model_name, sum(w.mae_path) as mae, count(w.mae_path) as n, count(*) as windows,
      sum(w.fit_seconds + w.predict_seconds) as seconds, count_if(w.status = 'failed') as failed
    from run_windows as w
    inner join model_runs as r on w.experiment_id = r.experiment_id
    group by r.model_name
"""


def main() -> None:
    """Run one backtest."""
    given, task = read_task(__doc__)
    import experiments
    from experiments.services.sources import read_covariates, read_prices

    if task["register"]:
        for name in (name for name in task["models"] if name in MODELS):
            experiments.register(name, statsforecast_model(name))
    data = read_prices(task["prices"], ledger=None).frame
    covariates = read_covariates(task["covariates"], ledger=None)
    if task["warm"]:
        with experiments.connect(given.task.with_suffix(".warm")) as ledger:
            _backtest(ledger, data.tail(length(WARM_WINDOWS, task["train"])), covariates, task, WARM_WINDOWS)
    with experiments.connect(given.task.with_suffix(".ledger")) as ledger:
        started = time.perf_counter()
        result = _backtest(ledger, data, covariates, task, task["windows"])
        seconds = time.perf_counter() - started
        memory = {"parent": _peak("self"), "worker": max(map(_peak, _children()), default=0.0)}
        figures = ledger.sql(FIGURES).to_dict("records")
        cutoffs = ledger.sql("select distinct cutoff from run_windows order by cutoff")["cutoff"]
    found = {
        "seconds": seconds,
        "n_fits": result.n_fits,
        "failed": sum(int(one["failed"]) for one in figures),
        "fit_seconds": {one["model_name"]: float(one["seconds"]) for one in figures},
        "mae": {one["model_name"]: float(one["mae"] / one["n"]) for one in figures},
        "cutoffs": [str(cutoff)[:10] for cutoff in cutoffs],
        "memory": memory,
    }
    print(json.dumps(found))


def _backtest(
    ledger: Ledger, data: pd.DataFrame, covariates: Mapping[str, pd.DataFrame], task: Mapping[str, Any], n_windows: int
) -> BacktestResult:
    import experiments

    return experiments.backtest(
        data,
        commodity="Benchmark",
        models=task["models"],
        covariates=covariates,
        horizon=HORIZON,
        n_windows=n_windows,
        step_size=task["step"],
        train_size=task["train"],
        ledger=ledger,
        progress=False,
    )


def _children() -> list[str]:
    """The workers: they wait for a next backtest when one is done."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return listed.read_text().split() if listed.exists() else []


def _peak(process: str) -> float:
    """Most MiB of memory a process has had; 0 where the system does not say."""
    status = Path("/proc") / process / "status"
    lines = status.read_text().splitlines() if status.exists() else []
    return max((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


if __name__ == "__main__":
    main()
