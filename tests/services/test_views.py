"""Each view: rows given by hand, rows expected. A backtest (or commodity) of its own for every case."""

from __future__ import annotations

import csv
import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.errors import NotFoundError
from experiments.services.answers import choose
from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import MONDAY, STARTED, backtest_row, forecast_row, put, run_row, window_row

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


class TestLeaderboard:
    COLUMNS = ("place", "model_name", "verdict")

    def test_a_single_run_of_naive(self, shared: Ledger) -> None:
        given(shared, "single", NAIVE)
        board = shared.leaderboard("single")
        assert shown(board, *self.COLUMNS, "skill", "n_tested", "dm_pvalue_holm", "windows_to_tell") == [
            (1, "naive", "the baseline", 0.0, 0, None, None)
        ]
        choice = choose(shared, "single")
        assert choice.model == "naive"
        assert choice.reason == (
            "Not enough evidence on single: use naive. No model could be tested: same forecasts as naive."
        )

    def test_every_verdict_in_its_case(self, shared: Ledger) -> None:
        given(
            shared,
            "verdicts",
            NAIVE,
            {"model_name": "winner", **evidence(-4.0, 0.0001)},
            {"model_name": "nearly", **evidence(-2.2, 0.03)},
            {"model_name": "nothing", **evidence(-1.0, 0.3)},
            {"model_name": "nearly_worse", **evidence(2.2, 0.03)},
            {"model_name": "loser", **evidence(4.5, 0.0001)},
            {
                "model_name": "copy",
                "mae_path": 10.0,
                "naive_mae_path": 10.0,
                "evidence_note": "same forecasts as naive",
            },
            {
                "model_name": "short",
                "mae_path": 9.9,
                "naive_mae_path": 10.0,
                "evidence_note": "too few windows to say: 5",
            },
            {
                "model_name": "broken",
                "status": "failed",
                "n_failed_windows": 40,
                "evidence_note": "no window succeeded",
            },
            {"model_name": "old", "data_as_of": OLDER, **evidence(-5.0, 0.00001)},
        )
        board = shared.leaderboard("verdicts")
        assert {row["model_name"]: row["verdict"] for row in board.to_dict("records")} == {
            "naive": "the baseline",
            "winner": "better than naive",
            "nearly": "better, but not after Holm",
            "nothing": "no evidence either way",
            "nearly_worse": "worse, but not after Holm",
            "loser": "worse than naive",
            "copy": "same forecasts as naive",
            "short": "not enough evidence",
            "broken": "every window failed",
            "old": "evaluated on older data",
        }
        placed = [row for row in shown(board, "place", "model_name") if row[0] is not None]
        assert [name for _, name in placed[:4]] == ["winner", "nearly", "nothing", "short"]
        assert [place for place, _ in placed] == list(range(1, 9))
        assert {name for place, name in shown(board, "place", "model_name") if place is None} == {"broken", "old"}
        # what is on older data is tested among its own, and does not make the others' correction harsher
        assert {row["n_tested"] for row in board.to_dict("records") if row["model_name"] != "old"} == {5}
        choice = choose(shared, "verdicts")
        assert choice.model == "winner"
        assert choice.reason == (
            "Use winner for verdicts: its error over 14 trading days is 40.0% below naive's on 40 windows "
            "(Diebold-Mariano -4.00, p < 0.001 after Holm's correction for 5 models)."
        )

    def test_holm_is_what_r_says(self, shared: Ledger) -> None:
        with HOLM.open() as file:
            oracle = list(csv.DictReader(file))
        for case in dict.fromkeys(row["case"] for row in oracle):
            rows = [row for row in oracle if row["case"] == case]
            pvalues = [None if row["pvalue"] in ("NA", "NaN", "") else float(row["pvalue"]) for row in rows]
            given(
                shared,
                f"holm {case}",
                *(
                    {"model_name": f"m{n:02}", "dm_pvalue": value, "dm_test_vs_naive": None if value is None else -1.0}
                    for n, value in enumerate(pvalues)
                ),
            )
            board = shared.leaderboard(f"holm {case}").sort_values("model_name")
            expected = [math.nan if row["holm"] in ("NA", "NaN", "") else float(row["holm"]) for row in rows]
            assert board["dm_pvalue_holm"].astype(float).tolist() == pytest.approx(expected, rel=1e-10, nan_ok=True), (
                case
            )
            assert set(board["n_tested"]) == {sum(value is not None for value in pvalues)}

    def test_ties_are_broken_by_time_and_then_by_name(self, shared: Ledger) -> None:
        given(
            shared,
            "ties",
            {"model_name": "b", **evidence(-1.0, 0.3), "execution_time_seconds": 2.0},
            {"model_name": "a", **evidence(-1.0, 0.3), "execution_time_seconds": 2.0},
            {"model_name": "c", **evidence(-1.0, 0.3), "execution_time_seconds": 1.0},
            {"model_name": "d", **evidence(-1.0, 0.3, mae_path=None), "execution_time_seconds": 0.0},
        )
        assert shown(shared.leaderboard("ties"), "place", "model_name") == [(1, "c"), (2, "a"), (3, "b"), (4, "d")]

    def test_series_of_a_commodity_are_ranked_and_corrected_apart(self, shared: Ledger) -> None:
        put(shared, "backtests", backtest_row(backtest_id="series", commodity="series"))
        made = [
            run_row(
                backtest_id="series", commodity="series", unique_id=series, model_name=model, **evidence(-2.2, 0.03)
            )
            for series, models in (("north", "ab"), ("south", "a"))
            for model in models
        ]
        put(shared, "model_runs", *made)
        assert shown(shared.leaderboard("series"), "unique_id", "place", "model_name", "verdict") == [
            ("north", 1, "a", "better, but not after Holm"),
            ("north", 2, "b", "better, but not after Holm"),
            ("south", 1, "a", "better than naive"),
        ]

    def test_reported_figures_are_not_on_it(self, shared: Ledger) -> None:
        given(shared, "reported", NAIVE, {"model_name": "claimed", "metrics_source": "reported", **evidence(-9, 0.0)})
        assert shown(shared.leaderboard("reported"), "model_name") == [("naive",)]

    def test_what_is_not_whole_is_not_on_it(self, shared: Ledger) -> None:
        given(shared, "partial", NAIVE, {"model_name": "half", "status": "incomplete", **evidence(-9, 0.0)})
        assert shown(shared.leaderboard("partial"), "model_name", "n_tested") == [("naive", 0)]

    def test_windows_that_would_tell(self, shared: Ledger) -> None:
        given(
            shared,
            "tell",
            {"model_name": "a", **evidence(-1.4, 0.17)},
            {"model_name": "b", **evidence(-2.5, 0.017)},
            {"model_name": "c", **evidence(0.0, 1.0)},
            {"model_name": "d", **evidence(0.6, 0.5)},
        )
        board = shared.leaderboard("tell").sort_values("model_name")
        assert shown(board, "windows_to_tell") == [(math.ceil(40 * 7.84 / 1.96),), (None,), (None,), (872,)]

    def test_a_choice_where_all_are_significant_before_holm_and_none_after(self, shared: Ledger) -> None:
        given(shared, "holm only", NAIVE, *({"model_name": name, **evidence(-2.2, 0.04)} for name in "ab"))
        assert {row["verdict"] for row in shared.leaderboard("holm only").to_dict("records")} == {
            "the baseline",
            "better, but not after Holm",
        }
        choice = choose(shared, "holm only")
        assert choice.model == "naive"
        assert choice.reason.startswith(
            "No model beats naive on holm only: use naive. Of 2 models tested on 40 windows"
        )
        assert "0.080 after Holm's correction" in choice.reason

    def test_a_choice_where_all_are_worse(self, shared: Ledger) -> None:
        given(shared, "worse", NAIVE, {"model_name": "a", **evidence(2.0, 0.06)})
        assert choose(shared, "worse").reason == (
            "No model beats naive on worse: use naive. "
            "Of 1 model tested on 40 windows, none has a smaller error than naive over all steps."
        )

    def test_a_winner_on_older_data_is_not_chosen(self, shared: Ledger) -> None:
        given(shared, "past", NAIVE, {"model_name": "a", "data_as_of": OLDER, **evidence(-9.0, 0.0)})
        assert choose(shared, "past").model == "naive"

    def test_the_backtest_on_the_latest_data_is_shown_unless_one_is_named(self, shared: Ledger) -> None:
        given(shared, "old grid", NAIVE | {"data_as_of": OLDER}, commodity="Grids")
        given(shared, "new grid", NAIVE | {"data_as_of": NEWER}, commodity="Grids")
        assert shared.backtests("Grids")["backtest_id"].tolist() == ["new grid", "old grid"]
        assert set(shared.leaderboard("Grids")["backtest_id"]) == {"new grid"}
        assert set(shared.leaderboard("Grids", "old grid")["backtest_id"]) == {"old grid"}
        with pytest.raises(
            NotFoundError, match=r"unknown backtest of Grids 'old gird'. Did you mean 'old grid'\? Known:"
        ):
            shared.leaderboard("Grids", "old gird")

    def test_an_unknown_commodity_is_named_and_the_nearest_suggested(self, shared: Ledger) -> None:
        given(shared, "Cocoa", NAIVE)
        for ask in (shared.leaderboard, shared.best, shared.history, shared.pruning_candidates, shared.backtests):
            with pytest.raises(NotFoundError, match=r"unknown commodity 'cocoaa'. Did you mean 'Cocoa'\?"):
                ask("cocoaa")

    def test_reported_figures_alone_are_no_backtest(self, shared: Ledger) -> None:
        put(shared, "model_runs", run_row(commodity="Told", backtest_id=None, metrics_source="reported"))
        with pytest.raises(NotFoundError, match="Told has no backtest yet, only reported figures"):
            shared.leaderboard("Told")


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
