"""The part of a series that all of its covariates cover: where windows may lie, and which covariate ends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.science.series import Series


@dataclass(frozen=True, kw_only=True)
class Span:
    """A series cut to what windows of one horizon can use.

    Parameters
    ----------
    series : Series
        Without the observations no window can reach: what an evaluation could see.
    begin : int
        First position at which every covariate is known.
    end_reason : str or None
        Which covariate ended the series before its own end, with the dates.
    begin_reason : str or None
        Which covariate begins after the series, with the dates.
    """

    series: Series
    begin: int
    end_reason: str | None
    begin_reason: str | None


def covered_span(series: Series, horizon: int) -> Span:
    """Cut a series to where all of its covariates are known.

    A cutoff lies not after the last date of an observed covariate, so that the actuals of its steps may lie beyond
    that date; the last step of a window lies not after the last date of a covariate known in advance.

    Parameters
    ----------
    series : Series
    horizon : int
        Steps of a window, H.

    Raises
    ------
    InvalidInputError
        If a covariate covers none of the series.
    """
    n = len(series.ds)
    begins, lengths = {}, {}
    for name, values in series.covariates.items():
        first, last = series.covariate_spans[name]
        available = np.flatnonzero(np.isfinite(values))
        at_end = int(np.searchsorted(series.ds, np.datetime64(last, "D"), side="right"))
        if not available.size or not at_end:
            msg = (
                f"covariate {name!r} runs from {first} to {last} and covers none of {series.called}, "
                f"{series.ds[0]} to {series.ds[-1]}: give one that does, or leave it out."
            )
            raise InvalidInputError(msg)
        begins[name] = int(available[0])
        lengths[name] = min(n, at_end if name in series.known else at_end + horizon)
    length, begin = min([n, *lengths.values()]), max([0, *begins.values()])
    ending = {name: series.covariate_spans[name][1] for name in lengths if lengths[name] == length}
    beginning = {name: series.covariate_spans[name][0] for name in begins if begins[name] == begin}
    return Span(
        series=series.head(length),
        begin=begin,
        end_reason=f"{_dated('end', ending)}, the series on {series.ds[-1]}" if length < n else None,
        begin_reason=f"{_dated('begin', beginning)}, the series on {series.ds[0]}" if begin else None,
    )


def _dated(verb: str, dates: Mapping[str, object]) -> str:
    """Covariates by date, such as "vix and temp end on 2025-03-07"."""
    together: dict[object, list[str]] = {}
    for name, date in dates.items():
        together.setdefault(date, []).append(name)
    return ", ".join(
        f"{' and '.join(names)} {verb}{'s' if len(names) == 1 else ''} on {date}" for date, names in together.items()
    )
