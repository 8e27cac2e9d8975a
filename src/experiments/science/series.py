"""From a data frame to the series a backtest walks over: checked, sorted, covariates aligned to its own dates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import check_commodity, check_text
from experiments.errors import InvalidInputError
from experiments.science.frames import check_frame, clean
from experiments.science.quirks import quirks

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd
    from numpy.typing import NDArray

STALE_AFTER_DAYS = 7
"""A covariate older than this on a date of the series counts as missing there, unless its own steps are longer."""

STALE_AFTER_GAPS = 2
"""Its own median gaps after which a covariate of longer steps is stale, so that a monthly one serves daily prices."""

_FIRST_STANDS_DAYS = 366  # the first value, until a second one tells how long a step is


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
    known : tuple of str
        Which of the covariates are known in advance; the others are observed.
    covariate_spans : mapping of str to (date, date)
        First and last date each covariate has a value of its own.
    frequency : str
        Length of one step, a key of `definitions.SEASON_LENGTH`.
    notes : tuple of str
        What was done to the rows on the way in and what is odd about them, in words.
    """

    commodity: str
    unique_id: str
    ds: NDArray[np.datetime64]
    y: NDArray[np.float64]
    covariates: Mapping[str, NDArray[np.float64]]
    frequency: str
    known: tuple[str, ...] = ()
    covariate_spans: Mapping[str, tuple[dt.date, dt.date]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What messages call it."""
        if self.unique_id == self.commodity:
            return f"the data of {self.commodity}"
        return f"series {self.unique_id!r} of {self.commodity}"

    def dataset_version(self, covariates: tuple[str, ...]) -> str:
        """Digest of dates, values and the covariates named: equal data have an equal version."""
        content = hashlib.sha256(self.ds.tobytes() + self.y.tobytes())
        for name in sorted(covariates):
            content.update(name.encode() + self.covariates[name].tobytes())
        return content.hexdigest()[:16]

    def head(self, n: int) -> Series:
        """The first `n` observations, as if nothing later had been given."""
        return self.part(0, n)

    def part(self, begin: int, end: int) -> Series:
        """The observations from position `begin` up to, not including, `end`."""
        covariates = {name: values[begin:end] for name, values in self.covariates.items()}
        return replace(self, ds=self.ds[begin:end], y=self.y[begin:end], covariates=covariates)


def prepare(
    data: pd.DataFrame,
    *,
    commodity: str,
    covariates: Mapping[str, pd.DataFrame] | None = None,
    known_covariates: Mapping[str, pd.DataFrame] | None = None,
    as_of: dt.date | None = None,
) -> list[Series]:
    """Check a frame of prices and split it into its series.

    Parameters
    ----------
    data : DataFrame
        Columns `ds` and `y`, and `unique_id` where the commodity has several series.
    commodity : str
        What is forecast.
    covariates, known_covariates : mapping of str to DataFrame, optional
        By name, frames with `ds` and one value column; the latter are known in advance. A date of the series takes
        the last value at or before it; an observed one unless that is older than 7 days or, where that is more, twice
        the median gap between the covariate's dates so far. `ds` is the date from which a value is known: the mean of
        January is dated in February, or it is a look ahead that nobody can see from the data.
    as_of : datetime.date, optional
        As if nothing observed later had been given.

    Raises
    ------
    InvalidInputError
        If a column is missing or there twice, a date cannot be read or stands twice, a value is no number or
        infinite, a row names no series where others do, no row is left, series differ in frequency, or a covariate
        has no name or is given both as observed and as known.
    """
    check_commodity(commodity)
    observed = check_covariates("covariates", covariates)
    known = check_covariates("known_covariates", known_covariates)
    if twice := sorted(set(observed) & set(known)):
        msg = f"covariate {twice[0]!r} is given both as observed and as known in advance: it is one of them."
        raise InvalidInputError(msg)
    what = f"the data of {commodity}"
    by = ["unique_id"] if "unique_id" in check_frame(data, what).columns else []
    frame, notes = clean(data, value="y", what=what, by=by)
    cleaned = {name: _clean_covariate(name, values) for name, values in {**observed, **known}.items()}
    if as_of is not None:
        frame = _until(as_of, frame, what)
        cleaned |= {
            name: (_until(as_of, cleaned[name][0], f"covariate {name!r}"), cleaned[name][1]) for name in observed
        }
    notes += tuple(note for _, said in cleaned.values() for note in said)
    standing = tuple(chain.from_iterable(_standing(name, cleaned[name][0]) for name in known))
    groups = frame.groupby("unique_id", sort=True) if by else [(commodity, frame)]
    found = []
    for unique_id, group in groups:
        ds = group["ds"].to_numpy().astype("datetime64[D]")
        one = Series(
            commodity=commodity,
            unique_id=str(unique_id),
            ds=ds,
            y=group["y"].to_numpy(dtype=float),
            covariates={
                name: _as_of(group["ds"], values, stale=name not in known) for name, (values, _) in cleaned.items()
            },
            frequency=infer_frequency(ds),
            known=tuple(sorted(known)),
            covariate_spans={name: _span(values) for name, (values, _) in cleaned.items()},
        )
        odd = quirks(one.ds, one.y, frequency=one.frequency, what=one.called)
        found.append(replace(one, notes=(*notes, *odd, *_holes(one), *standing)))
    _check_one_frequency(found)
    return found


def check_covariates(name: str, given: object) -> dict[str, pd.DataFrame]:
    """The covariates of an argument, by name; None is none.

    Raises
    ------
    InvalidInputError
        If it is no mapping, or one of its names is no text.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        msg = f"{name} is {type(given).__name__}: give a dictionary of name to frame."
        raise InvalidInputError(msg)
    return {check_text(f"a name in {name}", key): frame for key, frame in given.items()}


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


def _check_one_frequency(found: list[Series]) -> None:
    by_frequency: dict[str, list[str]] = {}
    for series in found:
        by_frequency.setdefault(series.frequency, []).append(repr(series.unique_id))
    if len(by_frequency) > 1:
        listed = "; ".join(f"{frequency}: {', '.join(names)}" for frequency, names in by_frequency.items())
        msg = f"the series of {found[0].commodity} differ in frequency ({listed}): give those of one frequency."
        raise InvalidInputError(msg)


def _until(as_of: dt.date, frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """The rows up to a date."""
    seen = frame[frame["ds"].to_numpy() <= np.datetime64(as_of, "ns")]
    if seen.empty:
        msg = f"{what} begins on {frame['ds'].min().date()} and has nothing as of {as_of}: give a later date."
        raise InvalidInputError(msg)
    return seen.reset_index(drop=True)


def _span(values: pd.DataFrame) -> tuple[dt.date, dt.date]:
    return values["ds"].iloc[0].date(), values["ds"].iloc[-1].date()


def _holes(series: Series) -> Iterator[str]:
    """In words the dates inside a covariate's span at which it has no value that is still fresh."""
    for name, values in series.covariates.items():
        available = np.flatnonzero(np.isfinite(values))
        holes = np.flatnonzero(~np.isfinite(values[available[0] : available[-1]])) if available.size else available
        if holes.size:
            first = series.ds[available[0] + holes[0]]
            yield (
                f"covariate {name!r} has no fresh value on {holes.size} dates of {series.called}, the first {first}: "
                "not filled, a model that cannot do without fails in the windows that hold them"
            )


def _gaps(values: pd.DataFrame) -> pd.Series[float]:
    """Days from the row before to each row of a covariate; NaN at the first."""
    import pandas as pd

    days = values["ds"].to_numpy().astype("datetime64[D]").astype(float)
    return pd.Series(np.diff(days, prepend=np.nan))


def _standing(name: str, values: pd.DataFrame) -> Iterator[str]:
    """In words the longest time a covariate known in advance has no row, where that is out of its rhythm."""
    gaps = _gaps(values)
    if len(values) > 1 and gaps.max() > max(STALE_AFTER_DAYS, STALE_AFTER_GAPS * gaps.median()):
        until = int(gaps.argmax())
        since, then = (values["ds"].iloc[at].date() for at in (until - 1, until))
        yield f"covariate {name!r} has no row between {since} and {then}: known in advance, its value of {since} stands"


def _as_of(ds: pd.Series, values: pd.DataFrame, *, stale: bool) -> NDArray[np.float64]:
    """Last value at or before each date, NaN where it has gone stale; one known in advance does not.

    How long a value stands is told by the gaps up to it, never by later ones: what is known at a date does not
    change when the covariate grows.
    """
    gaps = _gaps(values).expanding().median()
    stands = (STALE_AFTER_GAPS * gaps).clip(lower=STALE_AFTER_DAYS).fillna(_FIRST_STANDS_DAYS)
    latest = np.searchsorted(values["ds"].to_numpy(), ds.to_numpy(), side="right") - 1
    age = (ds.to_numpy() - values["ds"].to_numpy()[latest]).astype("timedelta64[D]").astype(float)
    fresh = (latest >= 0) & ((age <= stands.to_numpy()[latest]) | (not stale))
    return np.where(fresh, values.iloc[:, -1].to_numpy(dtype=float)[latest], np.nan)


def _clean_covariate(name: str, values: object) -> tuple[pd.DataFrame, tuple[str, ...]]:
    frame = check_frame(values, f"covariate {name!r}")
    columns = [column for column in frame.columns if column != "ds"]
    if len(columns) != 1:
        msg = f"covariate {name!r} needs the column 'ds' and one value column; it has {list(map(str, frame.columns))}."
        raise InvalidInputError(msg)
    return clean(frame, value=columns[0], what=f"covariate {name!r}")
