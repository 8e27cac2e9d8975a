"""Our side of a comparison, in a process of its own: prints one line of JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

from made_runs import BEST, made_runs

SCHEMA = "experiments"
CHUNK = 10_000
TOP5 = f"""
    SELECT model_name, model_version, mae_14day, directional_accuracy, execution_time_seconds, run_timestamp
    FROM commodity.experiments.model_runs
    WHERE commodity = '{BEST}' AND beats_baseline = TRUE
    ORDER BY mae_14day ASC
    LIMIT 5
"""  # noqa: S608  the specification's words, with a name of ours
ASKED = {
    "top 5": TOP5,
    "view best_models": f"select * from best_models where commodity = '{BEST}'",  # noqa: S608
    "view leaderboard": f"select * from leaderboard where commodity = '{BEST}'",  # noqa: S608
    "view leaderboard, all": "select * from leaderboard",
}


def log(path: Path, runs: int, *, seed: int, batch: bool) -> dict[str, Any]:
    """Log runs through `DatabricksWriter`: all collected by its context manager, or one by one."""
    from experiments import DatabricksWriter, connect

    experiments = [_experiment(run) for run in made_runs(runs + 1, seed=seed)]
    with connect(path):
        DatabricksWriter(schema=SCHEMA).write_experiment(experiments.pop())  # the imports and the first commit
        started = time.perf_counter()
        if batch:
            with DatabricksWriter(schema=SCHEMA) as writer:
                for experiment in experiments:
                    writer.write_experiment(experiment)
        else:
            writer = DatabricksWriter(schema=SCHEMA)
            for experiment in experiments:
                writer.write_experiment(experiment)
        seconds = time.perf_counter() - started
    return {"runs": runs, "seconds": seconds}


def _experiment(run: dict[str, Any]) -> dict[str, Any]:
    """The specification's dictionary, filled: 12 metrics, 10 hyperparameters, dates as text."""
    given = {name: value for name, value in run.items() if name not in ("params", "metrics")}
    return given | run["metrics"] | _described(run) | {"training_start_date": "2020-01-01"}


def _described(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "hyperparameters": run["params"],
        "feature_config": {"weather": True, "vix": False},
        "training_end_date": "2023-12-29",
        "forecast_horizon_days": 14,
        "hardware_config": "local",
        "run_by": "benchmark",
    }


def fill(path: Path, runs: int) -> dict[str, Any]:
    """Fill `model_runs` through the storage layer's `merge_new`, in chunks in order of time, and one backtest each."""
    from experiments.identity import uuid7
    from experiments.services.recorder import KEYS, PINS
    from experiments.storage import catalog, engine
    from experiments.storage.table import merge_new

    path.mkdir(parents=True)
    running = engine.start("sail", path, catalog=engine.CATALOG, schema=SCHEMA)
    catalog.open_tables(running)
    started, written, commodities = time.perf_counter(), 0, set()
    source = made_runs(runs, seed=0)
    while chunk := list(itertools.islice(source, CHUNK)):
        rows = [_row(run, uuid7(run["run_timestamp"])) for run in chunk]
        written += merge_new(running, "model_runs", rows, key=KEYS["model_runs"], pins=PINS["model_runs"])
        commodities |= {row["commodity"] for row in rows}
    backtests = [_backtest(commodity) for commodity in sorted(commodities)]
    merge_new(running, "backtests", backtests, key=KEYS["backtests"], pins=PINS["backtests"])
    seconds = time.perf_counter() - started
    folder = path / SCHEMA / "model_runs"
    files = [file for file in folder.rglob("*.parquet") if "_delta_log" not in file.parts]
    running.close()
    return {
        "runs": written,
        "seconds": seconds,
        "files": len(files),
        "partitions": len({file.parent for file in files}),
        "bytes": sum(file.stat().st_size for file in files),
    }


def _row(run: dict[str, Any], experiment_id: str) -> dict[str, Any]:
    """A row of `model_runs` as a finished backtest would leave it."""
    given = {name: value for name, value in run.items() if name not in ("params", "metrics")}
    as_of = run["run_timestamp"].date()
    return (
        given
        | run["metrics"]
        | _described(run)
        | {
            "experiment_id": experiment_id,
            "evaluation_key": experiment_id,
            "training_start_date": dt.date(2020, 1, 1),
            "training_end_date": as_of - dt.timedelta(days=20),
            "data_as_of": as_of,
            "is_production": False,
            "status": "completed",
            "metrics_source": "computed",
            "backtest_id": f"backtest_{run['commodity']}",
            "frequency": "trading day",
            "n_windows": 40,
            "n_failed_windows": 0,
            "dm_n": 40,
        }
    )


def _backtest(commodity: str) -> dict[str, Any]:
    return {
        "backtest_id": f"backtest_{commodity}",
        "commodity": commodity,
        "frequency": "trading day",
        "horizon": 14,
        "step_size": 14,
        "n_windows": 40,
        "train_size": 1000,
        "grid_origin": dt.date(2020, 1, 1),
        "covariates": {},
        "metric_version": 1,
        "created_at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    }


def ask(path: Path, repeats: int) -> dict[str, Any]:
    """Ask each question once in a new session, and then again and again."""
    from experiments import connect

    found: dict[str, Any] = {}
    started = time.perf_counter()
    with connect(path, create=False) as ledger:
        connected = time.perf_counter() - started
        for name, query in ASKED.items():
            seconds = []
            for _ in range(1 + repeats):
                started = time.perf_counter()
                rows = len(ledger.sql(query))
                seconds.append(time.perf_counter() - started)
            found[name] = {"first": seconds[0], "again": median(seconds[1:]), "rows": rows}
    return {"connect": connected, "asked": found}


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("log", "fill", "ask"))
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    if given.what == "log":
        result = log(given.ledger, given.runs, seed=given.seed, batch=not given.one_by_one)
    elif given.what == "fill":
        result = fill(given.ledger, given.runs)
    else:
        result = ask(given.ledger, given.repeats)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
