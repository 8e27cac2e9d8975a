"""Ledgers to test on: a fresh one for each test that writes, one filled by a real backtest for those that read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.science.models import registration
from experiments.services import backtest as backtesting
from experiments.services import ledger as ledgers
from experiments.services.backtest import BacktestResult, backtest
from experiments.services.ledger import Ledger, connect
from mlflow_server import Server, running
from seasonal import fit_seasonal_naive  # noqa: F401  registers it

MODELS = ("naive", "random_walk", "seasonal_naive", "arima")
N_WINDOWS, HORIZON = 12, 14


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A ledger with one real backtest in it, and what the backtest said of it; never written to."""

    ledger: Ledger
    result: BacktestResult


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository, so that nothing opens the default ledger inside it."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(autouse=True)
def _no_ledger_leaks(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work elsewhere, without the user's settings, and leave no ledger open that the test opened."""
    monkeypatch.chdir(elsewhere)
    for name in [name for name in os.environ if name.startswith("EXPERIMENTS_")]:
        monkeypatch.delenv(name, raising=False)
    before = list(ledgers._open_ledgers)
    yield
    for opened in [one for one in ledgers._open_ledgers if one not in before]:
        opened.recorder._open.clear()
        opened.close()


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit in the process of the test: quicker, and measured.

    The ledgers `filled` and `twins` are made by workers; a test of workers has a fixture of this name that does
    nothing, or asks for some.
    """
    monkeypatch.setattr(backtesting, "cores", lambda: 0)


@pytest.fixture(autouse=True)
def _no_model_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the models a test registers."""
    monkeypatch.setattr(registration, "_registered", dict(registration._registered))


@pytest.fixture(scope="session")
def empty_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger to copy, which is quicker than to make one."""
    path = tmp_path_factory.mktemp("empty") / "ledger"
    connect(path).close()
    return path


@pytest.fixture
def ledger(tmp_path: Path, empty_path: Path) -> Iterator[Ledger]:
    """An empty ledger, the current one."""
    opened = connect(shutil.copytree(empty_path, tmp_path / "ledger"))
    yield opened
    opened.recorder._open.clear()
    opened.close()


@pytest.fixture(scope="session")
def filled_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the filled ledger lies."""
    return tmp_path_factory.mktemp("filled") / "ledger"


@pytest.fixture(scope="session")
def filled(filled_path: Path) -> Iterator[Filled]:
    """Four models on twelve windows of real oil prices; not the current ledger, so nothing is logged to it."""
    from experiments.science.example_data import load_wti

    opened = connect(filled_path)
    result = backtest(
        load_wti().tail(500),
        commodity="WTI",
        models=MODELS,
        horizon=HORIZON,
        n_windows=N_WINDOWS,
        ledger=opened,
        progress=False,
    )
    ledgers._open_ledgers.remove(opened)
    yield Filled(ledger=opened, result=result)
    ledgers._open_ledgers.append(opened)
    opened.close()


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One MLflow server for all tests: each has experiments and models of its own."""
    with running(tmp_path_factory.mktemp("mlflow")) as server:
        yield server
