"""Metrics recomputed from the ledger's own rows, and what of the recorded figures does not follow from them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from experiments.errors import InvalidInputError, NotFoundError
from experiments.services import recompute as module
from experiments.services.ledger import connect
from experiments.services.recompute import STEP_METRICS
from experiments.storage import table
from experiments.storage.table import commit
from made import CONFIG, windows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N, HORIZON = 12, 14


def log(ledger: Ledger, model: str, *, fail: int | None = None, **config: Any) -> None:
    """An evaluation of twelve windows; naive repeats the last value, the others are made of luck."""
    announced = CONFIG | {"n_windows": N, "forecast_horizon_days": HORIZON, "step_size": HORIZON} | config
    for place, window in enumerate(windows(N, horizon=HORIZON)):
        if model == "naive":
            window["y_hat"] = [window["day0"]] * HORIZON
        elif model == "worse":
            window["y_hat"] = (np.array(window["y_hat"]) + 3).tolist()
        failed = {"cutoff": window["cutoff"], "day0": window["day0"], "error": "it broke"}
        ledger.log_experiment(model, failed if place == fail else window, announced)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("recompute")) as ledger:
        for model in ("naive", "worse", "skilled"):
            log(ledger, model)
        log(ledger, "holed", fail=5)
        yield ledger


def test_every_model_at_the_horizon_best_first(shared: Ledger) -> None:
    found = shared.recompute("Coffee")
    assert (found.step, found.horizon, found.commodity, found.frequency) == (14, 14, "Coffee", "trading day")
    assert list(found.figures["model"])[-1] == "worse"
    assert set(found.figures["model"]) == {"holed", "naive", "skilled", "worse"}
    assert found.figures["mae_path"].is_monotonic_increasing
    recorded = {row["model_name"]: row for row in shared.sql("select * from model_runs").to_dict("records")}
    for row in found.figures.to_dict("records"):
        own = recorded[row["model"]]
        for name in ("mae_path", "naive_mae_path", "dm_test_vs_naive", "dm_pvalue"):
            assert row[name] == pytest.approx(own[name], rel=1e-12, nan_ok=True), name
        for name in ("mae", "rmse", "mape", "mase"):
            assert row[name] == pytest.approx(own[f"{name}_14day"], rel=1e-12), name
    counts = found.figures.set_index("model")
    assert (counts.loc["holed", "n_windows"], counts.loc["holed", "n_failed_windows"]) == (N - 1, 1)


@pytest.mark.parametrize("step", [1, 5, 7])
def test_any_step_is_that_of_the_stored_cells(shared: Ledger, step: int) -> None:
    figures = shared.recompute("Coffee", horizon=step).figures.set_index("model")
    for model, own in figures.iterrows():
        cells = shared.forecasts(str(own["experiment_id"]))
        error = cells["y_hat"] - cells["y"]
        at = error[cells["step"] == step]
        assert own["mae"] == pytest.approx(at.abs().mean()), model
        assert own["bias"] == pytest.approx(at.mean()), model
        assert own["mae_path"] == pytest.approx(error[cells["step"] <= step].abs().mean()), model


def test_what_is_recorded_follows(shared: Ledger) -> None:
    found = shared.recompute("Coffee", horizon=3)
    assert found.differences == ()
    # of each evaluation the columns of recorded_figures.sql, of each good window four
    assert found.n_recorded == 4 * 18 + 4 * (4 * N - 1)


def test_one_model_has_naive_beside_it_on_its_own_windows(shared: Ledger) -> None:
    found = shared.recompute("Coffee", "holed", horizon=7)
    figures = found.figures.set_index("model")
    assert set(figures.index) == {"holed", "naive"}
    assert (figures["n_windows"] == N - 1).all()
    assert figures.loc["naive", "mae_path"] == figures.loc["holed", "naive_mae_path"]
    assert figures.loc["naive", "experiment_id"] is None
    assert figures.loc["naive", "n_failed_windows"] == 0
    assert set(shared.recompute("Coffee", "naive").figures["model"]) == {"naive"}


@pytest.mark.parametrize("metric", STEP_METRICS)
def test_the_best_comes_first_and_what_has_no_figure_last(shared: Ledger, metric: str) -> None:
    values = shared.recompute("Coffee", metric=metric, horizon=5).figures[metric]
    best = {"bias": 0.0, "directional_accuracy": 1.0, "coverage_80": 0.8}
    badness = (values - best[metric]).abs() if metric in best else values
    assert badness.dropna().is_monotonic_increasing
    assert not badness.isna().any() or badness.isna().sum() == badness.isna()[::-1].cumprod().sum()


def test_what_is_asked_for_and_not_there(shared: Ledger) -> None:
    with pytest.raises(NotFoundError, match=r"unknown metric 'smap'. Did you mean 'smape'\? Known: bias, coverage_80"):
        shared.recompute("Coffee", metric="smap")
    with pytest.raises(NotFoundError, match=r"'skiled'. Did you mean 'skilled'\? Known: holed, naive, skilled, worse"):
        shared.recompute("Coffee", "skiled")
    with pytest.raises(InvalidInputError, match="horizon is 15: the windows of this backtest of Coffee have 14 steps"):
        shared.recompute("Coffee", horizon=15)
    with pytest.raises(InvalidInputError, match="horizon is 0: it must be a whole number of at least 1"):
        shared.recompute("Coffee", horizon=0)
    with pytest.raises(NotFoundError, match="unknown commodity 'Tea'"):
        shared.recompute("Tea")


def test_however_many_the_forecasts_are_read_once(shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def listening(engine: Any, name: str, *arguments: Any, **parameters: Any) -> Any:
        asked.append(name)
        return table.select_among(engine, name, *arguments, **parameters)

    monkeypatch.setattr(module, "select_among", listening)
    shared.recompute("Coffee")
    assert asked == ["stored_cells", "recorded_figures"]


def test_several_series_are_a_row_each(ledger: Ledger) -> None:
    for series in ("Santos", "Vitoria"):
        log(ledger, "skilled", unique_id=series)
    figures = ledger.recompute("Coffee", horizon=2).figures
    assert list(zip(figures["unique_id"], figures["model"], strict=True)) in (
        [(series, model) for series in ("Santos", "Vitoria") for model in order]
        for order in (("naive", "skilled"), ("skilled", "naive"))
    )


def test_the_latest_evaluation_of_a_model_counts(ledger: Ledger) -> None:
    log(ledger, "skilled", data_as_of=dt.date(2023, 1, 2))
    log(ledger, "skilled", data_as_of=dt.date(2023, 1, 9), random_seed=2)
    figures = ledger.recompute("Coffee", "skilled").figures.set_index("model")
    assert figures.loc["skilled", "data_as_of"] == dt.date(2023, 1, 9)


def test_two_versions_of_a_model_are_told_apart(ledger: Ledger) -> None:
    for version in ("v1", "v2"):
        log(ledger, "naive", model_version=version)
    assert set(ledger.recompute("Coffee").figures["model"]) == {"naive", "naive v2"}


def test_a_model_without_a_good_window(ledger: Ledger) -> None:
    config = CONFIG | {"n_windows": 1, "forecast_horizon_days": HORIZON}
    ledger.log_experiment("broken", {"cutoff": dt.date(2024, 1, 1), "day0": 1.0, "error": "no"}, config)
    found = ledger.recompute("Coffee", horizon=3)
    assert found.differences == ()
    assert set(found.figures["evidence_note"]) == {"no window succeeded"}
    assert found.figures[[*STEP_METRICS]].isna().all(axis=None)


def change(ledger: Ledger, statement: str) -> None:
    assert ledger._engine is not None
    commit(ledger._engine, statement)


class TestChangedByHand:
    @pytest.fixture
    def recorded(self, ledger: Ledger) -> Ledger:
        log(ledger, "skilled")
        assert ledger.recompute("Coffee").differences == ()
        return ledger

    @pytest.mark.parametrize(
        ("changed", "name"),
        [
            ("mae_path = mae_path * 1.00000000001", "mae_path"),
            ("dm_pvalue = 0.01", "dm_pvalue"),
            ("mae_14day = null", "mae_14day"),
            ("n_failed_windows = 1", "n_failed_windows"),
            ("beats_baseline = not beats_baseline", "beats_baseline"),
        ],
    )
    def test_a_figure(self, recorded: Ledger, changed: str, name: str) -> None:
        change(recorded, f"update model_runs set {changed} where commodity = 'Coffee'")  # noqa: S608
        (one,) = recorded.recompute("Coffee").differences
        assert (one.model, one.series, one.name, one.cutoff) == ("skilled", "Coffee", name, None)
        assert one.in_words.startswith(f"skilled on Coffee: {name} is recorded as ")
        assert one.recorded != one.recomputed

    def test_the_figure_of_a_window(self, recorded: Ledger) -> None:
        cutoff = next(windows(N))["cutoff"]
        change(recorded, f"update run_windows set mae_path = 0.0 where cutoff = date '{cutoff}'")  # noqa: S608
        (one,) = recorded.recompute("Coffee").differences
        assert (one.name, one.cutoff, one.recorded) == ("mae_path", cutoff, 0.0)
        assert one.in_words.startswith(f"skilled on Coffee, window at {cutoff}: mae_path is recorded as 0.0, and ")

    def test_a_forecast(self, recorded: Ledger) -> None:
        change(recorded, "update forecasts set y_hat = y where step = 7")
        names = {one.name for one in recorded.recompute("Coffee").differences}
        assert {"mae_7day", "mae_path"} <= names
        assert not {"mae_1day", "mae_14day", "rmse_14day", "n_windows"} & names

    def test_a_forecast_that_was_removed(self, recorded: Ledger) -> None:
        change(recorded, "delete from forecasts where step = 7")
        found = recorded.recompute("Coffee")
        (one,) = found.differences
        assert one.in_words.startswith("skilled on Coffee: cannot be recomputed, forecasts lack a step of a successful")
        assert found.figures.empty

    def test_a_window_that_was_removed(self, recorded: Ledger) -> None:
        cutoff = next(windows(N))["cutoff"]
        change(recorded, f"delete from run_windows where cutoff = date '{cutoff}'")  # noqa: S608
        assert "n_windows" in {one.name for one in recorded.recompute("Coffee").differences}

    def test_every_window(self, recorded: Ledger) -> None:
        change(recorded, "delete from run_windows where commodity = 'Coffee'")
        found = recorded.recompute("Coffee")
        assert {"n_windows", "mae_path"} <= {one.name for one in found.differences}
        assert "recorded as 12, and 0 from the stored rows" in found.differences[0].in_words


def test_the_figures_are_recomputed_in_the_same_folder_later(tmp_path: Path) -> None:
    with connect(tmp_path) as ledger:
        log(ledger, "skilled")
        before = ledger.recompute("Coffee", horizon=4).figures
    with connect(tmp_path, create=False) as ledger:
        assert ledger.recompute("Coffee", horizon=4).figures.equals(before)
