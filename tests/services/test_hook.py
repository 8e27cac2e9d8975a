"""`log_experiment`, called from a loop of the user's own: when rows appear, what a repetition does, what is refused."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import experiments
from experiments import log_experiment
from experiments.errors import ConflictError, ExperimentsError, InvalidInputError
from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import CONFIG, NOTHING, counts, rows_of, versions, windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine


def log_all(results: Any, config: dict[str, Any], model: str = "mine") -> list[str]:
    return [log_experiment(model, one, config) for one in results]


def same(stored: Any, expected: Any) -> bool:
    if expected is None:
        return stored is None or stored != stored  # noqa: PLR0124  NaN
    return bool(stored == (pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected))


class TestAppearing:
    def test_the_row_appears_with_the_last_window_announced_and_not_before(self, ledger: Ledger) -> None:
        config = CONFIG | {"n_windows": 10}
        results = list(windows(10))
        ids = log_all(results[:-1], config)
        assert counts(ledger) == NOTHING
        ids += log_all(results[-1:], config)
        assert len(set(ids)) == 1
        assert counts(ledger) == NOTHING | {
            "backtests": 1,
            "environments": 1,
            "experiments": 1,
            "forecasts": 140,
            "model_runs": 1,
            "run_windows": 10,
        }
        run = rows_of(ledger, "model_runs")[0]
        assert run["experiment_id"] == ids[0]
        assert {
            name: run[name] for name in ("model_name", "model_version", "model_type", "commodity", "unique_id")
        } == {
            "model_name": "mine",
            "model_version": "v1",
            "model_type": "SARIMAX",
            "commodity": "Coffee",
            "unique_id": "Coffee",
        }
        assert (run["status"], run["metrics_source"], run["is_production"]) == ("completed", "computed", False)
        assert (run["n_windows"], run["n_failed_windows"], run["forecast_horizon_days"]) == (10, 0, 14)
        assert run["execution_time_seconds"] == pytest.approx(7.5)
        assert run["training_start_date"] == dt.date(2020, 1, 1)
        assert run["training_end_date"] == results[-1]["cutoff"]
        assert run["data_as_of"] == results[-1]["ds"][-1]
        assert dict(run["hyperparameters"]) == {"order": "[1, 1, 1]"}
        assert dict(run["feature_config"]) == {"weather": True}

    def test_the_row_holds_what_a_plain_loop_computes(self, ledger: Ledger) -> None:
        results = list(windows(10))
        log_all(results, CONFIG | {"n_windows": 10})
        run = rows_of(ledger, "model_runs")[0]
        errors = np.array([np.abs(np.subtract(one["y"], one["y_hat"])) for one in results])
        naive = np.array([np.abs(np.subtract(one["y"], one["day0"])) for one in results])
        scale = np.array([np.abs(np.diff(one["y_train"])).mean() for one in results])
        actual = np.array([one["y"] for one in results])
        day0 = np.array([[one["day0"]] for one in results])
        hits = np.sign(actual - day0) == np.sign(np.array([one["y_hat"] for one in results]) - day0)
        assert run["mae_1day"] == pytest.approx(errors[:, 0].mean())
        assert run["mae_7day"] == pytest.approx(errors[:, 6].mean())
        assert run["mae_14day"] == pytest.approx(errors[:, 13].mean())
        assert run["rmse_14day"] == pytest.approx(math.sqrt((errors[:, 13] ** 2).mean()))
        assert run["mape_14day"] == pytest.approx(100 * (errors[:, 13] / np.abs(actual[:, 13])).mean())
        assert run["mase_14day"] == pytest.approx((errors[:, 13] / scale).mean())
        assert run["mae_path"] == pytest.approx(errors.mean())
        assert run["naive_mae_path"] == pytest.approx(naive.mean())
        assert run["directional_accuracy"] == pytest.approx(hits.mean())
        tested = experiments.diebold_mariano(errors.mean(axis=1), naive.mean(axis=1))
        assert run["dm_test_vs_naive"] == pytest.approx(tested.statistic)
        assert run["dm_pvalue"] == pytest.approx(tested.pvalue)
        assert (run["dm_method"], run["dm_n"]) == ("hln", 10)
        assert run["beats_baseline"] == (tested.statistic < 0 and tested.pvalue < 0.05)

    def test_windows_announced_to_none_are_recorded_on_finish(self, ledger: Ledger) -> None:
        ids = log_all(windows(9), CONFIG)
        assert counts(ledger) == NOTHING
        assert ledger.finish() == [ids[0]]
        assert rows_of(ledger, "model_runs")[0]["status"] == "completed"
        assert ledger.finish() == []

    def test_windows_announced_to_none_are_recorded_on_close(self, tmp_path: Path) -> None:
        with connect(tmp_path):
            log_all(windows(3), CONFIG)
        with connect(tmp_path) as ledger:
            run = rows_of(ledger, "model_runs")[0]
            assert (run["status"], run["n_windows"]) == ("completed", 3)

    def test_an_evaluation_cut_short_is_incomplete_and_only_among_all_runs(self, tmp_path: Path) -> None:
        with connect(tmp_path):
            log_all(windows(9), CONFIG | {"n_windows": 10})
        with connect(tmp_path) as ledger:
            run = rows_of(ledger, "model_runs")[0]
            assert (run["status"], run["n_windows"]) == ("incomplete", 9)
            assert rows_of(ledger, "experiments")[0]["status"] == "incomplete"
            shown = {view for view in sql_files.names("views") if rows_of(ledger, view)}
            assert shown == {"experiment_summary"}  # of all runs, whatever became of them
            # the whole of it, later, is another evaluation
            log_all(windows(10), CONFIG | {"n_windows": 10})
            assert sorted(row["status"] for row in rows_of(ledger, "model_runs")) == ["completed", "incomplete"]
            board = ledger.leaderboard(CONFIG["commodity"])
            assert sorted(board["model_name"]) == ["mine", "naive"]

    def test_evaluations_may_come_in_turns(self, ledger: Ledger) -> None:
        config = CONFIG | {"n_windows": 4}
        for one, other in zip(windows(4), windows(4, seed=2), strict=True):
            log_experiment("one", one, config)
            log_experiment("other", other, config | {"model_version": "v2"})
        assert {(row["model_name"], row["n_windows"]) for row in rows_of(ledger, "model_runs")} == {
            ("one", 4),
            ("other", 4),
        }
        assert counts(ledger)["backtests"] == 1

    def test_numpy_pandas_and_text_are_understood(self, ledger: Ledger) -> None:
        import pandas as pd

        plain = list(windows(3))
        other = [
            one
            | {
                "cutoff": [str, np.datetime64, pd.Timestamp][n](str(one["cutoff"])),
                "ds": [
                    np.array(one["ds"], dtype="datetime64[D]"),
                    pd.DatetimeIndex(one["ds"]),
                    list(map(str, one["ds"])),
                ][n],
                "y": [np.array, pd.Series, tuple][n](one["y"]),
                "y_hat": [np.array, pd.Series, tuple][n](one["y_hat"]),
                "day0": np.float64(one["day0"]),
                "n_training": np.int64(60),
            }
            for n, one in enumerate(plain)
        ]
        ids = log_all(plain, CONFIG | {"n_windows": 3})
        assert set(log_all(other, CONFIG | {"n_windows": 3, "training_start_date": dt.date(2020, 1, 1)})) >= {ids[-1]}
        assert counts(ledger)["model_runs"] == 1


class TestRepetition:
    def test_the_same_loop_twice_changes_nothing(self, ledger: Ledger) -> None:
        first = log_all(windows(8), CONFIG | {"n_windows": 8})
        before, logs = counts(ledger), versions(ledger)
        again = log_all(windows(8), CONFIG | {"n_windows": 8})
        assert again[-1] == first[-1]
        assert (counts(ledger), versions(ledger)) == (before, logs)

    def test_nor_in_another_session(self, tmp_path: Path) -> None:
        told = []
        for _ in range(2):
            with connect(tmp_path) as ledger:
                ids = log_all(windows(8), CONFIG | {"n_windows": 8})
                told.append((ids[-1], counts(ledger)))
        assert told[0] == told[1]

    def test_nor_without_an_announcement(self, tmp_path: Path) -> None:
        told = []
        for _ in range(2):
            with connect(tmp_path) as ledger:
                log_all(windows(8), CONFIG)
                ids = ledger.finish()
                told.append((ids, counts(ledger)))
        assert told[0] == told[1]

    def test_each_window_twice_in_one_loop_counts_once(self, ledger: Ledger) -> None:
        for one in windows(5):
            log_experiment("mine", one, CONFIG | {"n_windows": 5})
            if counts(ledger) == NOTHING:
                log_experiment("mine", one, CONFIG | {"n_windows": 5})
        assert counts(ledger)["run_windows"] == 5

    def test_windows_in_any_order_give_the_same_row(self, tmp_path: Path) -> None:
        results = list(windows(9))
        shuffled = [results[n] for n in (4, 8, 0, 2, 7, 1, 3, 6, 5)]
        found = []
        for name, order in (("in order", results), ("shuffled", shuffled)):
            with connect(tmp_path / name) as ledger:
                log_all(order, CONFIG | {"n_windows": 9})
                run = rows_of(ledger, "model_runs")[0]
                found.append(
                    {key: value for key, value in run.items() if key not in ("experiment_id", "run_timestamp")}
                )
        for name, value in found[0].items():
            assert same(found[1][name], None if value != value else value), name  # noqa: PLR0124  NaN

    @pytest.mark.parametrize("value", [36.159505490948476, 1304.0000451301373])
    def test_a_single_window_of_a_flat_forecast_twice_is_no_conflict(self, tmp_path: Path, value: float) -> None:
        one = next(iter(windows(1))) | {"y_hat": [value] * 14}
        for _ in range(2):
            with connect(tmp_path) as ledger:
                log_experiment("flat", one, CONFIG | {"n_windows": 1})
                assert counts(ledger)["model_runs"] == 1


class TestFailedWindows:
    def test_a_failed_window_is_a_row_and_the_others_make_the_metrics(self, ledger: Ledger) -> None:
        results = list(windows(10))
        failed = {name: results[3][name] for name in ("cutoff", "day0")} | {
            "error": "LinAlgError: singular",
            "fit_seconds": 1,
        }
        log_all([*results[:3], failed, *results[4:]], CONFIG | {"n_windows": 10})
        run = rows_of(ledger, "model_runs")[0]
        assert (run["n_windows"], run["n_failed_windows"], run["status"]) == (10, 1, "completed")
        errors = [abs(one["y"][13] - one["y_hat"][13]) for n, one in enumerate(results) if n != 3]
        assert run["mae_14day"] == pytest.approx(np.mean(errors))
        assert run["dm_n"] == 9
        row = rows_of(ledger, "run_windows", "status = 'failed'")
        assert [(one["cutoff"], one["error"]) for one in row] == [(failed["cutoff"], "LinAlgError: singular")]
        assert counts(ledger)["forecasts"] == 9 * 14

    def test_where_every_window_failed_the_evaluation_did(self, ledger: Ledger) -> None:
        config = CONFIG | {"n_windows": 3, "forecast_horizon_days": 14}
        failed = [{"cutoff": one["cutoff"], "day0": one["day0"], "error": "no luck"} for one in windows(3)]
        log_all(failed, config)
        run = rows_of(ledger, "model_runs")[0]
        assert (run["status"], run["n_failed_windows"], run["evidence_note"]) == ("failed", 3, "no window succeeded")
        for name in ("mae_1day", "mae_14day", "mae_path", "dm_pvalue", "directional_accuracy", "beats_baseline"):
            assert same(run[name], None)
        before = counts(ledger)
        log_all(failed, config)
        assert counts(ledger) == before

    def test_where_every_window_failed_and_no_horizon_is_known_it_is_asked_for(self, ledger: Ledger) -> None:
        failed = [{"cutoff": one["cutoff"], "day0": one["day0"], "error": "no luck"} for one in windows(2)]
        with pytest.raises(InvalidInputError, match="forecast_horizon_days"):
            log_all(failed, CONFIG | {"n_windows": 2})
        assert counts(ledger) == NOTHING


class TestOverlap:
    def test_cutoffs_closer_than_the_horizon_are_noticed_from_their_dates(self, ledger: Ledger) -> None:
        log_all(windows(30, step_size=7), CONFIG | {"n_windows": 30})
        run = rows_of(ledger, "model_runs")[0]
        assert run["dm_method"] == "fixed-smoothing"
        assert same(run["pt_pvalue"], None)

    def test_an_announced_step_size_says_the_same(self, tmp_path: Path) -> None:
        found = []
        for step_size in (None, 7):
            with connect(tmp_path / str(step_size)) as ledger:
                log_all(windows(30, step_size=7), CONFIG | {"n_windows": 30, "step_size": step_size})
                run = rows_of(ledger, "model_runs")[0]
                found.append([run[name] for name in ("dm_method", "dm_test_vs_naive", "dm_pvalue", "dm_n")])
        assert found[0] == found[1]

    def test_horizons_short_of_a_step_leave_it_null(self, ledger: Ledger) -> None:
        log_all(windows(8, horizon=5), CONFIG | {"n_windows": 8})
        run = rows_of(ledger, "model_runs")[0]
        assert run["forecast_horizon_days"] == 5
        assert run["mae_1day"] > 0
        for name in ("mae_7day", "mae_14day", "rmse_14day", "mape_14day", "mase_14day"):
            assert same(run[name], None)


class TestConflicts:
    def test_other_forecasts_at_a_cutoff_that_is_in(self, ledger: Ledger) -> None:
        one, other = next(windows(2)), next(windows(2, seed=9))
        log_experiment("mine", one, CONFIG | {"n_windows": 2})
        with pytest.raises(ConflictError, match=f"mine already has another window at {one['cutoff']}"):
            log_experiment("mine", other | {"cutoff": one["cutoff"]}, CONFIG | {"n_windows": 2})
        assert counts(ledger) == NOTHING

    def test_other_forecasts_in_a_later_session_change_nothing(self, tmp_path: Path) -> None:
        results = list(windows(4))
        with connect(tmp_path) as ledger:
            ids = log_all(results, CONFIG | {"n_windows": 4})
            before, logs = counts(ledger), versions(ledger)
        results[2] = results[2] | {"y_hat": [value + 1e-6 for value in results[2]["y_hat"]]}
        with connect(tmp_path) as ledger:
            with pytest.raises(ConflictError, match=f"recorded as {ids[-1]} with other actuals") as caught:
                log_all(results, CONFIG | {"n_windows": 4})
            assert str(results[2]["cutoff"]) in str(caught.value)
            assert "model_version" in str(caught.value)
            assert (counts(ledger), versions(ledger)) == (before, logs)
            # it is not tried again at close
            assert ledger.finish() == []
            log_all(results, CONFIG | {"n_windows": 4, "model_version": "v2"})
            assert counts(ledger)["model_runs"] == 2

    def test_another_horizon_in_one_evaluation(self, ledger: Ledger) -> None:
        log_experiment("mine", next(windows(2)), CONFIG)
        other = list(windows(2, horizon=13))[1]
        with pytest.raises(InvalidInputError, match="has 13 steps, forecast_horizon_days is 14"):
            log_experiment("mine", other, CONFIG)
        ledger.recorder._open.clear()


class TestBareFigures:
    RESULTS: ClassVar = {"mae": 3.1, "rmse": 4.2, "directional_accuracy": 0.695}
    CONFIG: ClassVar = {
        "commodity": "Coffee",
        "model_type": "SARIMAX",
        "training_start_date": "2022-01-01",
        "training_end_date": "2024-12-31",
        "forecast_horizon_days": 14,
        "hyperparameters": {"order": "(1,1,1)"},
    }

    def test_they_are_one_row_marked_reported(self, ledger: Ledger) -> None:
        told = log_experiment("sarimax_auto_weather_v1", self.RESULTS, self.CONFIG)
        rows = rows_of(ledger, "model_runs")
        assert len(rows) == 1
        run = rows[0]
        assert run["experiment_id"] == told
        assert (run["metrics_source"], run["status"]) == ("reported", "completed")
        assert (run["mae_14day"], run["rmse_14day"], run["directional_accuracy"]) == (3.1, 4.2, 0.695)
        assert counts(ledger) == NOTHING | {"model_runs": 1, "experiments": 1, "environments": 1}
        assert rows_of(ledger, "experiments")[0]["experiment_id"] == told

    def test_twice_they_are_still_one(self, ledger: Ledger) -> None:
        ids = {log_experiment("m", self.RESULTS, self.CONFIG) for _ in range(3)}
        assert len(ids) == 1
        assert counts(ledger)["model_runs"] == 1

    def test_other_figures_are_another_row(self, ledger: Ledger) -> None:
        log_experiment("m", self.RESULTS, self.CONFIG)
        log_experiment("m", self.RESULTS | {"mae": 3.2}, self.CONFIG)
        assert counts(ledger)["model_runs"] == 2

    def test_what_a_config_of_windows_may_say_is_no_error(self, ledger: Ledger) -> None:
        log_experiment("m", self.RESULTS, self.CONFIG | {"step_size": 14, "train_size": 1000, "tags": ("weather",)})
        assert counts(ledger)["model_runs"] == 1

    def test_they_need_their_required_columns(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="lacks training_start_date, training_end_date"):
            log_experiment("m", self.RESULTS, {"commodity": "Coffee", "model_type": "X", "forecast_horizon_days": 14})
        assert counts(ledger) == NOTHING


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # what is wrong: (changes to the results, changes to the config, what the message names)
    "an unknown key of results": ({"yhat": []}, {}, "'yhat'"),
    "an unknown key of config": ({}, {"comodity": "Coffee"}, "'comodity'"),
    "no commodity": ({}, {"commodity": None}, "'commodity'"),
    "an empty commodity": ({}, {"commodity": "  "}, "commodity"),
    "a commodity too long for a folder": ({}, {"commodity": "x" * 300}, "commodity 'xxx"),
    "a commodity too long once encoded": ({}, {"commodity": "日" * 90}, "commodity '日"),
    "a commodity that is a number": ({}, {"commodity": 5}, "commodity"),
    "no model type": ({}, {"model_type": None}, "'model_type'"),
    "a model type that is a number": ({}, {"model_type": 5}, "model_type"),
    "a NaN forecast": ({"y_hat": [math.nan] * 14}, {}, "y_hat"),
    "an infinite actual": ({"y": [math.inf] * 14}, {}, "y is inf"),
    "a None forecast": ({"y_hat": [None] * 14}, {}, "y_hat"),
    "a text for a number": ({"y_hat": ["1.0"] * 14}, {}, "y_hat"),
    "a number for a list": ({"y_hat": 1.0}, {}, "y_hat"),
    "a number for dates": ({"ds": 1.0}, {}, "ds"),
    "unequal lengths": ({"y_hat": [1.0] * 13}, {}, "lengths [14, 14, 13]"),
    "no steps": ({"ds": [], "y": [], "y_hat": []}, {}, "lengths [0, 0, 0]"),
    "a date at the cutoff": ({"cutoff": "2030-01-01"}, {}, "after the cutoff"),
    "a date that is none": ({"cutoff": "yesterday"}, {}, "cutoff is 'yesterday'"),
    "no cutoff": ({"cutoff": None}, {}, "'cutoff'"),
    "no day 0": ({"day0": None}, {}, "'day0'"),
    "a NaN day 0": ({"day0": math.nan}, {}, "day0"),
    "a text for day 0": ({"day0": "100"}, {}, "day0"),
    "a huge day 0": ({"day0": 10**400}, {}, "day0"),
    "a missing date": ({"ds": [None] * 14}, {}, "ds"),
    "text for seconds": ({"fit_seconds": "long"}, {}, "fit_seconds"),
    "a text of training rows": ({"n_training": "many"}, {}, "n_training"),
    "a NaN in the history": ({"y_train": [1.0, math.nan, 2.0]}, {}, "y_train"),
    "text in the history": ({"y_train": ["a", "b"]}, {}, "y_train"),
    "an empty history": ({"y_train": []}, {}, "y_train"),
    "a warning that is no text": ({"warning": 5}, {}, "warning"),
    "an error that is no text": ({"error": 5}, {}, "error"),
    "zero windows": ({}, {"n_windows": 0}, "n_windows"),
    "a text of windows": ({}, {"n_windows": "10"}, "n_windows"),
    "half a window": ({}, {"n_windows": 2.5}, "n_windows"),
    "a step size of zero": ({}, {"step_size": 0}, "step_size"),
    "a text for the step size": ({}, {"step_size": "7"}, "step_size"),
    "a training size of zero": ({}, {"train_size": 0}, "train_size"),
    "a horizon in text": ({}, {"forecast_horizon_days": "14"}, "forecast_horizon_days"),
    "a negative horizon": ({}, {"forecast_horizon_days": -1}, "forecast_horizon_days"),
    "an unknown frequency": ({}, {"frequency": "fortnight"}, "frequency"),
    "hyperparameters in a list": ({}, {"hyperparameters": [1, 1, 1]}, "hyperparameters"),
    "hyperparameters with number keys": ({}, {"hyperparameters": {1: 2}}, "hyperparameters"),
    "features that are neither true nor false": ({}, {"feature_config": {"weather": "yes"}}, "feature_config"),
    "covariates in a list": ({}, {"covariates": ["vix"]}, "covariates"),
    "tags in a number": ({}, {"tags": 5}, "tags"),
    "tags that are numbers": ({}, {"tags": [5]}, "tags"),
    "a training start that is none": ({}, {"training_start_date": "soon"}, "training_start_date"),
    "no training start": ({}, {"training_start_date": None}, "training_start_date"),
    "a training start after the cutoff": ({}, {"training_start_date": "2030-01-01"}, "training_start_date"),
    "a seed in text": ({}, {"random_seed": "42"}, "random_seed"),
    "a seed too large": ({}, {"random_seed": 2**40}, "random_seed"),
    "notes that are a number": ({}, {"notes": 5}, "notes"),
    "a model version that is a number": ({}, {"model_version": 2}, "model_version"),
    "an empty model version": ({}, {"model_version": ""}, "model_version"),
    "a series that is a number": ({}, {"unique_id": 7}, "unique_id"),
    "half a character": ({}, {"notes": "\ud800"}, "notes"),
}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("refusing")) as opened:
        yield opened
        opened.recorder._open.clear()


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a bad call left open is not recorded by the next test."""
    yield
    if "refusing" in request.fixturenames:
        request.getfixturevalue("refusing").recorder._open.clear()


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_named_and_writes_nothing(refusing: Ledger, case: str) -> None:
    results, config, named = BAD[case]
    given_results = next(windows(2)) | results
    given_config = CONFIG | {"n_windows": 1} | config
    given_results = {name: value for name, value in given_results.items() if name != "error" or value is not None}
    before = versions(refusing)
    with pytest.raises(InvalidInputError) as caught:
        refusing.log_experiment(case, given_results, given_config)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert refusing.finish() == []
    assert versions(refusing) == before


