"""Two cases beside the demo: a model that truly is better must win, with evidence; where none is, none may win."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from experiments import backtest, choose, connect
from made import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

SEEDS = range(5)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger, a commodity for each case."""
    with connect(tmp_path_factory.mktemp("acceptance")) as opened:
        yield opened


def series(y: np.ndarray) -> pd.DataFrame:
    """Values on trading days."""
    ds = np.busday_offset("2015-01-01", np.arange(len(y)), roll="forward")
    return pd.DataFrame({"ds": ds.astype("datetime64[ns]"), "y": y})


def test_a_weekly_pattern_is_found_and_its_model_wins(ledger: Ledger) -> None:
    random = np.random.default_rng(11)
    n = 30 + 7 * 41
    week = np.tile([0.0, 4.0, 8.0, -6.0, -3.0], n)[:n]
    result = backtest(
        series(100 + week + random.normal(size=n)),
        commodity="Planted week",
        models=["naive", "random_walk", "seasonal_naive"],
        horizon=7,
        n_windows=40,
        ledger=ledger,
        progress=False,
    )
    board = result.leaderboard.set_index("model_name")
    assert board.loc["seasonal_naive", "verdict"] == "better than naive"
    assert board.loc["seasonal_naive", "dm_pvalue_holm"] < 0.05
    assert board.loc["seasonal_naive", "place"] == 1
    assert board.loc["random_walk", "verdict"] != "better than naive"
    choice = choose(ledger, "Planted week")
    assert choice.model == "seasonal_naive"
    assert choice.reason.startswith("Use seasonal_naive for Planted week: its error over 7 trading days is ")
    assert "on 40 windows" in choice.reason
    # best_models ranks by the error at step 14, which a horizon of 7 has not: the winner is there all the same
    assert ledger.best("Planted week")["model_name"].tolist() == ["seasonal_naive"]
    assert (
        rows_of(ledger, "model_runs", "commodity = 'Planted week' and beats_baseline")[0]["model_name"]
        == "seasonal_naive"
    )


def test_a_reversion_to_the_mean_is_found_and_its_model_wins(ledger: Ledger) -> None:
    random = np.random.default_rng(12)
    y = np.zeros(600)
    for t in range(1, len(y)):
        y[t] = 0.3 * y[t - 1] + random.normal()
    result = backtest(
        series(50 + y),
        commodity="Planted reversion",
        models=["naive", "random_walk", "arima"],
        horizon=14,
        n_windows=30,
        train_size=200,
        workers=2,
        ledger=ledger,
        progress=False,
    )
    board = result.leaderboard.set_index("model_name")
    assert board.loc["arima", "verdict"] == "better than naive"
    assert board.loc["arima", "dm_pvalue_holm"] < 0.05
    assert board.loc["arima", "skill"] > 0.1
    assert choose(ledger, "Planted reversion").model == "arima"


@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_random_walk_nothing_wins(ledger: Ledger, seed: int) -> None:
    random = np.random.default_rng(seed)
    y = 100 + random.normal(size=42 + 14 * 31).cumsum()
    result = backtest(
        series(y),
        commodity=f"Nothing {seed}",
        models=["naive", "random_walk", "seasonal_naive"],
        n_windows=30,
        ledger=ledger,
        progress=False,
    )
    assert "better than naive" not in set(result.leaderboard["verdict"])
    choice = choose(ledger, f"Nothing {seed}")
    assert choice.model == "naive"
    assert choice.reason.startswith(f"No model beats naive on Nothing {seed}: use naive.")
