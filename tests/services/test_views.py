"""Each view: rows given by hand, rows expected. A backtest (or commodity) of its own for every case."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import MONDAY, STARTED, backtest_row, forecast_row, put, run_row, window_row
from tracked import BEGAN, artifact_of, fill, link_of, logged, model_of, parameters_of, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

HOLM = Path(__file__).parents[1] / "science" / "oracles" / "holm.csv"
OLDER, NEWER = dt.date(2025, 1, 3), dt.date(2025, 1, 10)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("views")) as ledger:
        yield ledger


def given(ledger: Ledger, name: str, *rows: dict[str, Any], commodity: str | None = None) -> None:
    """Rows of one backtest of this name, which is also its commodity unless told."""
    commodity = commodity or name
    put(ledger, "backtests", backtest_row(backtest_id=name, commodity=commodity))
    put(
        ledger,
        "model_runs",
        *(run_row(backtest_id=name, commodity=commodity, unique_id=commodity, **row) for row in rows),
    )


def plain(value: Any) -> Any:
    return None if value is None or value != value else value  # noqa: PLR0124  NaN


def shown(frame: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(plain(row[name]) for name in columns) for row in frame.to_dict("records")]


def view(ledger: Ledger, name: str, where: str, order: str, *columns: str) -> list[tuple[Any, ...]]:
    query = f"select {', '.join(columns)} from {name} where {where} order by {order}"  # noqa: S608  a test's own words
    return shown(ledger.sql(query), *columns)


def evidence(statistic: float, pvalue: float, **more: Any) -> dict[str, Any]:
    """What a tested model's row says, its skill following its statistic."""
    tested = {"dm_test_vs_naive": statistic, "dm_pvalue": pvalue, "dm_n": 40}
    return (
        tested
        | {"mae_path": 10 + statistic, "naive_mae_path": 10.0, "beats_baseline": pvalue < 0.05 and statistic < 0}
        | more
    )


NAIVE = {
    "model_name": "naive",
    "model_type": "Baseline",
    "mae_path": 10.0,
    "naive_mae_path": 10.0,
    "evidence_note": "same forecasts as naive",
    "execution_time_seconds": 0.0,
}


@pytest.mark.parametrize("name", sql_files.names("views"))
def test_every_view_of_an_empty_ledger_is_empty(ledger: Ledger, name: str) -> None:
    frame = ledger.sql(f"select * from {name}")  # noqa: S608  names from the catalog
    assert frame.empty
    assert len(frame.columns) > 5


class TestLatestRuns:
    def test_the_evaluation_on_the_latest_data_counts(self, shared: Ledger) -> None:
        given(
            shared,
            "latest",
            {"model_name": "a", "data_as_of": OLDER, "mae_14day": 1.0, "run_timestamp": STARTED + dt.timedelta(days=9)},
            {"model_name": "a", "data_as_of": NEWER, "mae_14day": 2.0},
            {"model_name": "b", "data_as_of": OLDER, "mae_14day": 3.0},
            {"model_name": "c", "data_as_of": None, "mae_14day": 4.0},
        )
        assert view(
            shared, "latest_runs", "commodity = 'latest'", "model_name", "model_name", "mae_14day", "is_current"
        ) == [
            ("a", 2.0, True),
            ("b", 3.0, False),
            ("c", 4.0, True),
        ]

    def test_of_two_on_the_same_data_the_later_counts_and_versions_are_apart(self, shared: Ledger) -> None:
        given(
            shared,
            "again",
            {"mae_14day": 1.0},
            {"mae_14day": 2.0, "run_timestamp": STARTED + dt.timedelta(seconds=1)},
            {"mae_14day": 3.0, "model_version": "v2"},
        )
        assert view(shared, "latest_runs", "commodity = 'again'", "mae_14day", "model_version", "mae_14day") == [
            ("v1", 2.0),
            ("v2", 3.0),
        ]

    def test_what_is_not_whole_is_not_shown(self, shared: Ledger) -> None:
        given(shared, "whole", {"status": "incomplete", "n_windows": 3}, {"status": "failed", "n_failed_windows": 40})
        assert view(shared, "latest_runs", "commodity = 'whole'", "status", "status") == [("failed",)]

    def test_an_incomplete_evaluation_on_newer_data_does_not_age_the_others(self, shared: Ledger) -> None:
        given(
            shared,
            "aged",
            {"model_name": "a", "data_as_of": OLDER},
            {"model_name": "b", "data_as_of": NEWER, "status": "incomplete"},
        )
        assert view(shared, "latest_runs", "commodity = 'aged'", "model_name", "model_name", "is_current") == [
            ("a", True)
        ]


