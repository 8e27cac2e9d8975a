"""The backtester: what it records, what it does not do twice, and what it refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import misbehaving
from experiments import backtest, evaluate
from experiments.errors import InvalidInputError, NotEnoughDataError, NotFoundError
from experiments.science.models import registration, registry
from experiments.services import backtest as backtesting
from experiments.services import pool
from experiments.services import walk as walking
from experiments.services.ledger import connect
from made import CONFIG, counts, rows_of, versions, windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Filled
    from experiments.services.backtest import BacktestResult
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

CHEAP = ("naive", "random_walk")


def prices(n: int, seed: int = 5) -> pd.DataFrame:
    """A random walk of trading days."""
    random = np.random.default_rng(seed)
    ds = np.busday_offset("2018-01-01", np.arange(n), roll="forward")
    return pd.DataFrame({"ds": ds.astype("datetime64[ns]"), "y": 100 + random.normal(size=n).cumsum()})


def run(ledger: Ledger, data: pd.DataFrame, models: Any = CHEAP, **settings: Any) -> BacktestResult:
    arguments = {"commodity": "Test", "n_windows": 4, "horizon": 14} | settings
    return backtest(data, models=models, ledger=ledger, progress=False, **arguments)


def written(ledger: Ledger) -> dict[str, int]:
    """Rows of each table but that of the schema, which every ledger has."""
    return {table: n for table, n in counts(ledger).items() if table != "schema_version"}


def run_of(ledger: Ledger, experiment_id: str) -> dict[str, Any]:
    return rows_of(ledger, "model_runs", f"experiment_id = '{experiment_id}'")[0]


class TestWhatItRecords:
    def test_rows_of_every_table(self, filled: Filled) -> None:
        assert {table: n for table, n in written(filled.ledger).items() if n} == {
            "backtests": 1,
            # each of all steps, step 1, 7 and 14
            "families": 4,
            "standings": 4 * 4,
            "comparisons": 4 * 6,
            "environments": 1,
            "experiments": 4,
            "forecasts": 4 * 12 * 14,
            "model_runs": 4,
            "run_windows": 4 * 12,
        }
        assert (filled.result.n_fits, filled.result.n_reused, len(filled.result.experiment_ids)) == (48, 0, 4)

    def test_metrics_are_recomputed_from_what_is_stored(self, filled: Filled) -> None:
        for (model, _), experiment_id in filled.result.experiment_ids.items():
            stored = run_of(filled.ledger, experiment_id)
            recomputed = evaluate(filled.ledger.forecasts(experiment_id), filled.ledger.windows(experiment_id))
            for name, value in dataclasses.asdict(recomputed).items():
                found = None if stored[name] != stored[name] else stored[name]
                if isinstance(value, float):
                    assert found == pytest.approx(value, rel=1e-12), (model, name)
                else:
                    assert found == value, (model, name)

    def test_accuracy_by_horizon_says_the_same(self, filled: Filled) -> None:
        for experiment_id in filled.result.experiment_ids.values():
            stored = run_of(filled.ledger, experiment_id)
            steps = {
                row["step"]: row
                for row in rows_of(filled.ledger, "accuracy_by_horizon", f"experiment_id = '{experiment_id}'")
            }
            assert sorted(steps) == list(range(1, 15))
            assert {row["n_windows"] for row in steps.values()} == {12}
            for step in (1, 7, 14):
                assert steps[step]["mae"] == pytest.approx(stored[f"mae_{step}day"], rel=1e-9)
            assert steps[14]["rmse"] == pytest.approx(stored["rmse_14day"], rel=1e-9)
            assert steps[14]["mape"] == pytest.approx(stored["mape_14day"], rel=1e-9)
            assert np.mean([row["mae"] for row in steps.values()]) == pytest.approx(stored["mae_path"], rel=1e-9)

    def test_windows_say_what_they_were_trained_on(self, filled: Filled) -> None:
        rows = rows_of(filled.ledger, "run_windows")
        assert {row["status"] for row in rows} == {"ok"}
        for row in rows:
            assert row["training_start_date"] < row["cutoff"]
            assert 30 <= row["n_training"] <= 500
            assert row["fit_seconds"] >= 0
            assert row["predict_seconds"] >= 0

    def test_the_leaderboard_is_that_of_the_ledger(self, filled: Filled) -> None:
        board = filled.ledger.leaderboard("WTI")
        pd.testing.assert_frame_equal(board, filled.result.leaderboard)
        assert set(board["model_name"]) == {"naive", "random_walk", "seasonal_naive", "arima"}
        assert sorted(board["place"]) == [1, 2, 3, 4]

    def test_runs_and_windows_agree_on_their_dates_and_seconds(self, filled: Filled) -> None:
        for row in rows_of(filled.ledger, "model_runs"):
            mine = rows_of(filled.ledger, "run_windows", f"experiment_id = '{row['experiment_id']}'")
            assert row["training_end_date"] == max(one["cutoff"] for one in mine)
            assert row["training_start_date"] == min(one["training_start_date"] for one in mine)
            spent = sum(one["fit_seconds"] + one["predict_seconds"] for one in mine)
            assert row["execution_time_seconds"] == pytest.approx(spent)
            # the last actual of the last window, not the last date of the file
            assert row["data_as_of"] == dt.date(2018, 12, 28)

    def test_naive_has_no_direction_and_no_test(self, filled: Filled) -> None:
        row = rows_of(filled.ledger, "model_runs", "model_name = 'naive'")[0]
        for name in ("directional_accuracy", "dm_test_vs_naive", "dm_pvalue", "beats_baseline"):
            assert row[name] is None or row[name] != row[name], name
        assert row["evidence_note"] == "same forecasts as naive"
        assert row["mae_path"] == pytest.approx(row["naive_mae_path"])

    def test_ids_are_uuid7_of_the_start(self, filled: Filled) -> None:
        for row in rows_of(filled.ledger, "model_runs"):
            milliseconds = int(row["experiment_id"].replace("-", "")[:12], 16)
            assert milliseconds == int(row["run_timestamp"].replace(tzinfo=dt.UTC).timestamp() * 1000)

    def test_a_short_horizon_leaves_the_longer_steps_null(self, ledger: Ledger) -> None:
        result = run(ledger, prices(120), horizon=5, n_windows=8)
        for experiment_id in result.experiment_ids.values():
            row = run_of(ledger, experiment_id)
            assert row["mae_1day"] > 0
            for name in ("mae_7day", "mae_14day", "rmse_14day", "mape_14day", "mase_14day"):
                assert row[name] is None or row[name] != row[name], name
        assert len(result.leaderboard) == 2

    def test_series_of_a_commodity_are_evaluations_of_their_own(self, ledger: Ledger) -> None:
        data = pd.concat([prices(120, seed).assign(unique_id=name) for seed, name in enumerate(("north", "south"))])
        result = run(ledger, data, horizon=5)
        assert set(result.experiment_ids) == {(model, series) for model in CHEAP for series in ("north", "south")}
        assert counts(ledger)["model_runs"] == 4
        assert counts(ledger)["backtests"] == 1
        assert sorted(result.leaderboard["unique_id"].unique()) == ["north", "south"]

    def test_what_was_left_out_is_noted(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        few = {name: misbehaving.BASELINE_MODELS[name] for name in ("naive", "sarimax_vix_v1")}
        monkeypatch.setattr(registry, "all_variants", lambda: few)
        data = prices(120)
        data.loc[3, "y"] = np.nan
        result = run(ledger, data, models=None, horizon=5)
        assert list(result.experiment_ids) == [("naive", "Test")]
        assert result.notes == (
            "1 of 120 rows without a date or value left out of the data of Test",
            "sarimax_vix_v1 left out for want of the covariate 'vix'",
        )


class TestAtOnce:
    def test_two_take_turns_and_the_second_fits_nothing(self, tmp_path: Path) -> None:
        connect(tmp_path / "ledger").close()

        def once(_: int) -> int:
            with connect(tmp_path / "ledger") as own:
                return run(own, prices(300)).n_fits

        with ThreadPoolExecutor(2) as threads:
            fits = sorted(threads.map(once, range(2)))
        with connect(tmp_path / "ledger") as own:
            assert fits == [0, counts(own)["run_windows"]]


class TestAgain:
    def test_later_only_the_new_windows_are_fitted(self, ledger: Ledger) -> None:
        data = prices(150)
        first = run(ledger, data[:-28])
        later = run(ledger, data)
        assert (first.n_fits, first.n_reused) == (8, 0)
        assert (later.n_fits, later.n_reused) == (4, 4)
        for name in ("naive", "random_walk"):
            old, new = (ledger.windows(result.experiment_ids[name, "Test"]) for result in (first, later))
            shared = old.merge(new, on="cutoff", suffixes=("", "_again"))
            assert len(shared) == 2
            assert (shared["mae_path"] == shared["mae_path_again"]).all()

    def test_a_changed_past_is_fitted_again(self, ledger: Ledger) -> None:
        data = prices(150)
        run(ledger, data)
        data.loc[len(data) - 70, "y"] += 1.0
        assert run(ledger, data).n_fits > 0

    def test_nothing_is_fitted_and_nothing_changes(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        data = prices(150)
        first = run(ledger, data)
        before, logs = counts(ledger), versions(ledger)
        monkeypatch.setattr(pool, "forecast_windows", misbehaving.fit_never)
        again = run(ledger, data)
        assert (again.n_fits, again.n_reused) == (0, 8)
        assert again.experiment_ids == first.experiment_ids
        assert again.definition == first.definition
        assert (counts(ledger), versions(ledger)) == (before, logs)
        pd.testing.assert_frame_equal(first.leaderboard, again.leaderboard)

    def test_only_the_new_model_is_fitted(self, ledger: Ledger) -> None:
        data = prices(150)
        run(ledger, data)
        more = run(ledger, data, models=[*CHEAP, "seasonal_naive"])
        assert (more.n_fits, more.n_reused) == (4, 8)
        assert len(more.leaderboard) == 3

    def test_another_seed_or_length_is_another_evaluation(self, ledger: Ledger) -> None:
        data = prices(150)
        run(ledger, data, models=["naive"])
        assert run(ledger, data, models=["naive"], seed=7).n_fits == 4
        assert run(ledger, data, models=["naive"], train_size=60).n_fits == 4
        assert run(ledger, data.assign(y=data["y"] + 1), models=["naive"]).n_fits == 4
        assert counts(ledger)["model_runs"] == 4
        assert counts(ledger)["backtests"] == 2

    def test_more_data_keep_the_old_cutoffs_where_they_are(self, ledger: Ledger) -> None:
        data = prices(150 + 2 * 14 + 3)
        first, second = run(ledger, data.head(150)), run(ledger, data)
        assert first.definition.backtest_id == second.definition.backtest_id
        for key in first.experiment_ids:
            old, new = (ledger.forecasts(one.experiment_ids[key]) for one in (first, second))
            old_cutoffs, new_cutoffs = (list(dict.fromkeys(one["cutoff"])) for one in (old, new))
            assert len(old_cutoffs) == len(new_cutoffs) == 4
            assert old_cutoffs[2:] == new_cutoffs[:2]
            shared = set(old_cutoffs) & set(new_cutoffs)
            pd.testing.assert_frame_equal(
                *(one[one["cutoff"].isin(shared)].reset_index(drop=True) for one in (old, new))
            )
        last = data["ds"].dt.date.tolist().index(new_cutoffs[-1])
        assert set(second.leaderboard["data_as_of"]) == {data["ds"].iloc[last + 14].date()}
        assert len(second.leaderboard) == 2

    def test_data_that_complete_no_window_make_no_other_evaluation(self, ledger: Ledger) -> None:
        data = prices(150)
        first, later = run(ledger, data.head(148)), run(ledger, data, data_version="another name of it")
        assert (later.n_fits, later.experiment_ids) == (0, first.experiment_ids)

    def test_history_that_begins_later_stays_on_the_grid(self, ledger: Ledger) -> None:
        data = prices(200)
        whole, cut = run(ledger, data, train_size=60), run(ledger, data.tail(120), train_size=60)
        assert cut.definition == whole.definition
        assert cut.n_fits == 0  # the same cutoffs, and the same observations to train on
        assert cut.notes == ()
        again = run(ledger, data.tail(120), train_size=60)
        assert again.experiment_ids == cut.experiment_ids

    def test_history_that_begins_after_every_cutoff_starts_a_grid_anew_and_says_so(self, ledger: Ledger) -> None:
        data = prices(400)
        run(ledger, data.head(150))
        later = data.tail(150)
        result = run(ledger, later)
        first = later["ds"].iloc[0].date()
        assert result.definition.grid_origin == first
        assert result.notes == (
            f"no cutoff recorded earlier is a date of every series: the grid starts anew on {first}, and its windows "
            "are compared with none before",
        )
        again = run(ledger, data.tail(120))
        assert (again.definition, again.notes) == (result.definition, ())

    def test_a_model_evaluated_on_older_data_only_is_marked(self, ledger: Ledger) -> None:
        data = prices(150 + 14)
        run(ledger, data.head(150))
        board = run(ledger, data, models=["naive"]).leaderboard
        again = run(ledger, data.head(150))
        assert (
            again.notes[-1]
            == f"the ledger has evaluations on data up to {board['data_as_of'].max()}: the leaderboard is of those"
        )
        assert dict(zip(board["model_name"], board["verdict"], strict=True)) == {
            "naive": "the baseline",
            "random_walk": "not compared",
        }
        assert board.set_index("model_name")["evidence_note"]["random_walk"].startswith("evaluated on older data")


def daily(data: pd.DataFrame, name: str, first: int, last: int, seed: int = 3) -> pd.DataFrame:
    """A covariate on every calendar day from the date of the `first` to that of the `last` observation."""
    ds = pd.date_range(data["ds"].iloc[first], data["ds"].iloc[last])
    return pd.DataFrame({"ds": ds, name: np.random.default_rng(seed).normal(size=len(ds)).cumsum()})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of variants that differ in their covariates only, and are quick."""
    quick = {"sarimax_vix_v1": ("vix",), "sarimax_all_v1": ("*",)}
    models = {
        name: dataclasses.replace(misbehaving.BASELINE_MODELS[name], params={"order": (0, 1, 0)}, covariates=covariates)
        for name, covariates in quick.items()
    }
    monkeypatch.setattr(registry, "all_variants", lambda: {"naive": misbehaving.BASELINE_MODELS["naive"], **models})


