"""Runs as the tracker leaves them in the tables, made by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.identity import digest, uuid7
from experiments.services.tracking.rows import merge, month_of

if TYPE_CHECKING:
    from experiments.storage.engine import Engine

Row = dict[str, Any]

BEGAN = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)

ODD = 'it\'s; drop table "metrics" --\n🙂 %_\\'
"""A name with quotes, a newline, an emoji and SQL."""


def run_id(of: str, when: dt.datetime = BEGAN) -> str:
    """The id of the run called so."""
    return uuid7(when, of=of)


def run_of(name: str, when: dt.datetime = BEGAN, **changes: Any) -> Row:
    """A row of `experiments`."""
    return {
        "experiment_id": run_id(name, when),
        "name": name,
        "experiment_type": "rl",
        "status": "completed",
        "started_at": when,
        "ended_at": when + dt.timedelta(seconds=90),
    } | changes


def logged(experiment_id: str, name: str, values: Sequence[float], first: int = 0, **columns: Any) -> list[Row]:
    """Rows of `metrics`, a second after each other; of a column that is a sequence each row has its own."""
    return [
        {
            "experiment_id": experiment_id,
            "name": name,
            "value": value,
            "logged_at": BEGAN + dt.timedelta(seconds=first + place),
            "journal_id": "j",
            "position": first + place,
            "run_month": month_of(experiment_id),
        }
        | {column: given[place] if isinstance(given, list) else given for column, given in columns.items()}
        for place, value in enumerate(values)
    ]


def parameters_of(experiment_id: str, given: Mapping[str, Any], model_id: str = "") -> list[Row]:
    """Rows of `hyperparameters`."""
    kinds = {type(None): "none"}
    return [
        {
            "experiment_id": experiment_id,
            "model_id": model_id,
            "name": name,
            "value": json.dumps(value),
            "value_type": kinds.get(type(value), type(value).__name__),
            "number": float(value) if isinstance(value, bool | int | float) else None,
            "logged_at": BEGAN,
            "run_month": month_of(experiment_id),
        }
        for name, value in given.items()
    ]


def artifact_of(experiment_id: str, name: str, sha256: str = "ab" * 32, **changes: Any) -> Row:
    """A row of `artifacts`."""
    return {
        "artifact_id": digest([experiment_id, name, sha256]),
        "experiment_id": experiment_id,
        "name": name,
        "artifact_type": "other",
        "sha256": sha256,
        "size_bytes": 1_234_567,
        "n_files": 1,
        "is_folder": False,
        "location": "artifacts",
        "logged_at": BEGAN,
        "run_month": month_of(experiment_id),
    } | changes


def dataset_of(name: str, **changes: Any) -> Row:
    """A row of `datasets`."""
    return {
        "dataset_id": f"id of {name}",
        "name": name,
        "content_sha256": "cd" * 32,
        "created_at": BEGAN,
        "created_by": "me",
        "source": "prices.csv",
        "format": "parquet",
        "location": "datasets/x.parquet",
        "n_rows": 1000,
        "n_columns": 2,
        "column_types": {"ds": "date", "y": "double"},
    } | changes


def link_of(experiment_id: str, dataset_id: str, role: str = "all") -> Row:
    """A row of `experiment_datasets`."""
    return {
        "experiment_id": experiment_id,
        "dataset_id": dataset_id,
        "role": role,
        "linked_at": BEGAN,
        "run_month": month_of(experiment_id),
    }


def model_of(experiment_id: str | None, name: str, when: dt.datetime = BEGAN, **changes: Any) -> Row:
    """A row of `checkpoints`."""
    return {
        "model_id": uuid7(when, of=f"{experiment_id} {name}"),
        "experiment_id": experiment_id,
        "checkpoint_path": name,
        "is_best": False,
        "registered_at": when,
        "run_month": f"{when:%Y-%m}",
    } | changes


def environment_of(name: str, **changes: Any) -> Row:
    """A row of `environments`."""
    return {
        "environment_id": name,
        "captured_at": BEGAN,
        "python_version": "3.11.9",
        "platform": "Linux",
        "hardware_config": "local: 2 cores",
        "packages": {"numpy": "2.4.6", "torch": "2.9.0"},
        "variables": {"OMP_NUM_THREADS": "2"},
    } | changes


def fill(engine: Engine, **tables: Sequence[Row]) -> None:
    """Rows into the tables of run tracking, as the tracker commits them."""
    for table, rows in tables.items():
        merge(engine, table, rows)


def two_runs(engine: Engine) -> tuple[str, str]:
    """Two runs that differ in something of every kind, `a` before `b`, and a part of `a`; returns their ids."""
    later = BEGAN + dt.timedelta(days=40)
    a, b = run_id("a" + ODD), run_id("b", later)
    best = model_of(a, "ep10.pth", later, episode_num=10, val_metric=0.5, is_best=True)
    code = {"git_commit": "c0ffee", "git_branch": "main", "git_remote": "git@host:r.git"}
    fill(
        engine,
        environments=[environment_of("e1"), environment_of("e2", packages={"numpy": "2.4.7"}, variables={})],
        experiments=[
            run_of(
                "a" + ODD,
                tags=["bitcoin", ODD, "k=v"],
                random_seed=42,
                seeded=["random", "numpy"],
                environment_id="e1",
                git_dirty=False,
                command=["python", "train.py", "--x"],
                working_folder="examples",
                run_by="me",
                notes=ODD,
                **code,
            ),
            run_of("b", later, status="failed", environment_id="e2", git_dirty=True, random_seed=42, **code),
            run_of("part", BEGAN + dt.timedelta(seconds=5), parent_id=a, status="running", ended_at=None),
            run_of("other", BEGAN - dt.timedelta(days=400), experiment_type="classification", status="crashed"),
        ],
        hyperparameters=[
            *parameters_of(a, {"lr": 3e-4, "n": 1, ODD: ODD, "same": {"x": 1, "y": [2]}, "only": None}),
            *parameters_of(a, {"depth": 3}, model_id=best["model_id"]),
            *parameters_of(b, {"lr": 1e-3, "n": 1.0, ODD: ODD, "same": {"y": [2], "x": 1}}),
        ],
        metrics=[
            *logged(a, ODD, [3.0, float("nan"), float("inf")], step=[0, 2**60 + 1, None]),
            *logged(a, "loss", [2.0, 1.0], first=3, step=[1, 2]),
            *logged(a, "gone", [float("nan")], first=5),
            *logged(
                a, "weights", [0.5], first=6, edges=[[0.0, 0.5, 1.0]], counts=[[1.0, 3.0]], summary=[{"n": 4.0}], step=1
            ),
            *logged(b, "loss", [5.0], step=1),
            *logged(b, "gone", [float("nan")], first=1),
        ],
        artifacts=[artifact_of(a, ODD, metadata={"k": ODD}), artifact_of(b, "code.diff", artifact_type="code")],
        datasets=[dataset_of("prices"), dataset_of("prices", dataset_id="id of newer prices")],
        experiment_datasets=[
            link_of(a, "id of prices", "train"),
            link_of(a, "nowhere"),
            link_of(b, "id of newer prices", "train"),
        ],
        checkpoints=[best, model_of(a, "ep0.pth", size_bytes=5)],
    )
    return a, b
