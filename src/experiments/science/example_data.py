"""The real prices our dependencies ship, so that a first backtest needs no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load_wti() -> pd.DataFrame:
    """WTI crude oil, US dollars a barrel, daily 1986 to 2019 (`arch.data.wti`; US government data): `ds`, `y`."""
    return _load("wti", "y")


def load_vix() -> pd.DataFrame:
    """CBOE volatility index, percent a year, daily 2014 to 2019 (`arch.data.vix`): `ds`, `vix`."""
    return _load("vix", "vix")


def _load(name: str, column: str) -> pd.DataFrame:
    """What `arch.data.<name>.load` reads, without importing arch, which takes seconds."""
    import pandas as pd

    spec = importlib.util.find_spec("arch")
    file = Path(str(spec and spec.origin)).parent / "data" / name / f"{name}.csv.gz"
    data = pd.read_csv(file, parse_dates=["Date"]).set_axis(["ds", column], axis=1)
    return data.assign(**{column: pd.to_numeric(data[column], errors="coerce")})