@pytest.mark.usefixtures("few")
class TestCovariates:
    def test_every_variant_has_the_same_windows_confined_to_what_all_cover(self, ledger: Ledger) -> None:
        data = prices(260)
        covariates = {"vix": daily(data, "vix", 0, 259), "rain": daily(data, "rain", 20, 200)}
        result = run(ledger, data, None, covariates=covariates)
        assert [name for name, _ in result.experiment_ids] == ["naive", "sarimax_vix_v1", "sarimax_all_v1"]
        assert result.definition.covariates == {"rain": "observed", "vix": "observed"}
        rows = rows_of(ledger, "run_windows")
        assert {row["status"] for row in rows} == {"ok"}
        cutoffs = {row["cutoff"] for row in rows}
        at = data["ds"].dt.date
        assert (len(rows), len(cutoffs), max(cutoffs)) == (12, 4, at[196])
        assert result.notes == (
            f"windows of the data of Test end with the cutoff {at[196]}, not {at[238]}: rain ends on {at[200]}, the "
            f"series on {at[259]}",
        )
        # what could be seen: the actuals of the last cutoff
        assert set(result.leaderboard["data_as_of"]) == {at[210]}
        features = {row["model_name"]: row["feature_config"] for row in rows_of(ledger, "model_runs")}
        assert {name: dict(given) for name, given in features.items()} == {
            "naive": {"weather": False, "vix": False, "cop_usd": False, "rain": False},
            "sarimax_vix_v1": {"weather": False, "vix": True, "cop_usd": False, "rain": False},
            "sarimax_all_v1": {"weather": False, "vix": True, "cop_usd": False, "rain": True},
        }
        given = {row["model_name"]: dict(row["hyperparameters"]) for row in rows_of(ledger, "model_runs")}
        assert {name: parameters.get("exog_vars") for name, parameters in given.items()} == {
            "naive": None,
            "sarimax_vix_v1": "vix",
            "sarimax_all_v1": "rain,vix",
        }

    def test_more_prices_beyond_the_covariates_are_no_news_and_more_covariates_are(self, ledger: Ledger) -> None:
        data = prices(260)
        rain = daily(data, "rain", 0, 259)
        old, newer = rain[rain["ds"] <= data["ds"][200]], rain[rain["ds"] <= data["ds"][212]]
        first = run(ledger, data.head(240), None, covariates={"rain": old})
        assert run(ledger, data, None, covariates={"rain": old}).experiment_ids == first.experiment_ids
        later = run(ledger, data, None, covariates={"rain": newer})
        assert later.definition == first.definition
        assert not set(later.experiment_ids.values()) & set(first.experiment_ids.values())
        assert (later.n_fits, later.n_reused) == (2, 6)

    def test_covariates_known_in_advance_are_another_backtest_with_other_forecasts(self, ledger: Ledger) -> None:
        data = prices(200)
        rain = {"rain": daily(data, "rain", 0, 199)}
        observed = run(ledger, data, None, covariates=rain)
        known = run(ledger, data, None, known_covariates=rain)
        assert known.definition.covariates == {"rain": "known"}
        assert known.definition.backtest_id != observed.definition.backtest_id
        assert (known.n_fits, known.n_reused) == (4, 4)  # naive is none of rain's business
        one, other = (ledger.forecasts(each.experiment_ids["sarimax_all_v1", "Test"]) for each in (observed, known))
        assert one["cutoff"].tolist() == other["cutoff"].tolist()
        assert (one["y_hat"] != other["y_hat"]).any()

    def test_a_changed_future_of_a_known_covariate_is_fitted_again_and_no_other_window(self, ledger: Ledger) -> None:
        data = prices(200)
        rain = daily(data, "rain", 0, 199)
        run(ledger, data, ["sarimax_all_v1"], known_covariates={"rain": rain})
        changed = rain.assign(rain=rain["rain"].where(rain["ds"] != data["ds"][190], 9.0))
        again = run(ledger, data, ["sarimax_all_v1"], known_covariates={"rain": changed})
        assert (again.n_fits, again.n_reused) == (1, 3)

    def test_a_hole_is_said_and_a_model_that_cannot_do_without_fails(self, ledger: Ledger) -> None:
        data = prices(200)
        rain = daily(data, "rain", 0, 199)
        holed = rain[~rain["ds"].between(data["ds"][170], data["ds"][190])]
        result = run(ledger, data, "sarimax_all_v1", covariates={"rain": holed})
        assert result.leaderboard.set_index("model_name")["n_failed_windows"]["sarimax_all_v1"] > 0
        assert [note for note in result.notes if "'rain' has no fresh value on" in note]
        stands = run(ledger, data, "sarimax_all_v1", known_covariates={"rain": holed})
        assert stands.leaderboard["n_failed_windows"][0] == 0
        assert [note for note in stands.notes if "'rain' has no row between" in note]
        assert result.notes[-1].startswith("sarimax_all_v1 failed in ")
        noted = {row["data_notes"] for row in rows_of(ledger, "model_runs")}
        assert noted == {"; ".join(result.notes[:-1]), "; ".join(stands.notes)}

    def test_a_covariate_that_begins_late_leaves_too_few_windows(self, refusing: Ledger) -> None:
        data = prices(200)
        begins = data["ds"][120].date()
        with pytest.raises(
            NotEnoughDataError,
            match=rf"the data of Test: 4 windows .* need 225 observations; the series has 200, enough for 2 windows\. "
            rf"rain begins on {begins}, the series on 2018-01-01\.",
        ):
            run(refusing, data, "naive", covariates={"rain": daily(data, "rain", 120, 199)})

    def test_a_covariate_that_ends_early_leaves_too_few_windows(self, refusing: Ledger) -> None:
        data = prices(200)
        with pytest.raises(NotEnoughDataError, match=r"enough for 1 windows\. rain ends on .*, the series on"):
            run(refusing, data, "naive", covariates={"rain": daily(data, "rain", 0, 50)})

    def test_a_covariate_of_another_time_is_refused_before_the_ledger_is_opened(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backtesting, "current", misbehaving.fit_never)
        old = pd.DataFrame({"ds": ["1999-01-01"], "rain": [1.0]})
        with pytest.raises(
            InvalidInputError, match="covariate 'rain' runs from 1999-01-01 to 1999-01-01 and covers none"
        ):
            run(None, prices(150), "naive", covariates={"rain": old})  # type: ignore[arg-type]