class TestBestModels:
    def test_five_at_most_that_beat_naive_nulls_and_ties_last(self, shared: Ledger) -> None:
        beat = {"beats_baseline": True}
        given(
            shared,
            "best",
            {"model_name": "f", "mae_14day": 6.0, **beat},
            {"model_name": "null_b", "mae_14day": None, "mae_path": 1.0, **beat},
            {"model_name": "a", "mae_14day": 1.0, **beat},
            {"model_name": "tie_b", "mae_14day": 2.0, **beat},
            {"model_name": "tie_a", "mae_14day": 2.0, **beat},
            {"model_name": "tie_path", "mae_14day": 2.0, "mae_path": 0.5, **beat},
            {"model_name": "lost", "mae_14day": 0.1, "beats_baseline": False},
            {"model_name": "untested", "mae_14day": 0.1, "beats_baseline": None},
            {"model_name": "half", "mae_14day": 0.1, "status": "incomplete", **beat},
            {"model_name": "old", "mae_14day": 0.1, "data_as_of": OLDER, **beat},
            {"model_name": "told", "mae_14day": 5.0, "metrics_source": "reported", **beat},
        )
        assert shown(shared.best("best"), "place", "model_name") == [
            (1, "a"),
            (2, "tie_path"),
            (3, "tie_a"),
            (4, "tie_b"),
            (5, "told"),
        ]

    def test_horizons_frequencies_and_series_are_not_mixed(self, shared: Ledger) -> None:
        rows = [
            run_row(commodity="apart", beats_baseline=True, mae_14day=mae, **apart)
            for mae, apart in [
                (1.0, {"unique_id": "north"}),
                (2.0, {"unique_id": "south"}),
                (3.0, {"unique_id": "north", "forecast_horizon_days": 28}),
                (4.0, {"unique_id": "north", "frequency": "week"}),
                (5.0, {"unique_id": "north", "backtest_id": "b2"}),
                (6.0, {"unique_id": "north", "backtest_id": None, "frequency": None, "metrics_source": "reported"}),
            ]
        ]
        put(shared, "model_runs", *rows)
        assert set(shown(shared.best("apart"), "place", "mae_14day")) == {(1, float(mae)) for mae in range(1, 7)}

    def test_where_none_beats_naive_there_is_none(self, shared: Ledger) -> None:
        given(shared, "none", NAIVE, {"model_name": "a", **evidence(-1.0, 0.3)})
        assert shared.best("none").empty


