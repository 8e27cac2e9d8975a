"""What breaks each constraint of each table, the ways to write it, and what the constraints allow."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any

from experiments.storage import sql_files
from experiments.storage.arrow import arrow_table
from experiments.storage.table import _source, merge_new
from made import KEYS, MONDAY, ROWS, STARTED

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger
    from experiments.storage.engine import Engine

LATER, EARLIER = STARTED + dt.timedelta(hours=1), STARTED - dt.timedelta(hours=1)

VIOLATIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("artifacts", "type_known"): [{"artifact_type": "song"}],
    ("backtests", "counts_positive"): [{"horizon": 0}, {"step_size": -1}, {"n_windows": 0}, {"train_size": 0}],
    ("comparisons", "shares_in_unit_interval"): [
        {name: value} for name in ("pvalue", "pvalue_holm", "win_share") for value in (-0.1, 1.1)
    ],
    ("comparisons", "interval_ordered"): [{"lower": 1.0, "upper": -1.0}],
    ("datasets", "format_known"): [{"format": "csv"}],
    ("decisions", "kind_known"): [{"kind": "demote"}],
    ("decisions", "production_evaluated"): [{"experiment_id": None}, {"kind": "rollback", "unique_id": None}],
    ("decisions", "force_explained"): [{"forced": True}],
    ("decisions", "evidence_given"): [{"evidence": ""}, {"evidence_digest": ""}],
    ("experiments", "status_known"): [{"status": "done"}],
    ("experiments", "ends_after_start"): [{"ended_at": EARLIER}],
    ("families", "counts_ordered"): [
        {"n_shared": -1},
        {"n_shared": 41},
        {"n_tested": 2},
        {"n_compared": 3},
    ],
    ("families", "metric_known"): [{"metric": "mae_2day"}],
    ("forecasts", "step_positive"): [{"step": 0}],
    ("forecasts", "after_cutoff"): [{"ds": MONDAY}],
    ("hyperparameters", "type_known"): [{"value_type": "complex"}],
    ("model_runs", "horizon_positive"): [{"forecast_horizon_days": 0}],
    ("model_runs", "errors_not_negative"): [
        {name: -0.1} for name in ("mae_1day", "mae_7day", "mae_14day", "rmse_14day", "mape_14day", "mae_path")
    ],
    ("model_runs", "shares_in_unit_interval"): [
        {name: value} for name in ("directional_accuracy", "dm_pvalue", "pt_pvalue") for value in (-0.1, 1.1)
    ],
    ("model_runs", "training_dates_ordered"): [{"training_start_date": dt.date(2025, 1, 1)}],
    ("model_runs", "status_known"): [{"status": "running"}],
    ("model_runs", "metrics_source_known"): [{"metrics_source": "guessed"}],
    ("model_runs", "windows_counted"): [{"n_failed_windows": -1}, {"n_failed_windows": 41}],
    ("run_windows", "status_known"): [{"status": "skipped"}],
    ("run_windows", "failure_explained"): [{"status": "failed"}],
    ("run_windows", "direction_counted"): [
        {"n_direction_hits": -1, "n_direction_moves": 3},
        {"n_direction_hits": 4, "n_direction_moves": 3},
    ],
    ("models", "format_known"): [{"file_format": "pickle"}],
    ("models", "parentage_known"): [{"parentage": "stolen"}],
    ("standings", "shares_in_unit_interval"): [
        {name: value}
        for name in ("dm_pvalue", "leader_pvalue", "naive_win_share", "mcs_pvalue")
        for value in (-0.1, 1.1)
    ]
    + [{"dm_pvalue_holm": 1.1}, {"leader_pvalue_holm": 1.1}],
    ("standings", "intervals_ordered"): [
        {"naive_lower": 1.0, "naive_upper": -1.0},
        {"leader_lower": 1.0, "leader_upper": -1.0},
    ],
}
"""What breaks each constraint, one change to a valid row each."""

ALLOWED: dict[str, list[dict[str, Any]]] = {
    "artifacts": [{"size_bytes": 0, "metadata": {}}, {"is_folder": True, "n_files": 2}],
    "datasets": [{"dataset_id": "table", "format": "delta", "table_version": 3, "file_sha256": None}],
    "experiment_datasets": [{"role": "all"}],
    "hyperparameters": [{"value": "null", "value_type": "none", "number": None}],
    "models": [{"model_id": 2**40, "saved_at": STARTED, "metrics": {}, "parents": [1, 2], "parentage": "ensemble"}],
    "metrics": [{"value": float("nan"), "step": 2**53}, {"edges": [0.0, 1.0], "counts": [3.0], "summary": {"n": 3.0}}],
    "checkpoints": [{"model_id": "unmeasured", "val_metric": None, "sha256": None, "experiment_id": None}],
    "backtests": [{"n_windows": None, "train_size": None}, {"horizon": 1, "step_size": 1, "n_windows": 1}],
    "comparisons": [{"difference": None}, {"lower": -1.0, "upper": 1.0, "pvalue": 1.0, "pvalue_holm": 1.0}],
    "decisions": [{"kind": "prune", "unique_id": None, "experiment_id": None}, {"forced": True, "reason": "a trial"}],
    "environments": [{"packages": None, "variables": None}],
    "experiments": [{"ended_at": None}, {"ended_at": STARTED}, {"ended_at": LATER, "status": "crashed"}],
    "families": [
        {"n_models": 1, "n_compared": 1, "n_tested": 0, "n_windows": 0, "n_shared": 0},
        {"metric": "mae_14day", "leader_name": None},
    ],
    "forecasts": [{"y": -1.0, "y_hat": 0.0, "quantiles": {"0.1": -2.0}}],
    "model_runs": [
        {"directional_accuracy": 0.0, "dm_pvalue": 1.0, "mae_14day": 0.0},
        {"n_windows": None, "n_failed_windows": None},
        {"n_windows": 3, "n_failed_windows": 3, "status": "failed"},
        {"training_start_date": dt.date(2024, 12, 30)},
    ],
    "run_windows": [
        {"status": "failed", "error": "LinAlgError"},
        {"n_direction_hits": 0, "n_direction_moves": 0},
        {"scale": None, "level": None},
    ],
    "schema_version": [{"version": 0, "applied_at": None, "applied_by": None}],
    "standings": [
        {"place": None, "verdict": "not compared", "in_confidence_set": None},
        {"dm_pvalue": 0.0, "naive_win_share": 1.0, "mcs_pvalue": None},
    ],
}
"""Changes to a valid row that stay within the constraints."""

REFUSED = "(?i)constraint|check|violat|invariant"
REQUIRED = [(table, column.name) for table in ROWS for column in sql_files.columns(table) if column.required]


def engine_of(ledger: Ledger) -> Engine:
    assert ledger._engine is not None
    return ledger._engine


def fresh_row(table: str, change: dict[str, Any]) -> dict[str, Any]:
    """A valid row under a key that is not there yet, then broken."""
    row = ROWS[table]()
    if "experiment_id" not in change and "experiment_id" in row:
        row["experiment_id"] = "another"
    if table == "model_runs":
        row["evaluation_key"] = "another"
    elif table == "backtests":
        row["backtest_id"] = "another"
    elif table == "decisions":
        row["decision_id"] = str(uuid.uuid4())
    elif table in ("environments", "datasets", "checkpoints"):
        row[KEYS[table][0]] = "another"
    elif table == "schema_version":
        row["version"] = -1
    elif table == "models":
        row["model_id"] = uuid.uuid4().int >> 65
    elif "family_id" in row:
        row["family_id"] = str(uuid.uuid4())
    return row | change


def insert(engine: Engine, table: str, row: dict[str, Any]) -> None:
    arrow = arrow_table(table, [row])
    listed = ", ".join(arrow.column_names)
    with _source(engine, arrow) as source:
        engine.spark.sql(f"insert into {table} ({listed}) select {listed} from {source}").toArrow()  # noqa: S608


def merge(engine: Engine, table: str, row: dict[str, Any]) -> None:
    merge_new(engine, table, [row], key=KEYS[table])


def update(engine: Engine, table: str, change: dict[str, Any]) -> None:
    values = ", ".join(f"{name} = {literal(value)}" for name, value in change.items())
    engine.spark.sql(f"update {table} set {values}").toArrow()  # noqa: S608


def literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dt.datetime):
        return f"timestamp '{value:%Y-%m-%d %H:%M:%S}'"
    if isinstance(value, dt.date):
        return f"date '{value}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


def refused_by(error: Exception, constraint: str) -> bool:
    """Whether the engine says that it was this constraint."""
    texts = " ".join(map(sql_files.statement, *TABLE_FILES))
    condition = re.search(rf"constraints\.{constraint}' = \"([^\"]*)\"", texts)
    return constraint in str(error) or (condition is not None and condition.group(1) in str(error))


TABLE_FILES = (["tables"] * len(ROWS), list(ROWS))
