"""What is recorded of machine, code and user: an allow-list, and no secret."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from experiments.errors import InvalidInputError
from experiments.services import provenance
from experiments.services.links import configured_links
from experiments.services.prices import usd_per_hour
from experiments.services.provenance import PACKAGES, VARIABLES, capture, environment
from experiments.services.tracking.tracker import ExperimentTracker
from experiments.storage import sql_files
from made import CONFIG, rows_of, specified_experiment, windows
from repositories import git

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.services.ledger import Ledger

SECRET = "dapi0123456789abcdef-not-for-any-table"  # noqa: S105  made up, to be looked for


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the user's settings."""
    for name in ("EXPERIMENTS_PRICES", "EXPERIMENTS_DASHBOARD_URL", "EXPERIMENTS_MODEL_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.engine
def test_no_table_holds_a_secret_of_the_environment(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABRICKS_TOKEN", "AWS_SECRET_ACCESS_KEY", "EXPERIMENTS_PASSWORD", "OMP_NUM_THREADS_SECRET"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for one in windows(3):
        ledger.log_experiment("mine", one, CONFIG | {"n_windows": 3})
    ledger.write_experiments([specified_experiment()])
    ledger.refresh()
    ledger.decisions.promote("mine", "Coffee", force=True, reason="to have a decision")
    with ExperimentTracker(ledger) as tracker:
        tracker.start_experiment("tracked")
        tracker.log_hyperparameter("alpha", 0.1)
        tracker.log_metric("loss", 0.1)
        tracker.log_artifact(b"bytes", "weights.bin")
    ledger.tracking.flush()
    for table in sql_files.names("tables"):
        rows = rows_of(ledger, table)
        assert rows or table in {"checkpoints", "datasets", "experiment_datasets", "models"}
        assert SECRET not in str(rows)
    assert not [path for path in ledger.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    some, whole = sorted(rows_of(ledger, "environments"), key=lambda row: len(row["packages"]))
    for row in (some, whole):
        assert set(dict(row["variables"])) <= set(VARIABLES)
        assert dict(row["variables"])["OMP_NUM_THREADS"] == "3"
    assert set(dict(some["packages"])) <= set(PACKAGES)
    assert {"numpy", "pytest"} <= set(dict(whole["packages"]))


@pytest.mark.engine
def test_an_evaluation_says_where_and_by_whom_it_was_made(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_RUN_BY", "Francisco")
    for one in windows(2):
        ledger.log_experiment("mine", one, CONFIG | {"n_windows": 2})
    run, environment = rows_of(ledger, "model_runs")[0], rows_of(ledger, "environments")[0]
    assert run["run_by"] == "Francisco"
    assert run["environment_id"] == environment["environment_id"]
    assert run["hardware_config"] == environment["hardware_config"]
    assert run["hardware_config"].startswith("local: ")
    assert "cores" in run["hardware_config"]
    assert run["databricks_cluster_id"] is None
    assert pd.isna(run["cost_estimate_usd"])  # no price is known
    assert environment["python_version"].startswith("3.")
    assert rows_of(ledger, "experiments")[0]["python_version"] == environment["python_version"]


@pytest.mark.engine
def test_equal_snapshots_share_a_row(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        ledger.log_experiment(name, next(windows(1)), CONFIG | {"n_windows": 1})
    assert len(rows_of(ledger, "environments")) == 1
    monkeypatch.setenv("PYTHONHASHSEED", "17")
    ledger.log_experiment("c", next(windows(1)), CONFIG | {"n_windows": 1})
    assert len(rows_of(ledger, "environments")) == 2


def test_the_whole_environment_names_every_package_once_by_its_normal_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name, text in (
        ("first", "Mine_Own.Code-1.0.dist-info", "Metadata-Version: 2.1\nName: Mine_Own.Code\nVersion: 1.0\n"),
        ("second", "mine_own_code-2.0.dist-info", "Metadata-Version: 2.1\nName: mine-own-code\nVersion: 2.0\n"),
        ("second", "broken-1.0.dist-info", ""),
    ):
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / "METADATA").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    provenance._installed_packages.cache_clear()
    try:
        whole, some = environment(whole=True), environment()
    finally:
        provenance._installed_packages.cache_clear()
    packages = whole["packages"]
    assert packages["mine-own-code"] == "1.0"  # the one that is imported
    assert "broken" not in packages
    assert list(packages) == sorted(packages)
    assert set(some["packages"]) <= set(PACKAGES)
    assert whole["environment_id"] != some["environment_id"]


def test_commit_branch_and_changes_are_those_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    (tmp_path / "model.py").write_text("one = 1\n")
    git(tmp_path, "add", "model.py")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.chdir(tmp_path)
    clean = capture()
    assert (clean.git_commit, clean.git_branch, clean.git_dirty) == (git(tmp_path, "rev-parse", "HEAD"), "trunk", False)
    (tmp_path / "model.py").write_text("one = 2\n")
    assert capture().git_dirty is True


def test_outside_a_repository_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = capture()
    assert (found.git_commit, found.git_branch, found.git_dirty) == (None, None, None)


def test_nor_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture().git_commit is None


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert capture().run_by == "unknown"


CLUSTER = {
    "clusterId": "1121-060000-abcd123",
    "driverNodeType": "i3.xlarge",
    "clusterNodeType": "m5.xlarge",
    "clusterWorkers": "2",
}


def test_on_a_cluster_its_id_machine_and_price_are_told() -> None:
    found = capture(CLUSTER | {"clusterAllTags": SECRET, "clusterOwner": SECRET})
    assert found.databricks_cluster_id == "1121-060000-abcd123"
    assert found.hardware_config.startswith("databricks: i3.xlarge, ")
    assert found.hardware_config.endswith("; 2 workers of m5.xlarge")
    assert found.environment["hardware_config"] == found.hardware_config
    cores = os.cpu_count() or 1
    assert found.cost(3600.0) == pytest.approx(0.312 / cores)
    assert found.cost(None) is None
    assert SECRET not in str(found)


def test_a_cluster_that_does_not_tell_its_driver_has_one_like_its_workers() -> None:
    found = capture({"clusterId": "one", "clusterNodeType": "m5.xlarge"})
    assert found.hardware_config.startswith("databricks: m5.xlarge, ")
    assert "workers" not in found.hardware_config
    assert found.usd_per_core_hour is not None


def test_serverless_compute_has_no_cluster_and_no_price_of_ours() -> None:
    found = capture({})
    assert found.databricks_cluster_id is None
    assert found.hardware_config.startswith("databricks: serverless, ")
    assert found.cost(60.0) is None


def test_equal_machines_share_an_environment_others_do_not() -> None:
    assert capture(CLUSTER).environment_id == capture(CLUSTER).environment_id
    assert len({capture(one).environment_id for one in (None, {}, CLUSTER)}) == 3


def test_a_node_type_without_a_price_costs_nothing_we_know_of() -> None:
    assert usd_per_hour("r9.huge") is None
    assert usd_per_hour("local") is None


@pytest.mark.engine
def test_with_a_price_of_ones_own_the_cost_is_recorded(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prices.toml").write_text("[usd_per_hour]\nlocal = 3\n")
    monkeypatch.setenv("EXPERIMENTS_PRICES", str(tmp_path / "prices.toml"))
    for one in windows(2):  # half a second to fit and a quarter to predict, each
        ledger.log_experiment("mine", one, CONFIG | {"n_windows": 2})
    (run,) = rows_of(ledger, "model_runs")
    assert run["execution_time_seconds"] == pytest.approx(1.5)
    assert run["cost_estimate_usd"] == pytest.approx(1.5 / 3600 * 3 / (os.cpu_count() or 1))
    assert usd_per_hour("i3.xlarge") is None  # the user's table takes the place of ours


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("usd_per_hour", "cannot be read as TOML"),
        ("", "has nothing: give one table"),
        ("usd_per_hour = 3", "give one table"),
        ("[usd_per_hour]\nlocal = 3\n[eur]\n", "has usd_per_hour, eur: give one table"),
        ("[usd_per_hour]\nlocal = '3'", "prices 'local' at '3': give US dollars"),
        ("[usd_per_hour]\nlocal = -3", "at -3: give"),
        ("[usd_per_hour]\nlocal = nan", "at nan: give"),
        ("[usd_per_hour]\nlocal = true", "at True: give"),
        ("[usd_per_hour.m5]\nxlarge = 0.2", "prices 'm5' at {'xlarge': 0.2}: give"),
    ],
)
def test_a_bad_table_of_prices_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    monkeypatch.setenv("EXPERIMENTS_PRICES", str(path))
    with pytest.raises(InvalidInputError) as caught:
        capture()
    assert said in str(caught.value)
    assert "EXPERIMENTS_PRICES" in str(caught.value)


def test_so_is_one_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_PRICES", str(tmp_path / "none.toml"))
    with pytest.raises(InvalidInputError, match=r"none\.toml.*cannot be read"):
        usd_per_hour("local")


NAMES = {"commodity": "Coffee C/ä", "model_name": "arima", "experiment_id": "e1", "backtest_id": "b1"}


def test_links_are_filled_and_encoded_in_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configured_links(NAMES) == {}
    monkeypatch.setenv("EXPERIMENTS_DASHBOARD_URL", "https://example.com/d?c={commodity}&b={backtest_id}&q={{x}}")
    monkeypatch.setenv("EXPERIMENTS_MODEL_PATH", "models/{commodity}/{model_name}/{experiment_id}")
    assert configured_links(NAMES) == {
        "dashboard_url": "https://example.com/d?c=Coffee%20C%2F%C3%A4&b=b1&q={x}",
        "model_path": "models/Coffee C/ä/arima/e1",
    }
    assert set(configured_links(NAMES | {"backtest_id": None})) == {"model_path"}


@pytest.mark.parametrize(
    "template", ["x/{series}", "x/{}", "x/{0}", "x/{commodity!r}", "x/{commodity:>9}", "x/{commodity.name}", "x/{", "}"]
)
@pytest.mark.parametrize("setting", ["EXPERIMENTS_DASHBOARD_URL", "EXPERIMENTS_MODEL_PATH"])
def test_a_template_with_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str, template: str) -> None:
    monkeypatch.setenv(setting, template)
    with pytest.raises(InvalidInputError) as caught:
        configured_links(NAMES)
    assert setting in str(caught.value)
    assert "{backtest_id}, {commodity}, {experiment_id}, {model_name}" in str(caught.value)


@pytest.mark.engine
def test_links_are_recorded_unless_the_caller_gives_his_own(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_DASHBOARD_URL", "https://example.com/{model_name}")
    monkeypatch.setenv("EXPERIMENTS_MODEL_PATH", "models/{backtest_id}")
    ledger.log_experiment("mine", next(windows(1)), CONFIG | {"n_windows": 1})
    own = {"n_windows": 1, "dashboard_url": "https://example.com/own", "model_path": "own"}
    ledger.log_experiment("yours", next(windows(1)), CONFIG | own)
    ledger.write_experiments([specified_experiment()])
    runs = {run["model_name"]: run for run in rows_of(ledger, "model_runs")}
    assert runs["mine"]["dashboard_url"] == "https://example.com/mine"
    assert runs["mine"]["model_path"] == f"models/{runs['mine']['backtest_id']}"
    assert (runs["yours"]["dashboard_url"], runs["yours"]["model_path"]) == ("https://example.com/own", "own")
    reported = runs["sarimax_auto_weather_v1"]
    assert reported["dashboard_url"] == "https://example.com/sarimax_auto_weather_v1"
    assert reported["model_path"] is None  # it has no backtest