class TestHistoryAndPruning:
    def test_history_counts_runs_models_and_hours_apart_by_horizon_and_frequency(self, shared: Ledger) -> None:
        base = {"commodity": "History", "model_type": "ARIMA"}
        put(
            shared,
            "model_runs",
            run_row(**base, model_name="a", mae_14day=2.0, execution_time_seconds=1800.0),
            run_row(**base, model_name="a", mae_14day=4.0, execution_time_seconds=None),
            run_row(**base, model_name="b", mae_14day=None, execution_time_seconds=5400.0, status="failed"),
            run_row(**base, model_name="c", forecast_horizon_days=5, mae_14day=None),
            run_row(**base, model_name="d", frequency="week", mae_14day=9.0),
        )
        columns = ("frequency", "forecast_horizon_days", "total_experiments", "unique_models", "avg_mae", "best_mae")
        assert shown(shared.history("History"), *columns, "total_hours") == [
            ("trading day", 5, 1, 1, None, None, None),
            ("trading day", 14, 3, 2, 3.0, 2.0, 2.0),
            ("week", 14, 1, 1, 9.0, 9.0, None),
        ]
        assert len(shared.history()) > 3

    def test_pruning_needs_three_tested_and_lost(self, shared: Ledger) -> None:
        base = {"commodity": "Prune", "beats_baseline": False}
        later = STARTED + dt.timedelta(days=3)
        put(
            shared,
            "model_runs",
            *(run_row(**base, model_name="poor", mae_14day=mae, execution_time_seconds=3.0) for mae in (1.0, 2.0)),
            run_row(**base, model_name="poor", mae_14day=6.0, execution_time_seconds=6.0, run_timestamp=later),
            *(run_row(**base, model_name="null", mae_14day=None) for _ in range(3)),
            *(run_row(**base, model_name="twice", mae_14day=9.0) for _ in range(2)),
            *(run_row(commodity="Prune", model_name="naive", beats_baseline=None) for _ in range(5)),
            *(run_row(commodity="Prune", model_name="good", beats_baseline=True) for _ in range(5)),
            *(run_row(**base, model_name="mixed", forecast_horizon_days=horizon) for horizon in (5, 14, 14)),
        )
        assert shown(
            shared.pruning_candidates("Prune"), "model_name", "num_runs", "avg_mae", "avg_time", "last_run"
        ) == [
            ("poor", 3, 3.0, 4.0, later.replace(tzinfo=None)),
            ("null", 3, None, None, STARTED.replace(tzinfo=None)),
        ]

    def test_what_is_not_whole_does_not_count_against_a_model(self, shared: Ledger) -> None:
        half = {"beats_baseline": False, "status": "incomplete", "n_windows": 9}
        put(shared, "model_runs", *(run_row(commodity="Half", model_name="half", **half) for _ in range(3)))
        assert shared.pruning_candidates("Half").empty

    def test_what_is_not_whole_is_not_in_the_history(self, shared: Ledger) -> None:
        put(shared, "model_runs", run_row(commodity="Half history", status="incomplete", n_windows=9))
        assert shared.history("Half history").empty


class TestAccuracyByHorizon:
    COLUMNS = ("step", "n_windows", "mae", "rmse", "mape", "directional_accuracy")

    def put(self, ledger: Ledger, name: str, cells: dict[int, list[tuple[float, float]]], **run: Any) -> None:
        """An evaluation from day 0 = 100 in every window; `cells` are (y, y_hat) of each window, by step."""
        n = len(next(iter(cells.values())))
        cutoffs = [MONDAY + dt.timedelta(days=30 * window) for window in range(n)]
        same = {"experiment_id": name, "commodity": "Horizon"}
        put(ledger, "model_runs", run_row(**same, evaluation_key=name, **run))
        put(ledger, "run_windows", *(window_row(**same, cutoff=cutoff) for cutoff in cutoffs))
        put(
            ledger,
            "forecasts",
            *(
                forecast_row(**same, cutoff=cutoff, step=step, ds=cutoff + dt.timedelta(days=step), y=y, y_hat=y_hat)
                for step, pairs in cells.items()
                for cutoff, (y, y_hat) in zip(cutoffs, pairs, strict=True)
            ),
        )

    def found(self, ledger: Ledger, name: str) -> list[tuple[Any, ...]]:
        return view(ledger, "accuracy_by_horizon", f"experiment_id = '{name}'", "step", *self.COLUMNS)

    def test_figures_at_every_step(self, shared: Ledger) -> None:
        # step 1: a hit, a miss, an actual that did not move; step 2: a flat forecast counts as a miss
        self.put(
            shared,
            "cells",
            {1: [(110, 104), (90, 103), (100, 101)], 2: [(80, 100), (120, 121), (80, 79)]},
        )
        assert self.found(shared, "cells") == [
            (
                1,
                3,
                pytest.approx(20 / 3),
                pytest.approx(math.sqrt((36 + 169 + 1) / 3)),
                pytest.approx(100 / 3 * (6 / 110 + 13 / 90 + 1 / 100)),
                0.5,
            ),
            (
                2,
                3,
                pytest.approx(22 / 3),
                pytest.approx(math.sqrt((400 + 1 + 1) / 3)),
                pytest.approx(100 / 3 * (20 / 80 + 1 / 120 + 1 / 80)),
                pytest.approx(2 / 3),
            ),
        ]

    def test_flat_forecasts_have_no_direction_and_zero_actuals_no_percentage(self, shared: Ledger) -> None:
        self.put(shared, "flat", {1: [(0, 100), (90, 100.00005)]})
        assert self.found(shared, "flat") == [
            (1, 2, pytest.approx(55, rel=1e-5), pytest.approx(math.sqrt((100**2 + 10.00005**2) / 2)), None, None)
        ]

    def test_actuals_that_never_move_have_no_direction(self, shared: Ledger) -> None:
        self.put(shared, "still", {1: [(100, 101), (100.00001, 99)]})
        assert self.found(shared, "still")[0][-1] is None

    def test_a_failed_window_is_left_out(self, shared: Ledger) -> None:
        self.put(shared, "gap", {1: [(110, 104)]}, n_failed_windows=1, n_windows=2)
        failed = {"cutoff": MONDAY - dt.timedelta(days=7), "status": "failed", "error": "no convergence"}
        put(shared, "run_windows", window_row(experiment_id="gap", commodity="Horizon", **failed))
        assert [row[:3] for row in self.found(shared, "gap")] == [(1, 1, 6.0)]

    def test_forecasts_without_their_evaluation_are_not_shown(self, shared: Ledger) -> None:
        put(shared, "run_windows", window_row(experiment_id="orphan", commodity="Horizon"))
        put(shared, "forecasts", forecast_row(experiment_id="orphan", commodity="Horizon"))
        assert self.found(shared, "orphan") == []

    def test_what_is_not_whole_is_not_shown(self, shared: Ledger) -> None:
        self.put(shared, "unfinished", {1: [(110, 104)]}, status="incomplete")
        assert self.found(shared, "unfinished") == []


