"""What a machine costs an hour: a small table of list prices, or the user's own."""

from __future__ import annotations

import math
import tomllib
from importlib.resources import files

from experiments.errors import InvalidInputError
from experiments.services.settings import own_file

SETTING = "EXPERIMENTS_PRICES"
"""Environment variable that names a file of the user's own prices; no other price is used then."""


def usd_per_hour(machine: str) -> float | None:
    """The price of a machine, US dollars an hour; None where no price is known.

    Parameters
    ----------
    machine : str
        A node type such as "i3.xlarge", "serverless" or "local".

    Raises
    ------
    InvalidInputError
        If the user's file of prices cannot be read, or is no such table.
    """
    packaged = files("experiments.services").joinpath("prices.toml")
    own, table = own_file(SETTING) or (packaged.name, tomllib.loads(packaged.read_text(encoding="utf-8")))
    prices = table.get("usd_per_hour")
    if not isinstance(prices, dict) or set(table) != {"usd_per_hour"}:
        msg = f"{own}, named in {SETTING}, has {', '.join(table) or 'nothing'}: give one table [usd_per_hour]."
        raise InvalidInputError(msg)
    for name, price in prices.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not math.isfinite(price) or price < 0:
            msg = f"{own}, named in {SETTING}, prices {name!r} at {price!r}: give US dollars an hour, such as 0.312."
            raise InvalidInputError(msg)
    found = prices.get(machine)
    return None if found is None else float(found)