class TestPanels:
    def panel(self, **starts: int) -> pd.DataFrame:
        return pd.concat(
            [prices(260, n).iloc[start:].assign(unique_id=name) for n, (name, start) in enumerate(starts.items())]
        )

    def test_series_that_begin_on_different_dates_share_a_grid_and_go_on_with_it(self, ledger: Ledger) -> None:
        first = run(ledger, self.panel(a=0))
        both = run(ledger, self.panel(a=0, b=37))
        assert both.definition == first.definition
        at = prices(260)["ds"].dt.date
        cutoffs = {row["cutoff"] for row in rows_of(ledger, "run_windows")}
        assert cutoffs == {at[position] for position in (196, 210, 224, 238)}

    def test_a_first_grid_begins_with_the_first_date_all_have(self, ledger: Ledger) -> None:
        result = run(ledger, self.panel(a=0, b=37))
        assert result.definition.grid_origin == prices(260)["ds"][37].date()

    def test_series_without_a_date_in_common_are_refused_by_name(self, refusing: Ledger) -> None:
        data = prices(300)
        apart = pd.concat([data.head(140).assign(unique_id="a"), data.tail(140).assign(unique_id="b")])
        with pytest.raises(InvalidInputError, match=r"Test have no date in common \(a from 2018-01-01 to .*; b from"):
            run(refusing, apart)

    def test_the_series_that_is_too_short_is_named(self, refusing: Ledger) -> None:
        with pytest.raises(
            NotEnoughDataError, match=r"^series 'b' of Test: 4 windows .* the series has 60, enough for 1"
        ):
            run(refusing, self.panel(a=0, b=200))

    def test_what_is_odd_is_said_of_each_series_and_of_the_frame_once(self, ledger: Ledger) -> None:
        data = self.panel(a=0, b=0).reset_index(drop=True)
        data.loc[5, "y"] = data.loc[4, "y"]
        data.loc[[260 + 9, 260 + 10], "y"] = np.nan
        notes = run(ledger, data).notes
        day = data["ds"].dt.date
        assert notes == (
            "2 of 520 rows without a date or value left out of the data of Test",
            f"series 'a' of Test has 1 value equal to the one before, the last on {day[5]}: kept as observed, a stale "
            "close counts as no move",
            f"series 'b' of Test has 1 gap of more than 4 days, the longest from {day[8]} to {day[11]}: not filled, a "
            "step is the next observation",
        )


