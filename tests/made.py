"""Rows, windows and experiments made by hand, and what to count of a ledger."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.services import evidence, recorder
from experiments.services.tracking import rows as tracking
from experiments.storage.migrations import migrations
from experiments.storage.sql_files import names
from experiments.storage.table import merge_new

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

Row = dict[str, Any]

KEYS = {
    **(recorder.KEYS | evidence.KEYS | tracking.KEYS),
    "decisions": ("decision_id",),
    "models": ("model_id",),
    "schema_version": ("version",),
}
"""The key of every table."""

PINS = tracking.PINS | recorder.PINS

STARTED = dt.datetime(2025, 1, 11, 9, 30, tzinfo=dt.UTC)
MONDAY = dt.date(2024, 1, 1)


def specified_experiment() -> Row:
    """The dictionary of the specification's "Recording an experiment", as it stands there."""
    return {
        "experiment_id": str(uuid.uuid4()),
        "model_name": "sarimax_auto_weather_v1",
        "model_version": "v1",
        "run_timestamp": datetime.now(),
        "model_type": "SARIMAX",
        "hyperparameters": {
            "order": "(1,1,1)",
            "seasonal_order": "(1,1,1,7)",
            "exog_vars": "temp_c,humidity_pct,precipitation_mm",
        },
        "feature_config": {"weather": True, "vix": False, "cop_usd": False},
        "training_start_date": "2022-01-01",
        "training_end_date": "2024-12-31",
        "forecast_horizon_days": 14,
        "commodity": "Coffee",
        "mae_14day": 3.10,
        "directional_accuracy": 0.695,
        "beats_baseline": True,
        "execution_time_seconds": 45.2,
        "hardware_config": "local",
        "run_by": "Connor",
    }


def run_row(**changes: Any) -> Row:
    """A row of `model_runs` with every required column; each call is another evaluation."""
    identity = str(uuid.uuid4())
    return {
        "experiment_id": identity,
        "evaluation_key": identity,
        "model_name": "arima",
        "model_version": "v1",
        "run_timestamp": STARTED,
        "model_type": "ARIMA",
        "training_start_date": dt.date(2022, 1, 3),
        "training_end_date": dt.date(2024, 12, 30),
        "forecast_horizon_days": 14,
        "commodity": "Coffee",
        "unique_id": "Coffee",
        "status": "completed",
        "metrics_source": "computed",
        "backtest_id": "b1",
        "data_as_of": dt.date(2025, 1, 10),
        "frequency": "trading day",
        "n_windows": 40,
        "n_failed_windows": 0,
    } | changes


def backtest_row(**changes: Any) -> Row:
    """A row of `backtests`."""
    return {
        "backtest_id": "b1",
        "commodity": "Coffee",
        "frequency": "trading day",
        "horizon": 14,
        "step_size": 14,
        "n_windows": 40,
        "train_size": 1000,
        "grid_origin": dt.date(2015, 1, 2),
        "metric_version": 1,
        "created_at": STARTED,
    } | changes


def window_row(**changes: Any) -> Row:
    """A row of `run_windows`."""
    return {
        "experiment_id": "e1",
        "commodity": "Coffee",
        "unique_id": "Coffee",
        "cutoff": MONDAY,
        "day0": 100.0,
        "scale": 1.0,
        "level": 100.0,
        "status": "ok",
        "run_month": "2025-01",
    } | changes


def forecast_row(**changes: Any) -> Row:
    """A row of `forecasts`."""
    return {
        "experiment_id": "e1",
        "commodity": "Coffee",
        "unique_id": "Coffee",
        "cutoff": MONDAY,
        "step": 1,
        "ds": MONDAY + dt.timedelta(days=1),
        "y": 101.0,
        "y_hat": 100.5,
        "run_month": "2025-01",
    } | changes


def experiment_row(**changes: Any) -> Row:
    """A row of `experiments`."""
    return {
        "experiment_id": str(uuid.uuid4()),
        "name": "arima",
        "experiment_type": "backtest",
        "status": "completed",
        "started_at": STARTED,
        "ended_at": STARTED + dt.timedelta(minutes=1),
    } | changes


def environment_row(**changes: Any) -> Row:
    """A row of `environments`."""
    return {
        "environment_id": "env1",
        "captured_at": STARTED,
        "python_version": "3.11.9",
        "platform": "Linux",
        "hardware_config": "local: 2 cores",
        "packages": {"numpy": "2.4.6"},
        "variables": {},
    } | changes


def family_row(**changes: Any) -> Row:
    """A row of `families`: naive and one model."""
    return {
        "family_id": "f1",
        "commodity": "Coffee",
        "unique_id": "Coffee",
        "backtest_id": "b1",
        "metric": "mae_path",
        "frequency": "trading day",
        "forecast_horizon_days": 14,
        "step_size": 14,
        "known_at": STARTED + dt.timedelta(minutes=1),
        "data_as_of": dt.date(2025, 1, 10),
        "n_models": 2,
        "n_compared": 2,
        "n_tested": 1,
        "n_windows": 40,
        "n_shared": 40,
        "overlap": 1,
        "naive_loss": 10.0,
        "leader_name": "arima",
        "leader_version": "v1",
        "leader_loss": 9.0,
        "leader_loss_corrected": 9.2,
        "confidence_level": 0.95,
        "confidence_method": "studentized",
        "bootstrap_reps": 1000,
        "bootstrap_seed": 42,
        "evidence_version": 1,
    } | changes