@pytest.mark.parametrize("case", ["zero windows", "a step size of zero", "an unknown frequency", "a horizon in text"])
def test_a_setting_that_cannot_be_used_is_refused_with_the_first_window(refusing: Ledger, case: str) -> None:
    results, config, named = BAD[case]
    with pytest.raises(InvalidInputError, match=named):
        refusing.log_experiment(case, next(windows(2)) | results, CONFIG | {"n_windows": 2} | config)
    assert refusing.finish() == []


@pytest.mark.parametrize("name", ["", "   ", None, 5])
def test_a_model_without_a_name_is_refused(refusing: Ledger, name: Any) -> None:
    before = versions(refusing)
    with pytest.raises(InvalidInputError, match="model_name"):
        refusing.log_experiment(name, next(windows(2)), CONFIG | {"n_windows": 1})
    assert versions(refusing) == before


@pytest.mark.parametrize(("results", "config"), [(None, CONFIG), ([], CONFIG), ({"mae": 1.0}, None), ("mae", "x")])
def test_what_is_no_dictionary_is_refused(refusing: Ledger, results: Any, config: Any) -> None:
    before = versions(refusing)
    with pytest.raises(InvalidInputError):
        refusing.log_experiment("mine", results, config)
    assert versions(refusing) == before


def test_empty_results_say_what_they_take(refusing: Ledger) -> None:
    with pytest.raises(InvalidInputError, match="results is empty: give a window"):
        refusing.log_experiment("mine", {}, CONFIG)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.dates(),
    st.datetimes(),
    st.lists(st.one_of(st.floats(), st.text(max_size=2), st.none(), st.dates()), max_size=3),
    st.dictionaries(
        st.one_of(st.text(max_size=3), st.integers()), st.one_of(st.text(max_size=3), st.floats()), max_size=2
    ),
    st.just(object()),
)
RESULT_NAMES = ["cutoff", "day0", "ds", "y", "y_hat", "y_train", "scale", "level", "training_start_date", "n_training"]
RESULT_NAMES += ["fit_seconds", "predict_seconds", "error", "warning", "mae", "rmse", "mae_1day", "dm_pvalue", "status"]
CONFIG_NAMES = [*CONFIG, "model_version", "unique_id", "forecast_horizon_days", "frequency", "n_windows", "step_size"]
CONFIG_NAMES += [
    "train_size",
    "grid_origin",
    "covariates",
    "data_as_of",
    "data_version",
    "dataset_version",
    "random_seed",
]
CONFIG_NAMES += ["code_fingerprint", "run_by", "notes", "model_path", "dashboard_url", "tags", "training_end_date"]
CONFIG_NAMES += ["run_timestamp", "experiment_id"]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    model=st.one_of(st.just("fuzzed"), JUNK),
    results=st.dictionaries(st.sampled_from(RESULT_NAMES), JUNK, max_size=3),
    config=st.dictionaries(st.sampled_from(CONFIG_NAMES), JUNK, max_size=3),
    bare=st.booleans(),
)
def test_whatever_is_logged_only_our_errors_come_out(
    refusing: Ledger, model: Any, results: dict[str, Any], config: dict[str, Any], bare: bool
) -> None:
    base = {"mae": 1.0} if bare else next(windows(2))
    more = {"training_end_date": "2024-12-31", "forecast_horizon_days": 14} if bare else {"n_windows": 1}
    before = versions(refusing)
    try:
        refusing.log_experiment(model, base | results, CONFIG | more | config)
    except ExperimentsError as error:
        assert str(error)  # noqa: PT017  either outcome is right, and each has its consequence
        assert versions(refusing) == before
        refusing.recorder._open.clear()


def test_what_was_fuzzed_can_be_read(refusing: Ledger) -> None:
    for name in (*sql_files.names("tables"), *sql_files.names("views")):
        rows_of(refusing, name)
    runs = {row["experiment_id"] for row in rows_of(refusing, "model_runs")}
    assert {row["experiment_id"] for row in rows_of(refusing, "experiments")} == runs