class TestWhatDependsOnAChange:
    """Exactly that is fitted again."""

    MINE = """
import numpy as np
import experiments

@experiments.register("mine", params={{"up": {up}}})
def fit(window, *, up):
    return np.full(window.horizon, window.y[-1] {sign} up)
"""

    def use(self, folder: Path, *, up: float = 1.0, sign: str = "+") -> None:
        (folder / "mine.py").write_text(self.MINE.format(up=up, sign=sign))
        registration.load_model_file(folder / "mine.py")

    def test_a_parameter_or_the_code_of_a_model_that_model(self, ledger: Ledger, tmp_path: Path) -> None:
        data = prices(150)
        self.use(tmp_path)
        assert run(ledger, data, models=["naive", "mine"]).n_fits == 8
        self.use(tmp_path)
        assert run(ledger, data, models=["naive", "mine"]).n_fits == 0
        self.use(tmp_path, up=2.0)
        assert run(ledger, data, models=["naive", "mine"]).n_fits == 4
        self.use(tmp_path, up=2.0, sign="-")
        result = run(ledger, data, models=["naive", "mine"])
        assert (result.n_fits, result.n_reused) == (4, 4)
        forecasts = ledger.forecasts(result.experiment_ids["mine", "Test"])
        days = ledger.windows(result.experiment_ids["mine", "Test"])[["cutoff", "day0"]]
        assert (forecasts.merge(days)["day0"] - forecasts["y_hat"] == 2.0).all()

    def test_a_price_the_windows_trained_on_it(self, ledger: Ledger) -> None:
        data = prices(150)
        last = run(ledger, data, train_size=60)
        cutoffs = ledger.windows(last.experiment_ids["naive", "Test"])["cutoff"].tolist()
        changed = data.assign(y=data["y"].where(data["ds"].dt.date != cutoffs[2], data["y"] + 1))
        result = run(ledger, changed, train_size=60)
        assert (result.n_fits, result.n_reused) == (4, 4)  # two windows of two models
        # an actual after the last cutoff: no fit depends on it, the errors do
        late = data.assign(y=data["y"].where(data.index < len(data) - 10, data["y"] + 1))
        scored = run(ledger, late, train_size=60)
        assert (scored.n_fits, scored.n_reused) == (0, 8)
        assert scored.experiment_ids != last.experiment_ids

    def test_a_horizon_everything(self, ledger: Ledger) -> None:
        data = prices(150)
        assert run(ledger, data).n_fits == 8
        assert run(ledger, data, horizon=7, step_size=14).n_fits == 8