def standing_row(**changes: Any) -> Row:
    """A row of `standings`: a model that beats naive."""
    return {
        "family_id": "f1",
        "commodity": "Coffee",
        "model_name": "arima",
        "model_version": "v1",
        "place": 1,
        "n_windows": 40,
        "loss": 9.0,
        "skill": 0.1,
        "naive_difference": -1.0,
        "naive_lower": -1.5,
        "naive_upper": -0.5,
        "dm_test_vs_naive": -4.0,
        "dm_pvalue": 0.001,
        "dm_pvalue_holm": 0.001,
        "naive_win_share": 0.7,
        "mcs_pvalue": 1.0,
        "in_confidence_set": True,
        "verdict": "better than naive",
    } | changes


def comparison_row(**changes: Any) -> Row:
    """A row of `comparisons`: a model and naive."""
    return {
        "family_id": "f1",
        "commodity": "Coffee",
        "model_name": "arima",
        "model_version": "v1",
        "other_name": "naive",
        "other_version": "v1",
        "difference": -1.0,
        "method": "hln",
        "n": 40,
    } | changes


def decision_row(**changes: Any) -> Row:
    """A row of `decisions`: a promotion."""
    return {
        "decision_id": str(uuid.uuid4()),
        "commodity": "Coffee",
        "unique_id": "Coffee",
        "kind": "promote",
        "model_name": "arima",
        "model_version": "v1",
        "experiment_id": "e1",
        "decided_at": STARTED,
        "decided_by": "anna",
        "forced": False,
        "rule": "better",
        "verdict": "better than naive",
        "policy": "{}",
        "evidence": "{}",
        "evidence_digest": "0",
        "follows": "",
    } | changes


def _of_run(**row: Any) -> Row:
    return {"experiment_id": "e1", "run_month": "2025-01"} | row


def point_row(**changes: Any) -> Row:
    """A row of `metrics`."""
    return _of_run(name="loss", value=0.5, logged_at=STARTED, journal_id="j1", position=0) | changes


def parameter_row(**changes: Any) -> Row:
    """A row of `hyperparameters`."""
    row = _of_run(model_id="", name="gamma", value="0.99", value_type="float", number=0.99, logged_at=STARTED)
    return row | changes


def artifact_row(**changes: Any) -> Row:
    """A row of `artifacts`: a file."""
    row = _of_run(artifact_id="a1", name="loss.png", artifact_type="plot", sha256="0" * 64, size_bytes=7, n_files=1)
    return row | {"is_folder": False, "location": "artifacts", "logged_at": STARTED} | changes


def dataset_row(**changes: Any) -> Row:
    """A row of `datasets`: content that is kept."""
    return {
        "dataset_id": "d1",
        "name": "prices",
        "content_sha256": "0" * 64,
        "created_at": STARTED,
        "created_by": "anna",
        "format": "parquet",
        "location": "artifacts",
        "n_rows": 130,
        "n_columns": 2,
        "column_types": {"ds": "date", "y": "number"},
    } | changes


def link_row(**changes: Any) -> Row:
    """A row of `experiment_datasets`."""
    return _of_run(dataset_id="d1", role="train", linked_at=STARTED) | changes


def checkpoint_row(**changes: Any) -> Row:
    """A row of `checkpoints`."""
    row = _of_run(model_id="m1", checkpoint_path="models/ep0.pth", is_best=False, registered_at=STARTED)
    return row | changes


def model_row(**changes: Any) -> Row:
    """A row of `models`: a version that is being saved."""
    return {
        "model_id": 99,
        "model_name": "spread",
        "model_type": "Ridge",
        "version": "9.0.0",
        "metrics": {"f1": 0.5},
        "file_path": "models/spread/Ridge_9_0_0.pkl",
        "file_format": "joblib",
        "sha256": "0" * 64,
        "size_bytes": 7,
        "created_at": STARTED,
        "created_by": "anna",
        "environment_id": "env1",
    } | changes


def version_row(**changes: Any) -> Row:
    """A row of `schema_version`, as every ledger has it."""
    return {"version": 1, "name": "001_data_notes", "applied_at": STARTED, "applied_by": "0.2.0"} | changes


ROWS = {
    "artifacts": artifact_row,
    "backtests": backtest_row,
    "checkpoints": checkpoint_row,
    "comparisons": comparison_row,
    "datasets": dataset_row,
    "decisions": decision_row,
    "environments": environment_row,
    "experiment_datasets": link_row,
    "experiments": experiment_row,
    "families": family_row,
    "forecasts": forecast_row,
    "hyperparameters": parameter_row,
    "metrics": point_row,
    "model_runs": run_row,
    "models": model_row,
    "run_windows": window_row,
    "schema_version": version_row,
    "standings": standing_row,
}
"""A maker of valid rows for each table."""


