"""The real prices our dependencies ship, so that a first backtest needs no download."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load_wti() -> pd.DataFrame:
    """WTI crude oil, US dollars a barrel, daily 1986 to 2019 (`arch.data.wti`; US government data): `ds`, `y`."""
    from arch.data import wti

    return wti.load().rename_axis("ds").reset_index().set_axis(["ds", "y"], axis=1)


def load_vix() -> pd.DataFrame:
    """CBOE volatility index, percent a year, daily 2014 to 2019 (`arch.data.vix`): `ds`, `vix`."""
    from arch.data import vix

    return vix.load().rename_axis("ds").reset_index().set_axis(["ds", "vix"], axis=1)