def test_the_numbers_are_the_same_whoever_fits_several_series(tmp_path: Path) -> None:
    data = pd.concat([prices(120, seed).assign(unique_id=name) for seed, name in enumerate(("north", "south"))])
    found = []
    for workers in (0, 2):
        with connect(tmp_path / str(workers)) as ledger:
            result = run(ledger, data, models=["naive", "arima"], horizon=5, workers=workers)
            keys = sorted(result.experiment_ids)
            found.append([ledger.forecasts(result.experiment_ids[key]).assign(key=str(key)) for key in keys])
    pd.testing.assert_frame_equal(*(pd.concat(each) for each in found), check_exact=True)


class TestAsOf:
    def test_what_came_later_is_not_there(self, ledger: Ledger) -> None:
        data = prices(200)
        vix = daily(data, "vix", 0, 199)
        date = data["ds"].iloc[149].date()
        then = run(ledger, data, ["naive"], covariates={"vix": vix}, as_of=date)
        cut, seen = data[data["ds"].dt.date <= date], vix[vix["ds"].dt.date <= date]
        assert run(ledger, cut, ["naive"], covariates={"vix": seen}).experiment_ids == then.experiment_ids
        assert set(then.leaderboard["data_as_of"]) <= {day.date() for day in cut["ds"]}
        assert run_of(ledger, then.experiment_ids["naive", "Test"])["run_timestamp"].year != date.year

    def test_nothing_then_is_refused(self, refusing: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="begins on 2018-01-01 and has nothing as of 2017-12-31: give"):
            run(refusing, prices(150), as_of=dt.date(2017, 12, 31))
        rain = daily(prices(150), "rain", 100, 149)
        with pytest.raises(InvalidInputError, match=r"covariate 'rain' begins on .* has nothing as of 2018-02-01"):
            run(refusing, prices(150), as_of=dt.date(2018, 2, 1), covariates={"rain": rain})