def put(ledger: Ledger, table: str, *rows: Row) -> int:
    """Merge rows into a table, as the recorder does."""
    assert ledger._engine is not None
    return merge_new(ledger._engine, table, rows, key=KEYS[table], pins=PINS.get(table, ()))


def put_losses(
    ledger: Ledger,
    commodity: str,
    losses: Mapping[str, Sequence[float | None]],
    *,
    naive: Sequence[float],
    first: dt.date = dt.date(2020, 1, 1),
    changes: Mapping[str, Row] | None = None,
) -> dict[str, str]:
    """An evaluation a model that loses these amounts at every step, window by window four weeks apart; None fails.

    `changes` are to the models' rows of `model_runs`. Returns the models' `experiment_id`.
    """
    ids = {}
    put(ledger, "backtests", backtest_row(backtest_id=commodity, commodity=commodity))
    tables: dict[str, list[Row]] = {"experiments": [], "run_windows": [], "forecasts": [], "model_runs": []}
    for model, own in losses.items():
        run = {"commodity": commodity, "unique_id": commodity, "backtest_id": commodity, "model_name": model}
        run = run_row(**run | {"execution_time_seconds": 1.0} | (changes or {}).get(model, {}))
        ids[model] = run["experiment_id"]
        stamp = {"experiment_id": ids[model], "commodity": commodity, "unique_id": run["unique_id"]}
        for window, (loss, of_naive) in enumerate(zip(own, naive, strict=True)):
            cutoff = first + dt.timedelta(days=28 * window)
            row = window_row(**stamp, cutoff=cutoff, mae_path=loss, naive_mae_path=of_naive, day0=100.0, level=100.0)
            if loss is None:
                tables["run_windows"].append(row | {"status": "failed", "error": "no", "naive_mae_path": None})
                continue
            tables["run_windows"].append(row)
            y = 100.0 + of_naive
            tables["forecasts"] += [
                forecast_row(
                    **stamp, cutoff=cutoff, step=step, ds=cutoff + dt.timedelta(days=step), y=y, y_hat=y - loss
                )
                for step in (1, 7, 14)
            ]
        tables["model_runs"].append(run)
        tables["experiments"].append(experiment_row(experiment_id=ids[model], ended_at=run["run_timestamp"]))
    for table, rows in tables.items():
        put(ledger, table, *rows)
    return ids


NOTHING = dict.fromkeys(names("tables"), 0) | {"schema_version": len(migrations())}
"""Rows of each table of a ledger nothing was logged to."""


def _answer(ledger: Ledger, query: str) -> list[Row]:
    """The rows of a query, without the ledger's own check of it: half the time."""
    assert ledger._engine is not None
    return [dict(row) for row in ledger._engine.spark.sql(query).toPandas().to_dict("records")]


def counts(ledger: Ledger) -> dict[str, int]:
    """Rows of each table."""
    each = " union all ".join(f"select '{table}' as name, count(*) as n from {table}" for table in names("tables"))  # noqa: S608  names from the catalog
    return {row["name"]: int(row["n"]) for row in _answer(ledger, each)}


def versions(ledger: Ledger) -> dict[str, int]:
    """Commits in each table's log: unchanged where nothing was written at all."""
    schema = ledger.path / ledger.schema
    return {table: len(list((schema / table / "_delta_log").glob("*.json"))) for table in names("tables")}


def rows_of(ledger: Ledger, table: str, where: str = "true") -> list[Row]:
    """The rows of a table or view."""
    return _answer(ledger, f"select * from {table} where {where}")  # noqa: S608  a test's own words


def windows(n: int = 10, *, horizon: int = 14, step_size: int | None = None, seed: int = 1) -> Iterator[Row]:
    """The `results` of a walk-forward loop with a model of little skill over a random walk of trading days."""
    step_size = step_size or horizon
    random = np.random.default_rng(seed)
    y = 100 + random.normal(size=60 + n * step_size + horizon).cumsum()
    ds = np.busday_offset("2020-01-01", np.arange(len(y)), roll="forward")
    for window in range(n):
        at = 60 + window * step_size
        after = slice(at + 1, at + 1 + horizon)
        yield {
            "cutoff": ds[at].item(),
            "day0": float(y[at]),
            "ds": ds[after].tolist(),
            "y": y[after].tolist(),
            "y_hat": (y[at] + 0.3 * (y[after] - y[at]) + random.normal(size=horizon)).tolist(),
            "y_train": y[: at + 1],
            "fit_seconds": 0.5,
            "predict_seconds": 0.25,
        }


CONFIG: Row = {
    "commodity": "Coffee",
    "model_type": "SARIMAX",
    "training_start_date": "2020-01-01",
    "hyperparameters": {"order": (1, 1, 1)},
    "feature_config": {"weather": True},
}
"""A `config` for the hook that announces nothing."""
