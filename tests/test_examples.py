"""The examples run as a stranger starts them, and what they tracked is in the ledger."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from experiments import MetricsLogger, connect
from experiments.services.reproduction import seeds
from experiments.services.tracking.runs import Run, read_run

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[1]
CALLS = {
    "rl": ("rl_with_ml_persistence.py", "--episodes", "10", "--symbol", "BTC-USD"),
    "classification": ("classifier.py", "--candidates", "2"),
    "forecast": ("forecaster.py", "--folds", "2"),
}
"""What is started; the first is the command line of the specification."""


def started(folder: Path, *call: str) -> subprocess.Popen[str]:
    """An example, in a folder that is not the project's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXPERIMENTS_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(ROOT / "examples" / call[0]), *call[1:]],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples are started."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[Ledger]:
    """The ledger they log to."""
    with connect(folder / "ledger") as ledger:
        yield ledger


@pytest.fixture(scope="module")
def said(folder: Path, made: Ledger) -> dict[str, str]:
    """What each example printed; all of them at once, into one ledger that is open here as well."""
    running = {name: started(folder, *call) for name, call in CALLS.items()}
    ended = {name: (*process.communicate(timeout=120), process.returncode) for name, process in running.items()}
    assert {name: (errors, code) for name, (_, errors, code) in ended.items()} == dict.fromkeys(CALLS, ("", 0))
    return {name: out for name, (out, *_) in ended.items()}


def run_of(ledger: Ledger, said: dict[str, str], name: str) -> Run:
    """The run an example names as the one to ask for."""
    shown = next(line for line in said[name].splitlines() if "experiments show " in line)
    return read_run(ledger.engine, shown.split()[-1])


def names(rows: pd.DataFrame) -> set[Any]:
    return set(rows["name"])


def test_the_agent_of_the_specification_is_tracked(made: Ledger, said: dict[str, str], folder: Path) -> None:
    assert said["rl"].startswith("No prices of BTC-USD come with this package: WTI crude oil stands in for them.")
    run = run_of(made, said, "rl")
    assert run.row["status"] == "completed"
    assert (run.row["experiment_type"], run.row["random_seed"]) == ("rl", 42)
    assert run.row["command"][-4:] == ["--episodes", "10", "--symbol", "BTC-USD"]
    assert {"learning_rate", "gamma", "symbol", "episodes"} <= names(run.parameters)
    points = run.metrics.set_index("name")["n"]
    assert (points["train_return"], points["val_sharpe"]) == (10, 2)
    assert {"test_sharpe", "test_sharpe_of_holding", "test_daily_return"} <= set(points.index)
    assert set(run.datasets["role"]) == {"train", "validation", "test"}
    assert names(run.artifacts) == {"training.png", "config.json"}
    assert run.checkpoints["is_best"].any()
    assert (folder / str(run.checkpoints["checkpoint_path"].iloc[0])).is_file()


def test_with_one_seed_it_logs_the_same_to_the_bit(
    made: Ledger,
    said: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("_last", "_last_seed", "_hash_seed"):  # what is seeded here stays here
        monkeypatch.setattr(seeds, name, getattr(seeds, name))
    monkeypatch.setenv("PYTHONHASHSEED", os.environ.get("PYTHONHASHSEED", "random"))
    monkeypatch.chdir(folder)
    script, *arguments = CALLS["rl"]
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    # in this process, after others have drawn: a new one would only be slower
    runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    runs = [run_of(made, {"rl": out}, "rl") for out in (said["rl"], capsys.readouterr().out)]
    histories = [MetricsLogger(made).history(run.row["experiment_id"]) for run in runs]
    first, again = (
        one.drop(columns="logged_at").sort_values(["name", "episode"], ignore_index=True) for one in histories
    )
    assert runs[0].row["experiment_id"] != runs[1].row["experiment_id"]
    assert len(first) == 15
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_the_classifier_is_tracked(made: Ledger, said: dict[str, str]) -> None:
    run = run_of(made, said, "classification")
    assert (run.row["experiment_type"], run.row["status"]) == ("classification", "completed")
    assert {"C", "features"} <= names(run.parameters)
    assert {"train_f1", "validation_f1", "test_f1", "test_f1_always_up", "test_p_value"} <= names(run.metrics)
    assert set(run.datasets["role"]) == {"train", "validation", "test"}
    assert names(run.artifacts) == {"feature_importance.png", "config.json"}
    assert len(run.checkpoints) == 2
    assert run.checkpoints["sha256"].notna().all()
    assert "It does not beat both chance and 'always up'." in said["classification"]


def test_the_forecaster_is_tracked_with_its_folds(made: Ledger, said: dict[str, str]) -> None:
    run = run_of(made, said, "forecast")
    assert (run.row["experiment_type"], run.row["random_seed"]) == ("forecast", 42)
    assert {"mae", "mae_as_today", "skill", "dm_p_value"} == names(run.metrics)
    assert names(run.artifacts) == {"forecasts.png", "forecasts.parquet", "config.json"}
    assert sorted(run.children["name"]) == ["fold 0", "fold 1"]
    assert set(run.children["status"]) == {"completed"}
    fold = run.children["experiment_id"].iloc[0]
    assert len(read_run(made.engine, fold).datasets) == 1
    weights = MetricsLogger(made).distribution(fold, "weight_of_today")
    assert weights["counts"].iloc[0].sum() == 50
    assert "not more than chance would give" in said["forecast"]


def test_no_episodes_are_refused(tmp_path: Path) -> None:
    process = started(tmp_path, "rl_with_ml_persistence.py", "--episodes", "0")
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert errors.endswith("error: --episodes is 0: give 1 or more.\n")
    assert list(tmp_path.iterdir()) == []