class TestInterrupted:
    @pytest.fixture
    def _one_process(self) -> None:
        """Workers, as many as there are cores."""

    def test_what_was_fitted_is_kept_and_a_second_run_fits_the_rest(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(slow=misbehaving.fit_slow))
        taken = 0
        take = walking._Walk.take

        def take_or_interrupt(*arguments: Any) -> None:
            nonlocal taken
            taken += 1
            if taken == 2:
                signal.raise_signal(signal.SIGINT)
            take(*arguments)

        monkeypatch.setattr(walking._Walk, "take", take_or_interrupt)
        with pytest.raises(KeyboardInterrupt) as stopped:
            run(ledger, prices(300), models=["naive", "slow"], n_windows=10, workers=1)
        # the two tasks the worker held, of two windows each
        assert stopped.value.__notes__ == ["4 windows of 20 done and kept; run it again to go on"]
        assert ledger.finish() == []
        assert counts(ledger)["model_runs"] == 0
        kept = rows_of(ledger, "run_windows")
        assert len(kept) == 4
        monkeypatch.setattr(walking._Walk, "take", take)
        result = run(ledger, prices(300), models=["naive", "slow"], n_windows=10)
        assert result.n_fits == 16
        assert {row["experiment_id"] for row in kept} == {result.experiment_ids["slow", "Test"]}
        assert counts(ledger) | {"run_windows": 20, "forecasts": 280, "model_runs": 2} == counts(ledger)
        slow = ledger.forecasts(result.experiment_ids["slow", "Test"])
        assert slow["q10"].notna().sum() == 14  # conformal: the tenth window has nine before it
        assert run(ledger, prices(300), models=["naive", "slow"], n_windows=10).n_fits == 0

    def test_a_second_interrupt_stops_at_once(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(slow=misbehaving.fit_slow))
        take = walking._Walk.take

        def interrupted(*arguments: Any) -> None:
            take(*arguments)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(walking._Walk, "take", interrupted)
        with pytest.raises(KeyboardInterrupt) as stopped:
            run(ledger, prices(150), models=["slow"], workers=1)
        assert stopped.value.__notes__ == ["1 window of 4 done and kept; run it again to go on"]
        assert len(rows_of(ledger, "run_windows")) == 1

    def test_windows_are_stored_while_others_are_fitted(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walking, "STORE_EVERY_SECONDS", 0)
        seen: list[int] = []
        store = ledger.recorder.store

        def counting() -> dict[str, str]:
            found = store()
            seen.append(counts(ledger)["run_windows"])
            return found

        monkeypatch.setattr(ledger.recorder, "store", counting)
        run(ledger, prices(150), models=["naive"])
        assert seen == [1, 2, 3, 4, 4]
        assert counts(ledger)["model_runs"] == 1

    def test_a_worker_that_dies_is_a_failed_window(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(deadly=misbehaving.fit_deadly))
        result = run(ledger, prices(150), models=["naive", "deadly"], n_windows=1)
        row = run_of(ledger, result.experiment_ids["deadly", "Test"])
        assert (row["status"], row["n_failed_windows"]) == ("failed", 1)
        assert run_of(ledger, result.experiment_ids["naive", "Test"])["status"] == "completed"

    def test_what_the_user_has_open_is_not_forgotten(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        for one in windows(3):
            ledger.log_experiment("mine", one, CONFIG)
        monkeypatch.setattr(pool, "run", misbehaving.fit_never)
        with pytest.raises(TypeError):
            run(ledger, prices(150), models=["naive"])
        assert len(ledger.finish()) == 1
        assert [row["model_name"] for row in rows_of(ledger, "model_runs")] == ["mine"]

    def test_nor_recorded_before_its_time(self, ledger: Ledger) -> None:
        results = list(windows(3))
        ledger.log_experiment("mine", results[0], CONFIG | {"n_windows": 3})
        run(ledger, prices(150), models=["naive"], workers=0)
        assert {row["model_name"] for row in rows_of(ledger, "model_runs")} == {"naive"}
        for one in results[1:]:
            ledger.log_experiment("mine", one, CONFIG | {"n_windows": 3})
        assert {row["model_name"] for row in rows_of(ledger, "model_runs")} == {"naive", "mine"}


class TestFailingModels:
    def test_failed_windows_are_rows_with_their_errors(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(moody=misbehaving.fit_moody))
        result = run(ledger, prices(300), models=["naive", "moody"], n_windows=12)
        moody = run_of(ledger, result.experiment_ids["moody", "Test"])
        mine = rows_of(ledger, "run_windows", f"experiment_id = '{moody['experiment_id']}'")
        failed = [row for row in mine if row["status"] == "failed"]
        assert {row["error"] for row in failed} == {"ValueError: not in an even month"}
        assert all(row["cutoff"].month % 2 == 0 for row in failed)
        assert {row["warning"] for row in mine if row["status"] == "ok"} == {"RuntimeWarning: it was close"}
        assert 0 < len(failed) < 12
        assert (moody["n_windows"], moody["n_failed_windows"], moody["status"]) == (12, len(failed), "completed")
        assert len(ledger.forecasts(moody["experiment_id"])) == 14 * (12 - len(failed))
        assert moody["dm_n"] == 12 - len(failed)
        recomputed = evaluate(ledger.forecasts(moody["experiment_id"]), ledger.windows(moody["experiment_id"]))
        assert recomputed.mae_path == pytest.approx(moody["mae_path"])
        assert run_of(ledger, result.experiment_ids["naive", "Test"])["n_failed_windows"] == 0

    @pytest.mark.parametrize(
        ("function", "error"),
        [
            (misbehaving.fit_never, "LinAlgError: singular"),
            (misbehaving.fit_to_nan, "InvalidInputError: the model forecast nan at step 1"),
            (
                misbehaving.fit_too_short,
                "InvalidInputError: the model returned an array of shape (13,); (14,) is needed",
            ),
        ],
    )
    def test_a_model_that_always_fails_is_a_failed_evaluation(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, function: Any, error: str
    ) -> None:
        monkeypatch.setattr(registry, "all_variants", lambda: misbehaving.with_variants(broken=function))
        result = run(ledger, prices(150), models=["naive", "broken"])
        row = run_of(ledger, result.experiment_ids["broken", "Test"])
        assert (row["status"], row["n_failed_windows"]) == ("failed", 4)
        mine = rows_of(ledger, "run_windows", f"experiment_id = '{row['experiment_id']}'")
        assert {one["error"] for one in mine} == {error}
        assert result.notes == (f"broken failed in 4 windows of Test: {error}",)
        board = result.leaderboard.set_index("model_name")
        assert board.loc["broken", ["verdict", "evidence_note"]].tolist() == ["not compared", "no window succeeded"]
        assert pd.isna(board.loc["broken", "place"])
        assert board.loc["naive", "place"] == 1
        # a failure recorded is not tried again
        assert run(ledger, prices(150), models=["naive", "broken"]).n_fits == 0

    def test_a_variant_without_tags_runs(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = dataclasses.replace(misbehaving.BASELINE_MODELS["naive"], name="plain", experiment_tags={})
        monkeypatch.setattr(registry, "all_variants", lambda: {"plain": plain})
        assert run(ledger, prices(150), models=["plain"]).n_fits == 4


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("refusals")) as opened:
        yield opened
        assert set(written(opened).values()) == {0}


class TestRefusals:
    def test_an_unknown_model_suggests_the_nearest(self, refusing: Ledger) -> None:
        with pytest.raises(
            NotFoundError, match=r"unknown model 'arma'. Did you mean 'arima'\? Known: arima, naive, neuralprophet_v1, "
        ):
            run(refusing, prices(150), models=["naive", "arma"])

    def test_no_model_is_refused(self, refusing: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="no model was named; the registry has naive, random_walk"):
            run(refusing, prices(150), models=[])

    def test_one_model_as_text_is_that_model(self, ledger: Ledger) -> None:
        assert list(run(ledger, prices(150), models="naive").experiment_ids) == [("naive", "Test")]

    def test_a_missing_covariate_is_named(self, refusing: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="sarimax_vix_v1 needs the covariate 'vix'; given: no covariate"):
            run(refusing, prices(150), models=["sarimax_vix_v1"])

    @pytest.mark.parametrize(("given", "enough_for"), [(97, 3), (60, 1)])
    def test_a_short_series_says_how_many_are_needed(self, refusing: Ledger, given: int, enough_for: int) -> None:
        with pytest.raises(
            NotEnoughDataError, match=rf"need 99 observations; the series has {given}, enough for {enough_for}"
        ):
            run(refusing, prices(given))

    def test_and_that_many_are_enough(self, tmp_path: Path) -> None:
        with connect(tmp_path) as enough:
            assert run(enough, prices(99), models=["naive"]).n_fits == 4

    def test_a_training_length_too_short_says_what_is_needed(self, refusing: Ledger) -> None:
        with pytest.raises(
            NotEnoughDataError, match="train_size is 41: a horizon of 14 with seasons of 5 needs at least 42"
        ):
            run(refusing, prices(150), train_size=41)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("horizon", 0), ("horizon", 2.5), ("n_windows", 0), ("n_windows", "4"), ("step_size", -1), ("train_size", 0)],
    )
    def test_a_count_that_is_none_is_named(self, refusing: Ledger, setting: str, value: Any) -> None:
        with pytest.raises(InvalidInputError, match=f"{setting} is {value!r}"):
            run(refusing, prices(150), **{setting: value})

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"models": 5}, "models is 5: give a list of names"),
            ({"models": [None]}, r"models is \[None\]: give a list of names"),
            ({"covariates": 5}, "covariates is int: give a dictionary"),
            ({"covariates": {"a": 5}}, "covariate 'a' is a int: give a pandas DataFrame"),
            ({"known_covariates": {5: 5}}, "a name in known_covariates is 5"),
            ({"commodity": None}, "commodity is None"),
            ({"horizon": "14"}, "horizon is '14'"),
            ({"horizon": None}, "horizon is None"),
            ({"horizon": 10**30}, "horizon is 10000"),
            ({"n_windows": True}, "n_windows is True"),
            ({"step_size": 0}, "step_size is 0"),
            ({"step_size": 1.5}, "step_size is 1.5"),
            ({"train_size": [1000]}, r"train_size is \[1000\]"),
            ({"seed": None}, "seed is None: it must be a whole number of at least 0"),
            ({"seed": -1}, "seed is -1"),
            ({"seed": "42"}, "seed is '42'"),
            ({"data_version": ""}, "data_version is ''"),
            ({"data_version": 5}, "data_version is 5"),
            ({"data": 5}, "the data of Test is a int: give a pandas DataFrame"),
            ({"data": prices(1)}, None),
        ],
    )
    def test_settings_are_refused_before_the_ledger_is_opened(
        self, refusing: Ledger, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], named: str | None
    ) -> None:
        if named is None:  # how many observations are needed is known with the grid
            with pytest.raises(NotEnoughDataError, match="the series has 1, enough for 0"):
                run(refusing, **settings)
            return
        monkeypatch.setattr(backtesting, "current", misbehaving.fit_never)
        with pytest.raises(InvalidInputError, match=named):
            run(None, **{"data": prices(150)} | settings)  # type: ignore[arg-type]

    def test_integers_of_numpy_and_a_name_of_the_data_are_taken(self, ledger: Ledger) -> None:
        settings = {name: np.int64(value) for name, value in (("horizon", 14), ("n_windows", 4), ("train_size", 60))}
        first = run(ledger, prices(150), ["naive"], seed=np.uint8(7), data_version="prices@v3", **settings)
        assert {row["data_version"] for row in rows_of(ledger, "model_runs")} == {"prices@v3"}
        same = run(ledger, prices(150), ["naive"], seed=7, data_version="prices@v3", train_size=60)
        assert (same.n_reused, same.experiment_ids) == (4, first.experiment_ids)
        other = run(ledger, prices(150), ["naive"], seed=7, data_version="prices@v4", train_size=60)
        # equal data are the same whatever they are called
        assert (other.n_fits, other.experiment_ids) == (0, first.experiment_ids)

    def test_a_step_size_of_zero_is_named(self, refusing: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="step_size is 0"):
            run(refusing, prices(150), step_size=0)

    def test_an_empty_commodity_is_refused(self, refusing: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="commodity"):
            run(refusing, prices(150), commodity=" ")

    @pytest.mark.parametrize(
        ("data", "named"),
        [
            (prices(150).rename(columns={"y": "price"}), "lacks the column 'y'"),
            (prices(150).iloc[:0], "has no row with a date and a value"),
            (pd.concat([prices(150), prices(150).tail(1)]), "dates twice"),
            (prices(150).assign(y="high"), "cannot be read"),
            (prices(150).assign(y=True), "holds bool values"),
            (prices(150).set_index("ds"), "Its dates are the index"),
        ],
    )
    def test_data_that_cannot_be_used_is_refused(self, refusing: Ledger, data: pd.DataFrame, named: str) -> None:
        with pytest.raises(InvalidInputError, match=named):
            run(refusing, data)


def test_what_a_model_file_names_is_found_by_the_workers_and_each_function_counts_by_itself(
    ledger: Ledger, tmp_path: Path
) -> None:
    text = """
import functools
import numpy as np
import experiments

@functools.lru_cache
def step(n):
    return n

@experiments.register("cached")
def cached(window):
    return np.full(window.horizon, window.y[-1] + step(1))

@experiments.register("other")
def other(window):
    return np.full(window.horizon, window.y[-1] + 2)
"""
    (tmp_path / "two.py").write_text(text)
    registration.load_model_file(tmp_path / "two.py")
    result = run(ledger, prices(150), models=["cached", "other"], workers=1)
    assert (result.n_fits, [note for note in result.notes if "failed" in note]) == (8, [])
    (tmp_path / "two.py").write_text("# a comment\n" + text.replace("+ 2", "+ 3"))
    registration.load_model_file(tmp_path / "two.py")
    assert run(ledger, prices(150), models=["cached", "other"], workers=1).n_fits == 4
