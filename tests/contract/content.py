"""What the suite fills a ledger with, by every way in, and how it compares what two engines say of it."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from experiments import DatabricksWriter, DatasetManager, ExperimentTracker, ModelRegistry, backtest
from experiments.services.ledger import Ledger
from experiments.storage import sql_files
from made import CONFIG, STARTED, model_row, point_row, put, specified_experiment, versions, windows

Twins = dict[tuple[str, str], Ledger]
"""By the engine that made the tables and filled them, and the engine that this connection uses."""

SCHEMAS = {"sail": "experiments", "spark": "made_by_spark"}
"""A schema for each maker: one Spark session holds both."""

JAVA = (
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmn300m -XX:MetaspaceSize=512m -XX:ReservedCodeCacheSize=240m"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
)
"""Next to nothing runs often enough to be compiled well; room, so that neither classes nor code are swept out again;
the classes, released as they are, need no proof.
"""

MODELS = ("naive", "random_walk", "seasonal_naive")

VOLATILE = {
    "applied_at",
    "artifact_id",
    "captured_at",
    "cost_estimate_usd",
    "created_at",
    "decided_at",
    "decision_id",
    "ended_at",
    "evidence",
    "evidence_digest",
    "execution_time_seconds",
    "experiment_id",
    "family_id",
    "file_path",
    "fit_seconds",
    "follows",
    "journal_id",
    "known_at",
    "linked_at",
    "location",
    "logged_at",
    "model_id",
    "parent_id",
    "position",
    "predict_seconds",
    "registered_at",
    "run_month",
    "run_timestamp",
    "saved_at",
    "started_at",
    "table_versions",
    "undoes",
}
"""Columns that hold when, where, how fast and under which id: no two recordings share them."""

TAG = "paper=1"
"""What the tracked runs are tagged with."""

PARAMETERS = {
    "learning_rate": 3e-4,
    "layers": [64, 32],
    "optimizer": {"name": "adam", "betas": [0.9, 0.999]},
    "n_steps": 2**60 + 1,
    "shuffle": True,
    "scheduler": None,
    "note": "it's a \\ and a \N{SNOWMAN}",
}
"""One hyperparameter of every type."""


def prices(n: int = 130) -> pd.DataFrame:
    """A random walk on business days of 2024, so that every date lies after those of the windows by hand."""
    y = 100 + np.random.default_rng(7).normal(size=n).cumsum()
    return pd.DataFrame({"ds": pd.bdate_range("2024-01-02", periods=n), "y": y})


def covariate(n: int = 130) -> pd.DataFrame:
    """Another random walk on the same days."""
    return prices(n).assign(y=lambda frame: frame["y"].to_numpy()[::-1])


def failed_window() -> dict[str, Any]:
    """A window whose model did not converge."""
    window = next(windows(1, seed=3))
    return {name: window[name] for name in ("cutoff", "day0")} | {"error": "LinAlgError: no convergence"}


def reported() -> list[dict[str, Any]]:
    """Figures a caller computed: three that beat naive, one without the ids and maps, three of a poor model."""
    winners = [
        {"model_name": f"winner_{n}", "mae_14day": 3.0 + n / 7, "beats_baseline": True, "dm_pvalue": 0.01 / (n + 1)}
        for n in range(3)
    ]
    poor = [
        {"model_name": "poor", "model_type": "Prophet", "mae_14day": 8.1 + n, "beats_baseline": False}
        | {"hyperparameters": None, "feature_config": None, "execution_time_seconds": 90.1}
        for n in range(3)
    ]
    told = []
    for n, figures in enumerate([*winners, *poor]):
        when = STARTED + dt.timedelta(days=20 * n, milliseconds=7)
        told.append(specified_experiment() | {"experiment_id": f"told-{n}", "run_timestamp": when} | figures)
    return told


def fill(ledger: Ledger, *, workers: int | str) -> None:
    """Record the same again by every way in, in the same order, whoever fits."""
    for window in windows(3):
        ledger.log_experiment("mine", window, CONFIG | {"n_windows": 3, "tags": ["a", "b"], "random_seed": 7})
    backtest(
        prices(),
        commodity="Cocoa",
        models=MODELS,
        covariates={"vix": covariate()},
        horizon=5,
        n_windows=12,
        workers=workers,
        ledger=ledger,
        progress=False,
    )
    with DatabricksWriter(schema=ledger.schema) as writer:
        for experiment in reported():
            writer.write_experiment(experiment)
    ledger.log_experiment("failing", failed_window(), CONFIG | {"n_windows": 1, "forecast_horizon_days": 14})
    for model in ("random_walk", "seasonal_naive"):
        ledger.decisions.promote(model, "Cocoa", force=True, reason="to have had one")
    ledger.decisions.rollback("Cocoa")
    for _ in range(2):
        ledger.decisions.prune("Coffee", rule="specified")
        ledger.decisions.restore("poor", "Coffee")
    ledger.decisions.prune("Coffee", rule="specified")
    track(ledger)


def track(ledger: Ledger) -> None:
    """A tracked run with one of everything, and a part of it."""
    datasets = DatasetManager(ledger)
    dataset_id = datasets.register_dataset(
        prices(20),
        "cocoa",
        time_column="ds",
        target_columns=["y"],
        splits={"train": 0.75, "test": 0.25},
        metadata={"unit": "USD"},
    )
    with ExperimentTracker(ledger) as run:
        of = run.start_experiment("tracked", "rl", tags=["rl", TAG], random_seed=42, notes="by hand")
        assert len(datasets.load(dataset_id, "train")) == 15
        run.log_hyperparameters_batch(PARAMETERS)
        for step, loss in enumerate([0.5, float("nan"), float("inf"), 0.25]):
            run.log_metric("loss", loss, step=step, episode=2**53 + 1)
        run.log_metric("done", 1.0)
        run.log_distribution("weights", np.arange(8.0), epoch=1, bins=4)
        run.log_artifact(b"step 3: 0.25", "train.log", metadata={"unit": "USD"})
        model = ModelRegistry(ledger=ledger).register_model(of, "ep3.pth", episode_num=3, val_metric=0.25, is_best=True)
        run.log_hyperparameter("temperature", 0.5, model)
        with run.child("part", "rl", tags=[TAG]) as part:
            part.log_metric("loss", 2.0, step=1)
    run.flush()
    put(ledger, "metrics", point_row(experiment_id="told-0", journal_id="sqlite:a journal"))  # as if imported
    save_models(ledger)


def save_models(ledger: Ledger) -> None:
    """Versions of two models in every state there is, and one that was never finished."""
    registry = ModelRegistry(ledger=ledger)
    told = {"description": "told", "intended_use": "to be compared", "limitations": "none"}
    metrics = {"f1": 0.75, "mae": float("nan")}
    first = registry.save_model({"w": 1.0}, "spread", "dict", metrics, {"alpha": 0.1}, **told)
    registry.save_model({"w": 2.0}, "spread", "dict", {"f1": 0.5}, version="1.0.10", fine_tuned_from=first)
    third = registry.save_model({"w": 3.0}, "spread", "dict", {"f1": 0.625})
    registry.save_model({"w": 4.0}, "both", "list", {}, ensemble_of=[first, third])
    for version in ("1.0.0", "1.0.11", "1.0.10"):
        registry.promote("spread", version, reason="the next")
    registry.rollback("spread")
    registry.promote("both", "1.0.0", "challenger")
    registry.delete_model(registry.save_model({"w": 5.0}, "spread", "dict", {"f1": 1.0}))
    put(ledger, "models", model_row())


def engine_sql(ledger: Ledger, query: str) -> Any:
    """The engine's own frame for a query."""
    assert ledger._engine is not None
    return ledger._engine.spark.sql(query)


