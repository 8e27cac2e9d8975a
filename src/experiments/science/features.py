"""Features of a variant's own: computed once for the whole series, and refused where they look ahead."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from experiments.science.series import Series
    from experiments.science.window import FeatureFunction, ModelVariant

_TOLERANCE = 1e-9
"""Relative difference by which a feature may change with the rows after it: rounding, no more."""


def with_features(
    series: Series, variant: ModelVariant, positions: Sequence[int] | NDArray[np.int64]
) -> tuple[Series, ModelVariant]:
    """Add a variant's own features to the series, as observed covariates that the variant asks for.

    The function is called with `ds`, `y` and the covariates the variant asks for; at the first and the last cutoff
    it is called again with the rows up to there, and must give the same.

    Parameters
    ----------
    series : Series
    variant : ModelVariant
        As it runs: its covariates by name.
    positions : array of int
        Positions of the cutoffs.

    Returns
    -------
    series : Series
        With a covariate for each feature.
    variant : ModelVariant
        With their names among its covariates, in order. Both are as given if it has no features.

    Raises
    ------
    InvalidInputError
        If the function raises, returns no frame of numbers with a row for each date in the same order, a column has
        the name of another or no value, or a value changes with what comes after it.
    """
    if variant.features is None:
        return series, variant
    what, frame = f"the features of {variant.name}", _frame(series, variant)
    features = _computed(what, variant.features, frame, taken={"ds", "y", *series.covariates})
    spans = {name: _span(f"column {name!r} in {what}", series.ds, values) for name, values in features.items()}
    for position in sorted({int(min(positions)), int(max(positions))}):
        seen = _computed(what, variant.features, frame.iloc[: position + 1], taken={"ds", "y"})
        _check_no_look_ahead(what, frame["ds"], features, seen)
    return (
        replace(
            series,
            covariates={**series.covariates, **features},
            covariate_spans={**series.covariate_spans, **spans},
        ),
        replace(variant, covariates=tuple(sorted((*variant.covariates, *features)))),
    )


def _frame(series: Series, variant: ModelVariant) -> pd.DataFrame:
    import pandas as pd

    columns = {name: series.covariates[name] for name in variant.covariates}
    own = {"ds": series.ds.astype("datetime64[ns]"), "y": series.y}
    return pd.DataFrame({**own, **columns, **own})  # in this order; a covariate of such a name does not hide them


def _computed(
    what: str, function: FeatureFunction, frame: pd.DataFrame, *, taken: set[str]
) -> dict[str, NDArray[np.float64]]:
    """The features by name, each [N], checked."""
    import pandas as pd

    try:
        given = function(frame.copy())
    except Exception as error:
        msg = f"{what} cannot be computed on {len(frame)} rows: {type(error).__name__}: {error}"
        raise InvalidInputError(msg) from error
    if not isinstance(given, pd.DataFrame):
        msg = f"{what} are a {type(given).__name__}: return a DataFrame, a column for each feature."
        raise InvalidInputError(msg)
    if not given.index.equals(frame.index):
        msg = (
            f"{what} have {len(given)} rows for {len(frame)} dates, or others: "
            "return a row for each row given, in the same order and with its index."
        )
        raise InvalidInputError(msg)
    if given.columns.empty:
        msg = f"{what} have no column: return one for each feature."
        raise InvalidInputError(msg)
    found: dict[str, NDArray[np.float64]] = {}
    columns: list[object] = list(given.columns)
    for place, name in enumerate(columns):
        if not isinstance(name, str) or not name.strip() or name in taken or name in found:
            msg = (
                f"{what} have a column {name!r}: return the new ones only, each under a text of its own; "
                f"taken: {', '.join(sorted(taken | set(found)))}."
            )
            raise InvalidInputError(msg)
        found[name] = _numbers(f"column {name!r} in {what}", given.iloc[:, place], frame)
    return found


def _numbers(what: str, column: pd.Series, frame: pd.DataFrame) -> NDArray[np.float64]:
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    if not is_numeric_dtype(column) or is_complex_dtype(column):
        msg = f"{what} is of type {column.dtype}: numbers are needed."
        raise InvalidInputError(msg)
    values: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    if np.isinf(values).any():
        first = frame["ds"].iloc[int(np.argmax(np.isinf(values)))].date()
        msg = f"{what} is infinite on {first}: return a number, or NaN where there is none."
        raise InvalidInputError(msg)
    return values


def _check_no_look_ahead(
    what: str, ds: pd.Series, features: dict[str, NDArray[np.float64]], seen: dict[str, NDArray[np.float64]]
) -> None:
    """Up to a cutoff the features [N] are those `seen` [n], computed on the rows up to the cutoff."""
    if set(seen) != set(features):
        other = sorted(set(seen) ^ set(features))[0]
        msg = f"{what} have the column {other!r} on some rows of the series and not on others: return the same columns."
        raise InvalidInputError(msg)
    for name, values in features.items():
        until = seen[name]
        whole = values[: len(until)]
        close = np.abs(whole - until) <= _TOLERANCE * np.maximum(np.abs(whole), np.abs(until))
        changed = np.flatnonzero(~(close | (np.isnan(whole) & np.isnan(until))))
        if changed.size:
            at = int(changed[0])
            msg = (
                f"{what}: column {name!r} on {ds.iloc[at].date()} changes with what comes after it: {whole[at]:.6g} "
                f"with the dates after {ds.iloc[len(until) - 1].date()}, {until[at]:.6g} without them. "
                "A row may use its own and earlier rows only, and nothing drawn at random."
            )
            raise InvalidInputError(msg)


def _span(what: str, ds: NDArray[np.datetime64], values: NDArray[np.float64]) -> tuple[dt.date, dt.date]:
    available = ds[np.isfinite(values)]
    if not available.size:
        msg = f"{what} has no value on any date."
        raise InvalidInputError(msg)
    return available[0].astype(object), available[-1].astype(object)
