"""MLflow's side of a comparison, in a process of its own, on SQLite: prints one line of JSON.

Needs only mlflow, so that it may run in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

from made_runs import BEST, made_runs

ENOUGH = 1_000_000
"""More runs than it logs in any time given."""


def log(seconds: float, *, seed: int, batch: bool) -> dict[str, Any]:
    """Log whole runs of 12 metrics and 10 params until the time is up, in one of MLflow's two documented ways."""
    one = _by_log_batch() if batch else _by_fluent_calls()
    source = made_runs(ENOUGH, seed=seed)
    one(next(source))  # the imports and the first transaction
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        one(next(source))
        count += 1
    return {"runs": count, "seconds": time.perf_counter() - started}


def _by_fluent_calls() -> Any:
    import mlflow

    def one(run: dict[str, Any]) -> None:
        with mlflow.start_run(run_name=run["model_name"]):
            mlflow.log_params(_params(run))
            mlflow.log_metrics(run["metrics"])

    return one


def _by_log_batch() -> Any:
    """The fastest documented way: a client without run context, one `log_batch` a run."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient()

    def one(run: dict[str, Any]) -> None:
        run_id = client.create_run("0", run_name=run["model_name"]).info.run_id
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in run["metrics"].items()]
        client.log_batch(run_id, metrics=metrics, params=[Param(*pair) for pair in _params(run).items()])
        client.set_terminated(run_id)

    return one


def _params(run: dict[str, Any]) -> dict[str, str]:
    """Ten params, two of them what the question selects by."""
    chosen = {name: run["params"][name] for name in sorted(run["params"])[:8]}
    return chosen | {"commodity": run["commodity"], "beats_baseline": str(run["beats_baseline"])}


def ask(repeats: int) -> dict[str, Any]:
    """The best five, first in a new process and then again and again."""
    import mlflow

    seconds = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        frame = mlflow.search_runs(
            experiment_ids=["0"],
            filter_string=f"params.commodity = '{BEST}' and params.beats_baseline = 'True'",
            order_by=["metrics.mae_14day ASC"],
            max_results=5,
        )
        seconds.append(time.perf_counter() - started)
    return {"first": seconds[0], "again": median(seconds[1:]), "rows": len(frame)}


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("log", "ask"))
    parser.add_argument("--store", required=True, help="as sqlite:///runs.db")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-batch", action="store_true")
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    import mlflow

    mlflow.set_tracking_uri(given.store)
    mlflow.set_experiment(experiment_id="0")  # the default one; makes the tables where there are none
    print(
        json.dumps(
            log(given.seconds, seed=given.seed, batch=given.log_batch) if given.what == "log" else ask(given.repeats)
        )
    )


if __name__ == "__main__":
    main()
