"""Both engines write one ledger by turns: all is there, nothing twice, and each reads what the other wrote."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from contract.content import frame, same
from experiments.errors import ConflictError
from experiments.services.ledger import Ledger, connect
from experiments.storage import files, sql_files, table
from made import CONFIG, NOTHING, forecast_row, put, rows_of, run_row, versions, windows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.engine, pytest.mark.spark]

ODD = {
    "run_timestamp": dt.datetime(1999, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC),
    "hyperparameters": {"": "", "order": "(1, 1, 1)", "ä 'quoted' \"\\": "null"},
    "feature_config": {"vix": False, "weather": True},
    "training_start_date": dt.date(1583, 1, 1),
    "training_end_date": dt.date(2200, 2, 28),
    "forecast_horizon_days": 2**31 - 1,
    "mae_14day": 5e-324,
    "dm_test_vs_naive": -10.096181835387359,
    "cost_estimate_usd": 1.7976931348623157e308,
    "directional_accuracy": 0.1 + 0.2,
    "notes": "Käse 日本 🛢️\nzweite Zeile\t%20 'x' \\",
    "beats_baseline": False,
}
"""Values at the edges of their types."""


def log(ledger: Ledger, name: str, seed: int) -> str:
    return [ledger.log_experiment(name, one, CONFIG | {"n_windows": 2}) for one in windows(2, seed=seed)][-1]


def see(ledger: Ledger, other: Ledger) -> None:
    for name in sql_files.names("tables"):
        same(frame(ledger, name), frame(other, name))


def plain(value: Any) -> Any:
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime().replace(tzinfo=dt.UTC)
    return dict(value) if isinstance(value, dict | list) else value


def test_by_turns(spark: SparkSession, tmp_path: Path, name: str) -> None:
    with connect(tmp_path, schema=name) as sail:
        first = log(sail, "one", 1)
        put(sail, "model_runs", run_row(experiment_id="odd of sail", evaluation_key="odd of sail", **ODD))
        put(sail, "forecasts", forecast_row(quantiles={"0.1": -1.5, "0.9": 0.1}))
    with connect(tmp_path, schema=name, engine="spark") as other:
        assert other.created == ()
        before = versions(other)
        assert log(other, "one", 1) == first
        assert versions(other) == before
        with pytest.raises(ConflictError, match="recorded as"):
            log_changed(other)
        assert versions(other) == before
        second = log(other, "two", 2)
        put(other, "model_runs", run_row(experiment_id="odd of spark", evaluation_key="odd of spark", **ODD))
        for one in sql_files.names("tables"):
            files.compact(tmp_path / name / one)
        assert {run["experiment_id"] for run in rows_of(other, "model_runs")} >= {first, second}
    with connect(tmp_path, schema=name) as sail:
        assert sail.created == ()
        assert log(sail, "two", 2) == second
        log(sail, "three", 3)
        expected = {"model_runs": 5, "experiments": 3, "run_windows": 6, "forecasts": 3 * 28 + 1, "backtests": 1}
        everywhere = NOTHING | {"environments": 1}
        with connect(tmp_path, schema=name, engine="spark") as other:
            see(other, sail)
            assert {one: len(frame(other, one)) for one in sql_files.names("tables")} == everywhere | expected
            for ledger in (other, sail):
                for run in rows_of(ledger, "model_runs", "experiment_id like 'odd%'"):
                    assert {column: plain(run[column]) for column in ODD} == ODD
                    assert run["run_month"] == "1999-12"


def log_changed(ledger: Ledger) -> None:
    """The evaluation of before with another forecast."""
    first, last = windows(2, seed=1)
    for one in (first, last | {"y_hat": [value + 1 for value in last["y_hat"]]}):
        ledger.log_experiment("one", one, CONFIG | {"n_windows": 2})


def test_a_checkpoint_of_delta_rs_is_read_and_written_on(
    spark: SparkSession, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(tmp_path / "old", schema=name) as sail:
        for number in range(4):
            put(sail, "model_runs", run_row(model_name=str(number)))
        files.compact(tmp_path / "old" / name / "model_runs")
    # Spark has never seen the copy, so it starts from the checkpoint
    (tmp_path / "new").mkdir()
    shutil.copytree(tmp_path / "old" / name, tmp_path / "new" / name)
    monkeypatch.setattr(table, "COMPACT_EVERY", 2)
    with connect(tmp_path / "new", schema=name, engine="spark") as other:
        for number in range(3, 6):  # compacted by the writer meanwhile
            put(other, "model_runs", run_row(model_name=str(number)))
        assert sorted(run["model_name"] for run in rows_of(other, "model_runs")) == ["0", "1", "2", "3", "3", "4", "5"]
        with connect(tmp_path / "new", schema=name) as sail:
            same(frame(sail, "model_runs"), frame(other, "model_runs"))
