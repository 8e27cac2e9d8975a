"""Every CHECK and every NOT NULL column, on every way to write, on a table just made and on one adopted."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest

from experiments.services.ledger import connect
from experiments.services.recorder import KEYS
from experiments.storage import catalog
from experiments.storage.table import _arrow, _source, merge_new
from made import MONDAY, ROWS, STARTED, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger
    from experiments.storage.engine import Engine

pytestmark = pytest.mark.engine

LATER, EARLIER = STARTED + dt.timedelta(hours=1), STARTED - dt.timedelta(hours=1)

VIOLATIONS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("backtests", "counts_positive"): [{"horizon": 0}, {"step_size": -1}, {"n_windows": 0}, {"train_size": 0}],
    ("experiments", "status_known"): [{"status": "done"}],
    ("experiments", "ends_after_start"): [{"ended_at": EARLIER}],
    ("forecasts", "step_positive"): [{"step": 0}],
    ("forecasts", "after_cutoff"): [{"ds": MONDAY}],
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
}
"""What breaks each constraint, one change to a valid row each."""

ALLOWED: dict[str, list[dict[str, Any]]] = {
    "backtests": [{"n_windows": None, "train_size": None}, {"horizon": 1, "step_size": 1, "n_windows": 1}],
    "environments": [{"packages": None, "variables": None}],
    "experiments": [{"ended_at": None}, {"ended_at": STARTED}, {"ended_at": LATER, "status": "crashed"}],
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
}
"""Changes to a valid row that stay within the constraints."""

REFUSED = "(?i)constraint|check|violat|invariant"
REQUIRED = [(table, column.name) for table in ROWS for column in catalog.columns(table) if column.required]


@pytest.fixture(scope="module", params=["made", "adopted"])
def stocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger with one valid row in each table: its tables just made, or adopted from an earlier session."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "adopted":
        connect(folder).close()
    with connect(folder) as ledger:
        assert bool(ledger.created) == (request.param == "made")
        for table, row in ROWS.items():
            put(ledger, table, row())
        yield ledger


def engine_of(ledger: Ledger) -> Engine:
    assert ledger._engine is not None
    return ledger._engine


def contents(ledger: Ledger, table: str) -> list[str]:
    return sorted(map(str, engine_of(ledger).spark.table(table).toArrow().to_pylist()))


def fresh_row(table: str, change: dict[str, Any]) -> dict[str, Any]:
    """A valid row under a key that is not there yet, then broken."""
    row = ROWS[table]()
    if "experiment_id" not in change and "experiment_id" in row:
        row["experiment_id"] = "another"
    if table == "model_runs":
        row["evaluation_key"] = "another"
    elif table == "backtests":
        row["backtest_id"] = "another"
    elif table == "environments":
        row["environment_id"] = "another"
    return row | change


def insert(engine: Engine, table: str, row: dict[str, Any]) -> None:
    arrow = _arrow(table, [row])
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
    condition = re.search(rf"constraints\.{constraint}' = \"([^\"]*)\"", " ".join(map(catalog.statement, *TABLE_FILES)))
    return constraint in str(error) or (condition is not None and condition.group(1) in str(error))


TABLE_FILES = (["tables"] * len(ROWS), list(ROWS))


def test_every_constraint_of_every_table_is_tried() -> None:
    written = {
        (table, name)
        for table in catalog.names("tables")
        for name in re.findall(r"delta\.constraints\.(\w+)", catalog.statement("tables", table))
    }
    assert written == set(VIOLATIONS)
    assert {table for table, _ in REQUIRED} == set(catalog.names("tables"))


@pytest.mark.parametrize(("table", "constraint"), VIOLATIONS)
def test_what_violates_is_refused_on_every_way_to_write(stocked: Ledger, table: str, constraint: str) -> None:
    engine, before = engine_of(stocked), contents(stocked, table)
    changes = VIOLATIONS[table, constraint]
    merged = changes[:1] if stocked.created else changes  # on an adopted table the engine would forget
    tries = [(insert, changes[0]), (update, changes[0]), *((merge, change) for change in merged)]
    for write, change in tries:
        with pytest.raises(Exception, match=REFUSED) as caught:
            write(engine, table, change if write is update else fresh_row(table, change))
        assert refused_by(caught.value, constraint)
    assert contents(stocked, table) == before


@pytest.mark.parametrize("table", ROWS)
def test_a_required_column_refuses_null(stocked: Ledger, table: str) -> None:
    before = contents(stocked, table)
    write = insert if stocked.created else merge
    for column in [name for one, name in REQUIRED if one == table]:
        with pytest.raises(Exception, match=REFUSED):
            write(engine_of(stocked), table, fresh_row(table, {column: None}))
    assert contents(stocked, table) == before


@pytest.mark.parametrize("table", ROWS)
def test_rows_within_the_constraints_are_taken(stocked: Ledger, table: str) -> None:
    for position, change in enumerate(ALLOWED[table]):
        row = fresh_row(table, {})
        for key in ("experiment_id", "evaluation_key", "backtest_id", "environment_id"):
            if key in row:
                row[key] = f"allowed {position}"
        assert put(stocked, table, row | change) == 1
