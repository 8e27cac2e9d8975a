"""From a data frame to the series a backtest walks over: checked, sorted, covariates aligned to its own dates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.definitions import check_commodity
from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

STALE_AFTER_DAYS = 7
"""A covariate older than this on a date of the series counts as missing there."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of a commodity with its covariates, in order of time.

    Parameters
    ----------
    ds : array [N] of datetime64[D]
    y : array [N] of float
        In the unit of the series; finite.
    covariates : mapping of str to array [N]
        Each covariate's last value known at each date; NaN before it begins or after it has gone stale.
    frequency : str
        Length of one step, a key of `definitions.SEASON_LENGTH`.
    notes : tuple of str
        What was done to the rows on the way in, in words.
    """

    commodity: str
    unique_id: str
    ds: NDArray[np.datetime64]
    y: NDArray[np.float64]
    covariates: Mapping[str, NDArray[np.float64]]
    frequency: str
    notes: tuple[str, ...] = ()

    def dataset_version(self, covariates: tuple[str, ...]) -> str:
        """Digest of dates, values and the covariates named: equal data have an equal version."""
        content = hashlib.sha256(self.ds.tobytes() + self.y.tobytes())
        for name in sorted(covariates):
            content.update(name.encode() + self.covariates[name].tobytes())
        return content.hexdigest()[:16]


def prepare(
    data: pd.DataFrame, *, commodity: str, covariates: Mapping[str, pd.DataFrame] | None = None
) -> list[Series]:
    """Check a frame of prices and split it into its series.

    Parameters
    ----------
    data : DataFrame
        Columns `ds` and `y`, and `unique_id` where the commodity has several series.
    commodity : str
        What is forecast.
    covariates : mapping of str to DataFrame, optional
        By name, frames with `ds` and one value column; a date of the series takes the last value at or before it.

    Raises
    ------
    InvalidInputError
        If a column is missing, a date cannot be read or stands twice, a value is text or infinite, a row names no
        series where others do, or no row is left.
    """
    check_commodity(commodity)
    if covariates is not None and not isinstance(covariates, Mapping):
        msg = f"covariates is {type(covariates).__name__}: give a dictionary of name to frame."
        raise InvalidInputError(msg)
    frame = _clean(
        data,
        value="y",
        what=f"the data of {commodity}",
        by=["unique_id"] if "unique_id" in getattr(data, "columns", ()) else [],
    )
    known = {name: _clean_covariate(name, values) for name, values in (covariates or {}).items()}
    notes = tuple(note for cleaned in (frame, *known.values()) for note in cleaned.attrs["notes"])
    groups = frame.groupby("unique_id", sort=True) if "unique_id" in frame else [(commodity, frame)]
    return [_one(commodity, str(unique_id), group, known, notes) for unique_id, group in groups]


def infer_frequency(ds: NDArray[np.datetime64]) -> str:
    """Length of one step, from the dates [N] of a series: a key of `definitions.SEASON_LENGTH`.

    Examples
    --------
    >>> infer_frequency(np.arange("2024-01", "2026-01", dtype="datetime64[M]").astype("datetime64[D]"))
    'month'
    """
    if len(ds) < 3:  # noqa: PLR2004  two gaps are the least a pattern can be read from
        return "irregular"
    gap = float(np.median(np.diff(ds).astype(int)))
    if gap == 1:
        weekend = np.isin((ds.astype("datetime64[D]").astype(int) + 3) % 7, (5, 6)).mean()
        return "day" if weekend > 0.1 else "trading day"  # noqa: PLR2004  a calendar has 2 / 7
    for name, low, high in (("week", 7, 7), ("month", 28, 31), ("quarter", 89, 92), ("year", 365, 366)):
        if low <= gap <= high:
            return name
    return "irregular"


def _one(
    commodity: str, unique_id: str, group: pd.DataFrame, known: Mapping[str, pd.DataFrame], notes: tuple[str, ...]
) -> Series:
    ds = group["ds"].to_numpy().astype("datetime64[D]")
    aligned = {name: _as_of(group["ds"], values) for name, values in known.items()}
    return Series(
        commodity=commodity,
        unique_id=unique_id,
        ds=ds,
        y=group["y"].to_numpy(dtype=float),
        covariates=aligned,
        frequency=infer_frequency(ds),
        notes=notes,
    )


def _as_of(ds: pd.Series, values: pd.DataFrame) -> NDArray[np.float64]:
    """Last value at or before each date, NaN where it is older than `STALE_AFTER_DAYS`."""
    merged = pd.merge_asof(
        pd.DataFrame({"ds": ds}), values, on="ds", direction="backward", tolerance=pd.Timedelta(days=STALE_AFTER_DAYS)
    )
    return merged.iloc[:, -1].to_numpy(dtype=float)


def _clean_covariate(name: str, values: pd.DataFrame) -> pd.DataFrame:
    columns = [column for column in getattr(values, "columns", ["ds", name]) if column != "ds"]
    if len(columns) != 1:
        msg = f"covariate {name!r} needs the column 'ds' and one value column; it has {list(map(str, values.columns))}."
        raise InvalidInputError(msg)
    return _clean(values, value=columns[0], what=f"covariate {name!r}", by=[])


def _clean(data: pd.DataFrame, *, value: str, what: str, by: list[str]) -> pd.DataFrame:
    """Rows with a date and a finite value, sorted; what was dropped or moved is in `attrs["notes"]`."""
    if not isinstance(data, pd.DataFrame):
        msg = f"{what} is a {type(data).__name__}: give a pandas DataFrame."
        raise InvalidInputError(msg)
    missing = [name for name in ("ds", value) if name not in data]
    if missing:
        msg = f"{what} lacks the column {missing[0]!r}; it has {list(map(str, data.columns))}."
        raise InvalidInputError(msg)
    frame = data[[*by, "ds", value]].copy()
    for name in by:
        if frame[name].isna().any():
            msg = f"{what} has {int(frame[name].isna().sum())} rows without {name!r}: name the series of every row."
            raise InvalidInputError(msg)
        frame[name] = frame[name].astype(str)
    notes = []
    try:
        if pd.api.types.is_numeric_dtype(frame["ds"]):  # pandas would count nanoseconds from 1970
            msg = f"'ds' holds numbers ({frame['ds'].dtype})"
            raise TypeError(msg)
        # ISO only: pandas would otherwise guess whether 01/02/2024 is January or February
        ds = pd.to_datetime(frame["ds"], format="ISO8601")
        frame["ds"] = ds.dt.tz_localize(None).dt.normalize().astype("datetime64[ns]")
        frame[value] = pd.to_numeric(frame[value]).astype(float)
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).partition(" You might want to try:")[0].rstrip(".")  # pandas advises on its own arguments
        msg = f"{what} cannot be read: {reason}. 'ds' takes dates such as 2024-01-31, {value!r} numbers."
        raise InvalidInputError(msg) from error
    if np.isinf(frame[value]).any():
        first = frame.loc[np.isinf(frame[value]), "ds"].iloc[0]
        msg = f"{what} has an infinite value on {first.date()}: correct or remove that row."
        raise InvalidInputError(msg)
    empty = frame[["ds", value]].isna().any(axis=1)
    if empty.any():
        notes.append(f"{int(empty.sum())} of {len(frame)} rows without a date or value left out of {what}")
        frame = frame[~empty]
    if frame.empty:
        msg = f"{what} has no row with a date and a value."
        raise InvalidInputError(msg)
    twice = frame.duplicated([*by, "ds"])
    if twice.any():
        msg = f"{what} has {int(twice.sum())} dates twice, the first {frame.loc[twice, 'ds'].iloc[0].date()}."
        raise InvalidInputError(msg)
    dates = frame.groupby(by)["ds"] if by else frame["ds"]
    if (dates.diff() < pd.Timedelta(0)).any():
        notes.append(f"rows of {what} sorted by date")
    frame = frame.sort_values([*by, "ds"], ignore_index=True)
    frame.attrs["notes"] = notes
    return frame
