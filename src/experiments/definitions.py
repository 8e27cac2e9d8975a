"""The values everything else speaks in: what a backtest is and how its steps are counted."""

from __future__ import annotations

import datetime as dt
import operator
import re
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
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

SIGNIFICANCE_LEVEL = 0.05
"""Of every test: a difference is called one where luck alone would show as much less often."""

EQUALITY_TOLERANCE = 1e-6
"""Two numbers are equal within this share of the mean absolute level: of the series, of losses where only they are."""

METRICS = {"mae_path": None, "mae_1day": 1, "mae_7day": 7, "mae_14day": 14}
"""Losses that models are compared by, and the step each is taken at; None for the mean over all steps."""

METRIC_VERSION = 1
"""Raised whenever a metric's definition changes, so that old and new rows never share a backtest."""

COVARIATE_KINDS = ("observed", "known")
"""How a covariate is known: "observed" up to each cutoff, "known" in advance, like a calendar or a tariff."""

ENGINES = ("sail", "spark", "databricks")
"""Sail: embedded, no JVM. Spark: a local or given session with delta-spark. Databricks: the session of the runtime."""

REGISTRY = "registry:"
"""What stands before the name of a registered model where its decisions have the commodity."""

_LONGEST_FOLDER = 200
_LARGEST_COUNT = 2**31 - 1  # of the integer columns that hold counts
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


def step_name(frequency: str) -> str:
    """One step of a series in words."""
    return "step" if frequency == "irregular" else frequency


def counted(count: int, noun: str) -> str:
    """A number of things in words.

    Examples
    --------
    >>> counted(1, "window"), counted(40, "window")
    ('1 window', '40 windows')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def known(value: Any) -> Any:
    """None for NULL, which pandas has as NaN where a column holds numbers.

    Examples
    --------
    >>> known(float("nan")), known(None), known(0.0)
    (None, None, 0.0)
    """
    return None if value is None or value != value else value  # noqa: PLR0124  NaN


def series_name(commodity: str, unique_id: str) -> str:
    """What people call a series: its commodity, with its own name where that is another.

    Examples
    --------
    >>> series_name("Coffee", "Coffee"), series_name("Coffee", "Santos")
    ('Coffee', 'Coffee Santos')
    """
    return commodity if unique_id == commodity else f"{commodity} {unique_id}"


def pvalue_in_words(pvalue: float) -> str:
    """A p-value with its sign.

    Examples
    --------
    >>> pvalue_in_words(0.0123), pvalue_in_words(0.00001)
    ('p = 0.012', 'p < 0.001')
    """
    return f"p = {pvalue:.3f}" if pvalue >= 0.001 else "p < 0.001"  # noqa: PLR2004


def check_identifier(what: str, name: object) -> str:
    """Return `name` if it can stand unquoted in SQL.

    Raises
    ------
    InvalidInputError
        If it is not a letter or underscore followed by at most 127 letters, digits and underscores.
    """
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        msg = (
            f"{what} {name!r} is not an identifier: use letters, digits and underscores, not starting with a digit, "
            "128 at most."
        )
        raise InvalidInputError(msg)
    return name


def check_text(what: str, value: object, accepted: str = "a text that is not empty") -> str:
    """Return `value` if it is a text that is not blank and can be stored.

    Raises
    ------
    InvalidInputError
        If it is no text, blank, or holds half of a surrogate pair.
    """
    if not isinstance(value, str) or not value.strip():
        msg = f"{what} is {reprlib.repr(value)}: give {accepted}."
        raise InvalidInputError(msg)
    return storable(what, value)


def storable(what: str, value: str) -> str:
    """Return `value` if it can be stored.

    Raises
    ------
    InvalidInputError
        If it holds half of a surrogate pair.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        msg = f"{what} is {reprlib.repr(value)}: it has characters that are no Unicode text."
        raise InvalidInputError(msg) from error
    return value


def check_count(what: str, value: object, *, least: int = 1) -> int:
    """Return `value` as Python's own integer if it is a whole number, numpy's included, of at least `least`.

    Raises
    ------
    InvalidInputError
        If it is something else, a truth value for instance, or does not fit 32 bits.

    Examples
    --------
    >>> check_count("horizon", 14)
    14
    """
    try:
        count = least - 1 if type(value).__name__ in ("bool", "bool_") else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = least - 1
    if not least <= count <= _LARGEST_COUNT:
        msg = f"{what} is {reprlib.repr(value)}: it must be a whole number of at least {least}"
        raise InvalidInputError(f"{msg}, {_LARGEST_COUNT} at most." if count > _LARGEST_COUNT else f"{msg}.")
    return count


def check_commodity(name: object) -> str:
    """Return `name` if it can name a commodity: tables are partitioned by it, so it must fit a folder's name.

    Raises
    ------
    InvalidInputError
        If it is no text, empty, or longer than 200 characters once encoded.
    """
    name = check_text("commodity", name, "the name of what is forecast, such as 'Coffee'")
    if name.startswith(REGISTRY):
        msg = f"commodity {name[:40]!r}: what begins with {REGISTRY!r} are decisions on registered models."
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
        The observation the grid was first counted from, which names it; None where a caller's own loop chose its
        cutoffs. A series that begins later is counted from a later cutoff of the same grid.
    covariates : mapping of str to str
        The covariates offered to the models and how each is known, one of `COVARIATE_KINDS`: "observed" up to the
        cutoff, or "known" in advance.

    Raises
    ------
    InvalidInputError
        If a count is not a positive integer, the frequency is unknown, the commodity cannot be used, the grid's
        origin is not a date, or a covariate has no name or is known in another way.
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
        if self.frequency not in list(SEASON_LENGTH):  # a list, which anything can be looked up in
            msg = f"unknown frequency {self.frequency!r}: use one of {', '.join(SEASON_LENGTH)}."
            raise InvalidInputError(msg)
        for name in ("horizon", "step_size", "n_windows", "train_size"):
            value = getattr(self, name)
            if name != "train_size" or value is not None:
                object.__setattr__(self, name, check_count(name, value))
        # exactly a date: a datetime or text of the same day would make another id
        if self.grid_origin is not None and type(self.grid_origin) is not dt.date:
            msg = f"grid_origin is {self.grid_origin!r}: give a datetime.date, or None."
            raise InvalidInputError(msg)
        # a copy of its own, so that nobody changes a definition that has an id
        object.__setattr__(self, "covariates", _checked_covariates(self.covariates))

    @property
    def backtest_id(self) -> str:
        """Digest of the definition."""
        return digest(asdict(self))


def _checked_covariates(covariates: object) -> dict[str, str]:
    if not isinstance(covariates, Mapping):
        msg = f"covariates is {reprlib.repr(covariates)}: give a dictionary of name to how it is known."
        raise InvalidInputError(msg)
    for name, kind in covariates.items():
        check_text("the name of a covariate", name)
        if kind not in COVARIATE_KINDS:
            msg = f"covariate {name!r} is {kind!r}: it is one of {', '.join(COVARIATE_KINDS)}."
            raise InvalidInputError(msg)
    return dict(covariates)
