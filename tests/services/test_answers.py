"""Which model to use, of several series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from experiments import backtest, choose
from experiments.errors import InvalidInputError, NotFoundError
from experiments.services.answers import choices

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine


def two_series() -> pd.DataFrame:
    """One series with a weekly pattern, so that last week is a good forecast, and one random walk."""
    n = 300
    ds = pd.bdate_range("2020-01-01", periods=n)
    noise = np.random.default_rng(7).normal(size=(2, n))
    weekly = 100 + 10 * np.tile([0, 1, -1, 2, -2], n // 5) + noise[0]
    walk = 100 + noise[1].cumsum()
    return pd.concat(
        [pd.DataFrame({"unique_id": name, "ds": ds, "y": y}) for name, y in (("weekly", weekly), ("walk", walk))]
    )


def test_every_series_has_a_choice_of_its_own(ledger: Ledger) -> None:
    backtest(two_series(), commodity="Two", models=["naive", "seasonal_naive"], n_windows=12, ledger=ledger)
    chosen = {choice.unique_id: choice for choice in choices(ledger, "Two")}
    assert {name: choice.model for name, choice in chosen.items()} == {"walk": "naive", "weekly": "seasonal_naive"}
    assert "Two weekly" in chosen["weekly"].reason
    assert set(chosen["walk"].leaderboard["unique_id"]) == {"walk"}
    assert choose(ledger, "Two", "weekly").model == "seasonal_naive"
    with pytest.raises(InvalidInputError, match="name one of walk, weekly"):
        choose(ledger, "Two")
    with pytest.raises(NotFoundError, match="Did you mean 'weekly'"):
        choose(ledger, "Two", "week")
