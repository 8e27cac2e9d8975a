"""The values everything else speaks in: what a backtest is and how its steps are counted."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

from experiments.errors import InvalidInputError
from experiments.identity import digest

SEASON_LENGTH = {
    "trading day": 5,
    "day": 7,
    "week": 52,
    "month": 12,
    "quarter": 4,
    "year": 1,
    "irregular": 1,
}
"""Steps in one season, by the frequency of a series."""

BASELINE = "naive"
"""The model every other one is tested against: the last observed value, repeated."""

METRIC_VERSION = 1
"""Raised whenever a metric's definition changes, so that old and new rows never share a backtest."""

_LONGEST_FOLDER = 200
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def check_identifier(what: str, name: str) -> str:
    """Return `name` if it can stand unquoted in SQL.

    Raises
    ------
    InvalidInputError
        If it is not a letter or underscore followed by at most 127 letters, digits and underscores.
    """
    if not _IDENTIFIER.fullmatch(name):
        msg = (
            f"{what} {name!r} is not an identifier: use letters, digits and underscores, not starting with a digit, "
            "128 at most."
        )
        raise InvalidInputError(msg)
    return name


def check_commodity(name: object) -> str:
    """Return `name` if it can name a commodity: tables are partitioned by it, so it must fit a folder's name.

    Raises
    ------
    InvalidInputError
        If it is empty, or longer than 200 characters once encoded.
    """
    if not isinstance(name, str) or not name.strip():
        msg = f"commodity is {name!r}: give the name of what is forecast, such as 'Coffee'."
        raise InvalidInputError(msg)
    if len(quote(name)) > _LONGEST_FOLDER:
        msg = f"commodity {name[:40]!r}... is too long: use at most {_LONGEST_FOLDER} characters, fewer beyond ASCII."
        raise InvalidInputError(msg)
    return name


@dataclass(frozen=True, kw_only=True)
class BacktestDefinition:
    """One walk-forward backtest: equal definitions have the same `backtest_id`.

    Parameters
    ----------
    commodity : str
        What is forecast, such as "Coffee".
    frequency : str
        The length of one step: a key of `SEASON_LENGTH`.
    horizon : int
        Steps forecast from each cutoff, H.
    step_size : int
        Observations between two cutoffs.
    n_windows : int
        Cutoffs evaluated: the last complete ones on the grid.
    train_size : int or None
        Observations a model may be trained on (rolling); None for all up to the cutoff.
    grid_origin : datetime.date or None
        The observation the grid is counted from; None where a caller's own loop chose its cutoffs.
    covariates : mapping of str to str
        The covariates offered to the models and how each is known: "observed" (up to the cutoff).

    Raises
    ------
    InvalidInputError
        If a count is not a positive integer, the frequency is unknown, the commodity cannot be used or the grid's
        origin is not a date.
    """

    commodity: str
    frequency: str
    horizon: int
    step_size: int
    n_windows: int
    train_size: int | None
    grid_origin: dt.date | None = None
    covariates: Mapping[str, str] = field(default_factory=dict)
    metric_version: int = METRIC_VERSION

    def __post_init__(self) -> None:
        check_commodity(self.commodity)
        if self.frequency not in SEASON_LENGTH:
            msg = f"unknown frequency {self.frequency!r}: use one of {', '.join(SEASON_LENGTH)}."
            raise InvalidInputError(msg)
        for name in ("horizon", "step_size", "n_windows", "train_size"):
            value = getattr(self, name)
            if name == "train_size" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                msg = f"{name} is {value!r}: it must be a whole number of at least 1."
                raise InvalidInputError(msg)
        # exactly a date: a datetime or text of the same day would make another id
        if self.grid_origin is not None and type(self.grid_origin) is not dt.date:
            msg = f"grid_origin is {self.grid_origin!r}: give a datetime.date, or None."
            raise InvalidInputError(msg)
        # a copy of its own, so that nobody changes a definition that has an id
        object.__setattr__(self, "covariates", dict(self.covariates or {}))

    @property
    def backtest_id(self) -> str:
        """Digest of the definition."""
        return digest(asdict(self))