class TestFinishedRuns:
    def test_when_each_was_known_and_which_one_is_current(self, shared: Ledger) -> None:
        ended = STARTED + dt.timedelta(days=40)
        timed = run_row(backtest_id="0123456789", commodity="Finished", unique_id="Finished", model_name="timed")
        put(
            shared,
            "model_runs",
            timed,
            timed | {"experiment_id": "older", "evaluation_key": "older", "data_as_of": OLDER},
            timed | {"experiment_id": "half", "evaluation_key": "half", "status": "incomplete", "n_windows": 9},
            timed | {"experiment_id": "told", "evaluation_key": "told", "backtest_id": None, "unique_id": "north"},
        )
        run = {"name": "timed", "status": "completed", "started_at": STARTED, "ended_at": ended}
        known = run | {"experiment_id": timed["experiment_id"], "experiment_type": "backtest"}
        put(shared, "experiments", known, run | {"experiment_id": "older", "experiment_type": "rl"})
        columns = ("label", "finished_at", "finished_month", "is_current")
        began = STARTED.replace(tzinfo=None)
        assert view(shared, "finished_runs", "commodity = 'Finished'", "finished_at, label", *columns) == [
            ("Finished north timed v1", began, f"{began:%Y-%m}", True),
            ("Finished timed v1 (012345)", began, f"{began:%Y-%m}", False),
            ("Finished timed v1 (012345)", ended.replace(tzinfo=None), f"{ended:%Y-%m}", True),
        ]


def test_decision_history_has_every_decision_and_not_its_evidence(shared: Ledger) -> None:
    decision = {
        "commodity": "Decided",
        "decided_at": STARTED,
        "decided_by": "her",
        "experiment_id": None,
        "forced": False,
        "kind": "prune",
        "model_name": "poor",
        "model_version": "v1",
        "policy": "{}",
        "evidence": "{}",
        "evidence_digest": "0",
        "rule": "inferior",
        "verdict": "inferior",
        "follows": "",
    }
    put(shared, "decisions", decision | {"decision_id": "a"}, decision | {"decision_id": "b", "kind": "restore"})
    where = "commodity = 'Decided'"
    assert view(shared, "decision_history", where, "decision_id", "kind", "model_name", "verdict") == [
        ("prune", "poor", "inferior"),
        ("restore", "poor", "inferior"),
    ]
    columns = set(shared.sql("select * from decision_history").columns)
    assert {column.name for column in sql_files.columns("decisions")} - columns == {
        "evidence",
        "policy",
        "table_versions",
    }


