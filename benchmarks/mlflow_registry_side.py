"""MLflow's side of the registry, in a process of its own, on SQLite: prints one line of JSON.

Needs only mlflow and scikit-learn, so that it may run in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

PER_MODEL = 10
"""Versions of each model, as `registry_side.py` fills ours."""

REQUIREMENTS = ["scikit-learn"]
"""Given, so that MLflow does not look for them: its fastest way to log a model."""

# what a made version's rows have of their own; all else is as in the rows of the one that was logged
MADE = {
    "runs": {"run_uuid": "printf('%032x', n.i)"},
    "metrics": {"run_uuid": "printf('%032x', n.i)", "value": "abs(random()) / 9.3e18"},
    "params": {"run_uuid": "printf('%032x', n.i)"},
    "tags": {"run_uuid": "printf('%032x', n.i)"},
    "latest_metrics": {"run_uuid": "printf('%032x', n.i)", "value": "abs(random()) / 9.3e18"},
    "logged_models": {"model_id": "printf('m-%032x', n.i)"},
    "logged_model_params": {"model_id": "printf('m-%032x', n.i)", "run_id": "printf('%032x', n.i)"},
    "logged_model_metrics": {
        "model_id": "printf('m-%032x', n.i)",
        "run_id": "printf('%032x', n.i)",
        "metric_value": "abs(random()) / 9.3e18",
    },
    "registered_models": {"name": "printf('model %d', n.i)"},
    "model_versions": {
        "name": f"printf('model %d', n.i / {PER_MODEL})",
        "version": f"n.i % {PER_MODEL} + 1",
        "run_id": "printf('%032x', n.i)",
    },
}
"""By table, in an order in which what is referred to is there first."""


def log(name: str, seed: float) -> Any:
    """A run with its metrics and parameters, its model logged and registered."""
    import mlflow

    with mlflow.start_run():
        mlflow.log_params({"alpha": 1.0})
        mlflow.log_metrics({"f1": seed, "mae": 1 - seed})
        return mlflow.sklearn.log_model(
            made_model(), name="model", registered_model_name=name, pip_requirements=REQUIREMENTS
        )


_made: list[Any] = []


def made_model() -> Any:
    """A small fitted model, the same as on our side."""
    if not _made:
        import numpy as np
        from sklearn.linear_model import Ridge

        x = np.random.default_rng(1).normal(size=(100, 10))
        _made.append(Ridge().fit(x, x.sum(axis=1)))
    return _made[0]


def fill(store: str, versions: int) -> dict[str, Any]:
    """Log one version, then add the others by SQL: rows like the first, with its file."""
    started = time.perf_counter()
    log("template", 0.0)
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as connection, connection:
        for table, own in MADE.items():
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            count = -(-versions // PER_MODEL) if table == "registered_models" else versions
            listed = ", ".join(f'"{name}"' for name in columns)
            chosen = ", ".join(own.get(name, f't."{name}"') for name in columns)
            connection.execute(
                f"with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < {count}) "  # noqa: S608
                f"insert into {table} ({listed}) select {chosen} from n cross join {table} t "
                f"where t.rowid in (select rowid from {table})"
            )
    return {"versions": versions, "seconds": time.perf_counter() - started}


def measure(versions: int, repeats: int, seed: int) -> dict[str, list[float]]:
    """Seconds of each thing that is done with a registry, the first time and again."""
    import mlflow
    from mlflow import MlflowClient

    client, rng = MlflowClient(), random.Random(seed)  # noqa: S311  no secret
    made_model()
    spent: dict[str, list[float]] = {}

    def timed(what: str, do: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = do()
        spent.setdefault(what, []).append(time.perf_counter() - started)
        return found

    made = client.get_experiment_by_name("made").experiment_id

    def best() -> Any:
        run = client.search_runs([made], order_by=["metrics.f1 DESC"], max_results=1)[0]
        return client.search_model_versions(f"run_id = '{run.info.run_id}'")[0]

    for turn in range(repeats + 1):
        name = f"model {rng.randrange(max(versions // PER_MODEL, 1))}"
        listed = timed("list", lambda name=name: list(client.search_model_versions(f"name = '{name}'")))
        if len(listed) < min(versions, PER_MODEL):
            sys.exit(f"{name} has {len(listed)} versions")
        timed("best", best)
        version = listed[rng.randrange(len(listed))].version
        timed("load", lambda name=name, v=version: mlflow.sklearn.load_model(f"models:/{name}/{v}"))
        timed("save", lambda turn=turn: log(f"new {seed} {turn % 3}", 0.5))
        other = listed[rng.randrange(len(listed))].version
        timed("alias", lambda name=name, v=other: client.set_registered_model_alias(name, "champion", v))
        timed("load champion", lambda name=name: mlflow.sklearn.load_model(f"models:/{name}@champion"))
    return spent


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fill", "measure"))
    parser.add_argument("--store", required=True, help="as sqlite:///runs.db")
    parser.add_argument("--versions", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import logging

    import mlflow
    import mlflow.sklearn

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(given.store)
    mlflow.set_registry_uri(given.store)
    folder = Path(given.store.removeprefix("sqlite:///")).with_suffix(".files")
    client = mlflow.MlflowClient()
    if client.get_experiment_by_name("made") is None:
        client.create_experiment("made", artifact_location=folder.as_uri())
    mlflow.set_experiment("made")
    if given.what == "fill":
        print(json.dumps(fill(given.store, given.versions)))
    else:
        print(json.dumps(measure(given.versions, given.repeats, given.seed)))


if __name__ == "__main__":
    main()
