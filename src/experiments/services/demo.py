"""The main job on the real prices our dependencies ship."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.science.example_data import load_vix, load_wti
from experiments.services.backtest import BacktestResult, backtest

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

COMMODITY = "WTI"


def run_demo(ledger: Ledger, *, progress: bool = True) -> BacktestResult:
    """Backtest every variant of the registry on WTI crude with the VIX as covariate: 40 windows of 14 trading days."""
    return backtest(load_wti(), commodity=COMMODITY, covariates={"vix": load_vix()}, ledger=ledger, progress=progress)
