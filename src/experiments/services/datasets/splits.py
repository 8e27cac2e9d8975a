"""Parts of a dataset that do not overlap: by time first, by rows where nothing says when."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.definitions import check_identifier
from experiments.errors import InvalidInputError, first_line
from experiments.services.datasets.content import iso

WHOLE = "all"
"""The role of a dataset that was read whole."""

Part = dict[str, Any]
"""A split: `n_rows`, and either `first` and `last` time or the rows from `start` to before `stop`."""

_ROUNDING = 1e-9


def split(
    given: Mapping[str, Any], *, n_rows: int, order: npt.NDArray[Any] | None, time_column: str | None
) -> dict[str, Part]:
    """The splits that fractions or ranges make.

    Parameters
    ----------
    given : mapping
        Of each split its name and either its share of the rows, in the order of time, or the first and last time of
        it, both in it: ``{"train": 0.7, "test": 0.3}`` or ``{"train": ("2015-01-01", "2020-12-31")}``. A last time
        that is a date is the whole day. Rows of one time are never in two splits.
    n_rows : int
    order : array or None, shape [n_rows]
        The values of the time column; None makes shares those of the rows as they stand.
    time_column : str or None
        Its name.

    Raises
    ------
    InvalidInputError
        If they are no splits, overlap, share more than there is, or one of them would have no rows.
    """
    given = _checked(given)
    if order is not None and (n_missing := _n_missing(order)):
        msg = f"{n_missing:,} rows have no {time_column}, and so are in no split: drop them or fill them in."
        raise InvalidInputError(msg)
    if all(_is_share(value) for value in given.values()):
        shares = _checked_shares({name: float(value) for name, value in given.items()})
        found = _by_rows(shares, n_rows) if order is None else _by_share(shares, np.sort(order))
    else:
        if order is None:
            msg = "splits by first and last time need to know the time of a row: give time_column."
            raise InvalidInputError(msg)
        found = _by_range({name: _bounds(name, value, order) for name, value in given.items()}, order)
    if empty := [name for name, part in found.items() if not part["n_rows"]]:
        msg = f"the split {empty[0]!r} would have no rows: give it a larger share, or times that the data has."
        raise InvalidInputError(msg)
    return found


def rows_of(part: Part, order: npt.NDArray[Any] | None, n_rows: int) -> npt.NDArray[np.bool_]:
    """Which rows are in a split."""
    if order is None:
        order, first, last = np.arange(n_rows), part["start"], part["stop"] - 1
    else:
        first, last = (_as_in(order, part[end]) for end in ("first", "last"))
    inside: npt.NDArray[np.bool_] = (order >= first) & (order <= last)
    return inside


def told(part: Mapping[str, Any]) -> str:
    """A split in words.

    Examples
    --------
    >>> told({"n_rows": 700, "first": "2015-01-01", "last": "2020-12-31"})
    '700 rows, 2015-01-01 to 2020-12-31'
    """
    where = f"{part['first']} to {part['last']}" if "first" in part else f"{part['start']} to {part['stop'] - 1}"
    return f"{part['n_rows']:,} rows, {where}"


def _n_missing(order: npt.NDArray[Any]) -> int:
    return int((np.isnan(order) if order.dtype.kind == "f" else np.isnat(order)).sum())


def _checked(given: object) -> Mapping[str, Any]:
    """Splits that have names."""
    if not isinstance(given, Mapping) or not given:
        msg = (
            f"the splits are {given!r}: give shares such as {{'train': 0.7, 'test': 0.3}}, or first and last dates "
            "such as {'train': ('2015-01-01', '2020-12-31')}."
        )
        raise InvalidInputError(msg)
    for name in given:
        if check_identifier("split", name) == WHOLE:
            msg = f"a split is named {WHOLE!r}, which means the whole: choose another name, such as train."
            raise InvalidInputError(msg)
    return given


def _is_share(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _checked_shares(shares: dict[str, float]) -> dict[str, float]:
    for name, share in shares.items():
        if not (math.isfinite(share) and 0 < share <= 1):
            msg = f"the share of the split {name!r} is {share}: give a number above 0 and at most 1."
            raise InvalidInputError(msg)
    if (total := sum(shares.values())) > 1 + _ROUNDING:
        msg = f"the shares of the splits add up to {total:g}: give shares that add up to 1 at most."
        raise InvalidInputError(msg)
    return shares


def _cuts(shares: Mapping[str, float], n_rows: int) -> dict[str, tuple[int, int]]:
    """The rows from and to of each share."""
    ends = np.floor(np.cumsum(list(shares.values())) * n_rows + _ROUNDING * n_rows).astype(int).clip(max=n_rows)
    return dict(zip(shares, zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True), strict=True))


def _by_rows(shares: Mapping[str, float], n_rows: int) -> dict[str, Part]:
    cuts = _cuts(shares, n_rows)
    return {name: {"n_rows": stop - start, "start": start, "stop": stop} for name, (start, stop) in cuts.items()}


def _by_share(shares: Mapping[str, float], times: npt.NDArray[Any]) -> dict[str, Part]:
    """Cut where a time ends: all rows of the time a cut falls in go to the earlier split."""
    found: dict[str, Part] = {}
    begun = 0
    for name, (_, stop) in _cuts(shares, len(times)).items():
        end = max(begun, int(np.searchsorted(times, times[stop - 1], side="right")) if stop else 0)
        found[name] = _part(times[begun:end])
        begun = end
    return found


def _by_range(bounds: Mapping[str, tuple[Any, Any]], order: npt.NDArray[Any]) -> dict[str, Part]:
    ordered = sorted(bounds, key=lambda name: bounds[name][0])
    for earlier, later in pairwise(ordered):
        if bounds[later][0] <= bounds[earlier][1]:
            msg = f"the splits {earlier!r} and {later!r} overlap: let one begin after the other ends."
            raise InvalidInputError(msg)
    return {name: _part(np.sort(order[(order >= first) & (order <= last)])) for name, (first, last) in bounds.items()}


def _part(times: npt.NDArray[Any]) -> Part:
    if not len(times):
        return {"n_rows": 0}
    return {"n_rows": len(times), "first": _plain(times[0]), "last": _plain(times[-1])}


def _plain(time: Any) -> str | float:
    return iso(time) if isinstance(time, np.datetime64) else float(time)


def _bounds(name: str, value: Any, order: npt.NDArray[Any]) -> tuple[Any, Any]:
    """First and last time of a split, as the time column has them."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:  # noqa: PLR2004  first and last
        msg = (
            f"the split {name!r} is {value!r}: give its share of the rows, or its first and last time, "
            "the same for all splits."
        )
        raise InvalidInputError(msg)
    first, last = (_as_in(order, end, name) for end in value)
    if isinstance(last, np.datetime64) and _is_date(value[1]):
        last = last + np.timedelta64(1, "D") - np.timedelta64(1, "ns" if order.dtype == "datetime64[ns]" else "us")
    if not first <= last:
        msg = f"the split {name!r} ends at {value[1]}, before it begins at {value[0]}: give the earlier time first."
        raise InvalidInputError(msg)
    return first, last


def _is_date(value: object) -> bool:
    if isinstance(value, str):
        return len(value.strip()) <= len("2015-01-01")
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


def _as_in(order: npt.NDArray[Any], value: Any, name: str = "") -> Any:
    """A time as the time column has them."""
    import pandas as pd

    try:
        if order.dtype.kind == "f":
            return float(value)
        stamp = pd.Timestamp(value)
        moment = (stamp if stamp.tz is None else stamp.tz_convert("UTC").tz_localize(None)).to_datetime64()
        if np.isnat(moment):
            raise ValueError("it is no time")
        return moment.astype(order.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"a time of the split {name!r} is {value!r}: give one as the time column has ({first_line(error)})."
        raise InvalidInputError(msg) from error