class TestBestCheckpoints:
    COLUMNS = ("name", "status", "checkpoint_path", "val_metric")

    def test_the_one_last_called_best_of_each_run_ties_by_id(self, shared: Ledger) -> None:
        later = BEGAN + dt.timedelta(days=31)
        several, tied, failed, never, empty = (run_of(f"best {name}") for name in ("1", "2", "3", "4", "5"))
        several_id, tied_id, failed_id = (run["experiment_id"] for run in (several, tied, failed))
        tie = [model_of(tied_id, name, is_best=True) for name in ("x", "y")]
        tied_best = max(tie, key=lambda model: model["model_id"])["checkpoint_path"]
        fill(
            shared.engine,
            experiments=[several, tied, failed | {"status": "failed"}, never, empty],
            checkpoints=[
                model_of(several_id, "first.pth", is_best=True, val_metric=9.0),
                model_of(several_id, "last best.pth", later, is_best=True, val_metric=1.0),
                model_of(several_id, "later.pth", later + dt.timedelta(days=1), val_metric=99.0),
                *tie,
                model_of(failed_id, "only.pth", is_best=True),
                model_of(never["experiment_id"], "no.pth", val_metric=1.0),
                model_of(None, "of no run.pth", is_best=True),
                model_of("unknown run", "orphan.pth", is_best=True, val_metric=float("nan")),
            ],
        )
        assert view(shared, "best_checkpoints", "name like 'best%'", "name", *self.COLUMNS) == [
            ("best 1", "completed", "last best.pth", 1.0),
            ("best 2", "completed", tied_best, None),
            ("best 3", "failed", "only.pth", None),
        ]
        assert view(shared, "best_checkpoints", "name is null", "model_id", *self.COLUMNS) == [
            (None, None, "orphan.pth", None)
        ]


class TestExperimentSummary:
    COUNTS = ("n_metrics", "n_points", "n_hyperparameters", "n_artifacts", "n_datasets", "n_checkpoints")

    def test_what_each_run_logged_is_counted_once(self, shared: Ledger) -> None:
        full, failed, running = (run_of(f"summary {name}") for name in ("a", "b", "c"))
        ids = [run["experiment_id"] for run in (full, failed, running)]
        fill(
            shared.engine,
            experiments=[
                full | {"tags": ["x", "k=v"], "parent_id": ids[1]},
                failed | {"status": "failed"},
                running | {"status": "running", "ended_at": None},
            ],
            metrics=[
                *logged(ids[0], "loss", [1.0, 1.0, float("nan")]),
                *logged(ids[0], "loss'; --", [float("inf")], first=3),
                *logged(ids[1], "loss", [2.0]),
            ],
            hyperparameters=[*parameters_of(ids[0], {"lr": 1, "n": 2}), *parameters_of(ids[0], {"lr": 1}, "m")],
            artifacts=[artifact_of(ids[0], "a"), artifact_of(ids[0], "b")],
            experiment_datasets=[link_of(ids[0], "d", "train"), link_of(ids[0], "d", "test"), link_of(ids[0], "e")],
            checkpoints=[
                model_of(ids[0], "1.pth", is_best=True, val_metric=0.5, episode_num=3),
                model_of(ids[0], "2.pth"),
                model_of(ids[1], "3.pth"),
            ],
        )
        columns = ("name", "status", "duration_seconds", *self.COUNTS, "best_val_metric", "best_episode_num")
        assert view(shared, "experiment_summary", "name like 'summary%'", "name", *columns) == [
            ("summary a", "completed", 90.0, 2, 4, 3, 2, 2, 2, 0.5, 3),
            ("summary b", "failed", 90.0, 1, 1, 0, 0, 0, 1, None, None),
            ("summary c", "running", None, 0, 0, 0, 0, 0, 0, None, None),
        ]
        found = shared.sql("select tags, parent_id from experiment_summary where name = 'summary a'").iloc[0]
        assert (list(found["tags"]), found["parent_id"]) == (["x", "k=v"], ids[1])
