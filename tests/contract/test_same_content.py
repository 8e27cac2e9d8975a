"""The same calls on both engines: the same tables, and the same answers of every view and statement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from contract.content import MODELS, QUERIES, TAG, content, engine_sql, frame, in_order, plain, same, types
from experiments.errors import InvalidInputError
from experiments.storage import sql_files
from experiments.storage.table import check_rows, rows_with_key, select, select_among
from made import counts, run_row
from violating import engine_of

if TYPE_CHECKING:
    from contract.content import Twins
    from experiments.services.ledger import Ledger

pytestmark = [pytest.mark.engine, pytest.mark.spark]

WITHIN = 1e-12
"""Relative: engines add in another order."""

SPECIFIED = Path(__file__).parents[1] / "services" / "spec_queries"

MAKERS = ("sail", "spark")

LATER = "2999-12-31T00:00:00+00:00"


def an_evaluation(ledger: Ledger, model: str = "naive") -> dict[str, Any]:
    found = frame(ledger, "model_runs").set_index("model_name", drop=False).loc[model]
    return {str(name): value for name, value in found.items()}


def asked(name: str, **parameters: Any) -> Callable[[Ledger], pd.DataFrame]:
    return lambda ledger: plain(select(engine_of(ledger), name, **parameters))


def of_evaluation(name: str, *columns: str) -> Callable[[Ledger], pd.DataFrame]:
    def ask(ledger: Ledger) -> pd.DataFrame:
        run = an_evaluation(ledger)
        return select(engine_of(ledger), name, **{column: run[column] for column in columns})

    return ask


def known(ledger: Ledger) -> pd.DataFrame:
    keys = frame(ledger, "run_windows")["window_key"].dropna().tolist()
    return in_order(select_among(engine_of(ledger), "known_forecasts", "window_key", keys))


def among(name: str, table: str, key: str, **parameters: Any) -> Callable[[Ledger], pd.DataFrame]:
    def ask(ledger: Ledger) -> pd.DataFrame:
        keys = frame(ledger, table)[key].tolist()
        return in_order(select_among(engine_of(ledger), name, key, keys, commodity="Cocoa", **parameters))

    return ask


def among_runs(name: str) -> Callable[[Ledger], pd.DataFrame]:
    return among(name, "experiments", "experiment_id")


def evaluations(ledger: Ledger) -> pd.DataFrame:
    return in_order(select(engine_of(ledger), "evaluations_of", model_name="naive", commodity="Cocoa"))


def with_key(ledger: Ledger) -> pd.DataFrame:
    ids = ["told-0", "told-4", "not there"]
    return in_order(pd.DataFrame(rows_with_key(engine_of(ledger), "model_runs", "experiment_id", ids)))


def figures(ledger: Ledger) -> pd.DataFrame:
    run = an_evaluation(ledger)
    given = {name: run[name] for name in ("commodity", "run_month", "experiment_id")}
    return select(engine_of(ledger), "figures_of", **given)


def of_backtest(name: str, **parameters: Any) -> Callable[[Ledger], pd.DataFrame]:
    def ask(ledger: Ledger) -> pd.DataFrame:
        run = an_evaluation(ledger)
        return select(engine_of(ledger), name, commodity="Cocoa", backtest_id=run["backtest_id"], **parameters)

    return ask


def reported(name: str, **parameters: str) -> Callable[[Ledger], pd.DataFrame]:
    return asked(name, commodity="", as_of=LATER, **parameters)


def of_run(name: str, **parameters: str) -> Callable[[Ledger], pd.DataFrame]:
    def ask(ledger: Ledger) -> pd.DataFrame:
        run = an_evaluation(ledger, "seasonal_naive")
        given = {column: run[column] for column in ("commodity", "run_month", "experiment_id")}
        return select(engine_of(ledger), name, **given, **parameters)

    return ask


def of_family(name: str, *columns: str, **parameters: str) -> Callable[[Ledger], pd.DataFrame]:
    def ask(ledger: Ledger) -> pd.DataFrame:
        run, families = an_evaluation(ledger, "seasonal_naive"), frame(ledger, "families")
        own = families[(families["commodity"] == "Cocoa") & (families["metric"] == "mae_path")]["family_id"].iloc[0]
        given = {column: run[column] for column in columns}
        return select(engine_of(ledger), name, commodity="Cocoa", family_id=own, **given, **parameters)

    return ask


def tracked(name: str, *given: str, **parameters: Any) -> Callable[[Ledger], pd.DataFrame]:
    """Asked of the run that was tracked, `given` being columns of it; rows stay in the order of the answer."""

    def ask(ledger: Ledger) -> pd.DataFrame:
        run = frame(ledger, "experiments").set_index("name").loc["tracked"]
        of = {column: run[column] for column in given}
        return plain(select(engine_of(ledger), name, **of, **parameters))

    return ask


def violated(ledger: Ledger) -> pd.DataFrame:
    with pytest.raises(InvalidInputError) as caught:
        check_rows(engine_of(ledger), "model_runs", [run_row(), run_row(status="guessed", n_failed_windows=41)])
    return pd.DataFrame({"said": [str(caught.value)]})


MONTH = ("experiment_id", "run_month")

NO_MODEL = dict.fromkeys(("model_id", "model_name", "model_type", "version", "min_f1"))

NO_TYPE = dict.fromkeys(("model_name", "model_type"))

NO_FILTER = dict.fromkeys(("experiment_type", "status", "since"))

STATEMENTS: dict[str, Callable[[Ledger], pd.DataFrame]] = {
    "applied_migrations": asked("applied_migrations"),
    "artifacts_of_runs": among_runs("artifacts_of_runs"),
    "backtests_of": asked("backtests_of", commodity="Coffee"),
    "best_of": asked("best_of", commodity="Coffee"),
    "best_registered": asked("best_registered", metric="f1", mode="max", deleted="9,10", **NO_TYPE),
    "begun_runs": among("begun_runs", "run_windows", "evaluation_key"),
    "commodities": asked("commodities"),
    "dataset_there": lambda ledger: select(
        engine_of(ledger), "dataset_there", dataset_id=frame(ledger, "datasets")["dataset_id"].iloc[0]
    ),
    "datasets_known": asked("datasets_known"),
    "datasets_listed": asked("datasets_listed", dataset=None),
    "decisions_of": asked("decisions_of", commodity=None, as_of=LATER),
    "evaluated_windows": among("evaluated_windows", "model_runs", "experiment_id"),
    "evaluations_of": evaluations,
    "evaluations_of_version": of_evaluation("evaluations_of_version", "model_name", "model_version"),
    "exportable_runs": tracked("exportable_runs"),
    "figures_of": figures,
    "grid_origin": asked("grid_origin", commodity="Cocoa", frequency="trading day", step_size=5),
    "history_of": asked("history_of", commodity=None),
    "imported_positions": among_runs("imported_positions"),
    "known_forecasts": known,
    "known_families": among("known_families", "families", "family_id"),
    "known_models": asked("known_models", commodity="Coffee"),
    "known_runs": asked("known_runs", commodity="Cocoa", as_of=None),
    "last_points": among_runs("last_points"),
    "leaderboard_of": among("leaderboard_of", "families", "family_id"),
    "lineage_links": lambda ledger: in_order(select(engine_of(ledger), "lineage_links")),
    "lineage_versions": asked("lineage_versions", ids="1,2,4,5"),
    "loss_history": of_backtest("loss_history", as_of=LATER),
    "migrations_since": asked("migrations_since", since="2020-01-01T00:00:00+00:00"),
    **{f"orphaned_{name}": asked(f"orphaned_{name}") for name in ("comparisons", "standings")},
    **{f"orphaned_{name}": asked(f"orphaned_{name}", month="9999-12") for name in ("forecasts", "windows")},
    "model_files": lambda ledger: in_order(select(engine_of(ledger), "model_files")),
    "models_made_from": asked("models_made_from", model_id=1),
    "models_taken": asked("models_taken", model_name="spread", version="1.0.12"),
    "overlap_of": of_backtest("overlap_of"),
    "production_corrections": asked("production_corrections"),
    "pruning_of": asked("pruning_of", commodity="Coffee"),
    "recorded_figures": among("recorded_figures", "model_runs", "experiment_id"),
    "recorded_runs": among("recorded_runs", "model_runs", "evaluation_key"),
    **{
        f"report_{name}": reported(f"report_{name}")
        for name in ("champions", "commodities", "model_types", "months", "overview")
    },
    **{f"report_{name}": reported(f"report_{name}") for name in ("pruned", "pruning_candidates", "scale")},
    "registered_of_content": lambda ledger: plain(
        select(engine_of(ledger), "registered_of_content", sha256=frame(ledger, "registered_models")["sha256"].iloc[0])
    ),
    "registered_turns": asked("registered_turns"),
    "registered_of": asked("registered_of", **NO_MODEL | {"min_f1": 0.6}),
    "report_cumulative": of_family("report_cumulative", "experiment_id", places="3"),
    "report_decisions": reported("report_decisions", model_name=""),
    "report_forecasts": of_run("report_forecasts", windows="3"),
    "report_leaderboard": of_family("report_leaderboard"),
    "report_model_runs": reported("report_model_runs", model_name="seasonal_naive"),
    "report_model_settings": of_run("report_model_settings"),
    "report_model_steps": of_run("report_model_steps"),
    "reproductions_of": asked("reproductions_of", tag=TAG),
    "rows_with_key": with_key,
    "run_artifacts": tracked("run_artifacts", *MONTH),
    "run_checkpoints": tracked("run_checkpoints", *MONTH),
    "run_children": tracked("run_children", "experiment_id"),
    "run_datasets": tracked("run_datasets", *MONTH),
    "run_environment": tracked("run_environment", "environment_id"),
    "run_hyperparameters": tracked("run_hyperparameters", *MONTH),
    "run_metric_names": tracked("run_metric_names", *MONTH),
    "run_metrics": tracked("run_metrics", *MONTH),
    "run_points": tracked("run_points", *MONTH, metric=None),
    "run_row": tracked("run_row", "experiment_id"),
    "run_values": lambda ledger: in_order(tracked("run_values", *MONTH, metric="loss")(ledger)),
    "runs_found": tracked("runs_found", **NO_FILTER, tag=TAG, part="TRACK", most=3),
    "runs_there": among("runs_there", "model_runs", "experiment_id"),
    "runs_with_id": among_runs("runs_with_id"),
    "runs_with_prefix": asked("runs_with_prefix", prefix="told-", most=3),
    "settings_of_runs": among_runs("settings_of_runs"),
    "specified_candidates": asked("specified_candidates", commodity="Coffee"),
    "status_of_run": tracked("status_of_run", "experiment_id"),
    "stored_cells": among("stored_cells", "model_runs", "experiment_id"),
    "stored_forecasts": of_evaluation("stored_forecasts", "experiment_id"),
    "stored_windows": of_evaluation("stored_windows", "experiment_id"),
    "unfinished_models": asked("unfinished_models"),
    "violated_checks": violated,
    "window_losses": among("window_losses", "model_runs", "experiment_id", horizon=5, first_month="2000-01"),
}
"""How each statement of `sql/statements` that asks is asked."""


def test_every_statement_has_its_case() -> None:
    assert set(STATEMENTS) == set(QUERIES), "a new file of sql/statements needs a case here"


def test_something_is_in_every_table_and_view(twins: Twins) -> None:
    found = counts(twins["spark", "spark"])
    assert found == counts(twins["sail", "sail"])
    assert found["forecasts"] == 3 * 14 + len(MODELS) * 12 * 5
    assert found["run_windows"] == 3 + len(MODELS) * 12 + 1
    assert all(found.values())
    assert not [name for name in sql_files.names("views") if frame(twins["spark", "spark"], name).empty]


@pytest.mark.parametrize("table", sql_files.names("tables"))
def test_the_same_calls_make_the_same_rows(twins: Twins, table: str) -> None:
    same(content(twins["spark", "spark"], table), content(twins["sail", "sail"], table))


@pytest.mark.parametrize("table", sql_files.names("tables"))
@pytest.mark.parametrize("maker", MAKERS)
def test_a_table_is_read_the_same_by_both_engines(twins: Twins, maker: str, table: str) -> None:
    columns = [(column.name, column.type.replace(" ", "")) for column in sql_files.columns(table)]
    assert types(twins[maker, "sail"], f"select * from {table}") == columns  # noqa: S608
    assert types(twins[maker, "spark"], f"select * from {table}") == columns  # noqa: S608
    same(frame(twins[maker, "spark"], table), frame(twins[maker, "sail"], table))


@pytest.mark.parametrize("view", sql_files.names("views"))
@pytest.mark.parametrize("maker", MAKERS)
def test_a_view_says_the_same_on_both_engines(twins: Twins, maker: str, view: str) -> None:
    query = f"select * from {view}"  # noqa: S608
    assert types(twins[maker, "spark"], query) == types(twins[maker, "sail"], query)
    same(frame(twins[maker, "spark"], view), frame(twins[maker, "sail"], view), within=WITHIN)


@pytest.mark.parametrize("name", QUERIES)
def test_a_statement_answers_the_same_on_both_engines(twins: Twins, name: str) -> None:
    found, expected = (STATEMENTS[name](twins["sail", engine]) for engine in ("spark", "sail"))
    nothing_there = name.startswith("orphaned_") or name in ("backtests_of", "production_corrections")
    assert not expected.empty or nothing_there
    same(found, expected, within=WITHIN)


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECIFIED.glob("*.sql")))
def test_a_specified_query_answers_the_same_on_both_engines(twins: Twins, name: str) -> None:
    query = (SPECIFIED / f"{name}.sql").read_text()
    expected = twins["sail", "sail"].sql(query)
    assert not expected.empty
    in_two_parts = query.replace("commodity.experiments.", "experiments.")
    same(twins["sail", "spark"].sql(in_two_parts), expected, within=WITHIN)
    assert engine_sql(twins["sail", "spark"], in_two_parts.rstrip().rstrip(";")).columns == list(expected)
