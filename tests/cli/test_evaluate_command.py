"""`experiments evaluate`: what it prints, sorts by and refuses, and its exit code where the ledger was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.cli.evaluate import METRICS, SHOWN
from experiments.services.ledger import connect
from experiments.services.recompute import STEP_METRICS
from experiments.storage.table import commit
from made import CONFIG, windows

if TYPE_CHECKING:
    from pathlib import Path

    from command import Run

pytestmark = pytest.mark.engine


def fill(path: Path, *series: str) -> None:
    with connect(path) as ledger:
        for one in series or ("Coffee",):
            for model in ("naive", "skilled"):
                for window in windows(12):
                    if model == "naive":
                        window["y_hat"] = [window["day0"]] * 14
                    ledger.log_experiment(model, window, CONFIG | {"n_windows": 12, "unique_id": one})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("evaluate")
    fill(path)
    return path


def test_every_metric_is_a_column() -> None:
    assert tuple(METRICS) == STEP_METRICS


def test_a_table_and_whether_the_recorded_follow(run: Run, recorded: Path) -> None:
    done = run("evaluate", "--path", recorded)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Coffee: 2 models at trading day 14 of 14, each on its own windows\n")
    assert "Recorded figures: all " in done.out
    heading = next(line for line in done.out.splitlines() if "sMAPE" in line)
    assert "pinball" in heading
    assert "naive" not in heading
    assert "failed" not in heading
    assert "data to" not in heading
    assert max(map(len, done.out.splitlines()[:6])) <= 132


def test_at_another_step_by_another_metric(run: Run, recorded: Path) -> None:
    done = run("evaluate", "skilled", "--path", recorded, "--horizon", 5, "--metric", "smape")
    assert (done.code, done.err) == (0, "")
    assert "Coffee: 2 models at trading day 5 of 14" in done.out
    assert "MAE path: mean over steps 1 to 5" in done.out
    found = run("evaluate", "--path", recorded, "--horizon", 5, "--metric", "smape", "--json").json
    assert (found["step"], found["horizon"], found["agree"], found["differences"]) == (5, 14, True, [])
    assert [row["smape"] for row in found["figures"]] == sorted(row["smape"] for row in found["figures"])
    assert {*STEP_METRICS, "model", "n_windows", "evidence_note"} <= {*found["figures"][0]}


def test_what_it_refuses(run: Run, recorded: Path) -> None:
    done = run("evaluate", "--path", recorded, "--horizon", 15)
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: horizon is 15: the windows of this backtest of Coffee have 14 steps.\n"
    done = run("evaluate", "--path", recorded, "--metric", "mea")
    assert (done.code, done.out) == (2, "")
    assert [name for name in STEP_METRICS if f"'{name}'" not in done.err] == []
    assert run("evaluate", "--path", recorded, "--horizon", 0).code == 2
    assert "Did you mean 'skilled'" in run("evaluate", "skiled", "--path", recorded).err
    assert "there is no ledger" in run("evaluate", "--path", recorded / "none").err


def test_several_series_have_a_column(run: Run, tmp_path: Path) -> None:
    fill(tmp_path, "Santos", "Vitoria")
    done = run("evaluate", "--path", tmp_path)
    assert done.code == 0
    rows = [line.split()[:2] for line in done.out.splitlines()]
    assert sorted(row for row in rows if row and row[0] in ("Santos", "Vitoria")) == [
        [series, model] for series in ("Santos", "Vitoria") for model in ("naive", "skilled")
    ]


def test_a_ledger_changed_by_hand_is_told(run: Run, tmp_path: Path) -> None:
    fill(tmp_path)
    with connect(tmp_path) as ledger:
        assert ledger._engine is not None
        commit(ledger._engine, "update model_runs set mae_7day = 0.5 where model_name = 'skilled'")
    done = run("evaluate", "--path", tmp_path)
    assert done.code == 1
    assert "Recorded figures: 1 do not agree with the stored forecasts:\n" in done.out
    assert "  skilled on Coffee: mae_7day is recorded as 0.5, and " in done.out
    found = run("evaluate", "--path", tmp_path, "--json")
    assert found.code == 1
    assert [one["name"] for one in found.json["differences"]] == ["mae_7day"]
    with connect(tmp_path) as ledger:
        assert ledger._engine is not None
        commit(ledger._engine, "update forecasts set y_hat = y_hat + 1 where commodity = 'Coffee'")
    done = run("evaluate", "--path", tmp_path)
    assert done.out.count("is recorded as") == SHOWN
    assert "more: --json lists them all" in done.out
    with connect(tmp_path) as ledger:
        assert ledger._engine is not None
        commit(ledger._engine, "delete from forecasts where step = 3")
    done = run("evaluate", "--path", tmp_path)
    assert done.code == 1
    assert done.out.count("cannot be recomputed") == 2