def frame(ledger: Ledger, name: str) -> pd.DataFrame:
    """A table or view as pandas has it, its rows in an order that depends on nothing computed."""
    return _frame(ledger, name, tuple(versions(ledger).values())).copy()


@cache
def _frame(ledger: Ledger, name: str, _versions: tuple[int, ...]) -> pd.DataFrame:
    """Asked once as long as nothing is written: many tests look at the same."""
    return in_order(engine_sql(ledger, f"select * from {name}").toPandas())  # noqa: S608  names from the catalog


def in_order(found: pd.DataFrame) -> pd.DataFrame:
    """Maps and lists as plain tuples, rows sorted by all that is no floating-point number."""
    found = plain(found)
    keys = found.select_dtypes(exclude="floating").astype(str).apply(tuple, axis=1)
    return found.iloc[sorted(range(len(found)), key=lambda row: keys.iloc[row])].reset_index(drop=True)


def plain(found: pd.DataFrame) -> pd.DataFrame:
    """Maps and lists as plain tuples, rows as they come."""
    return found.apply(lambda column: column.map(_plain) if column.dtype == object else column)


def types(ledger: Ledger, query: str) -> list[tuple[str, str]]:
    """The columns of a query, in order, with their types."""
    return list(engine_sql(ledger, query).dtypes)


def content(ledger: Ledger, table: str) -> pd.DataFrame:
    """A table without what no two recordings share: a run goes by its name, a family by what it compares."""
    runs = frame(ledger, "experiments")
    names = dict(zip(runs["experiment_id"], runs["name"], strict=True))
    found = frame(ledger, table)
    for column in ("experiment_id", "parent_id"):
        if column in found:
            found.insert(0, f"name of {column}", found[column].map(names))
    if "family_id" in found:
        families = frame(ledger, "families").set_index("family_id")
        about = families[[name for name in ("commodity", "unique_id", "backtest_id", "metric") if name in families]]
        found.insert(0, "family", found["family_id"].map(about.astype(str).agg(" ".join, axis=1)))
    return in_order(found.drop(columns=VOLATILE & set(found)))


def same(found: pd.DataFrame, expected: pd.DataFrame, *, within: float = 0.0) -> None:
    """See that two frames agree in columns, types, order and values; numbers to the bit unless told."""
    pd.testing.assert_frame_equal(found, expected, rtol=within, atol=0.0, check_exact=None if within else True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):  # NaN equals nothing, not even within what is equal
        return tuple(sorted((name, "NaN" if one != one else one) for name, one in value.items()))  # noqa: PLR0124
    return tuple(value) if isinstance(value, list | np.ndarray) else value


QUERIES = [name for name in sql_files.names("statements") if not name.startswith("merge_")]
"""The statements that ask; those that write are behind every row of a ledger."""
