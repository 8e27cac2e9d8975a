"""Whether two runs logged the same: metric by metric, to the bit or by how much not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import counted
from experiments.services.tracking.runs import COUNTED_BY

if TYPE_CHECKING:
    import pandas as pd

KEY = ("name", *COUNTED_BY)
"""What says which point of the one run is which of the other; where several share it, their order does."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One metric of a run and of its repetition.

    Attributes
    ----------
    name : str
    n_points : int
        Points both have.
    n_missing, n_extra : int
        Points only the run has, and only its repetition.
    n_different : int
        Points both have with another value; NaN is the same as NaN.
    largest_absolute, largest_relative : float
        Largest difference, in the metric's unit and as a share of the run's own value; infinite where only one of the
        two is a number.
    first_different : str or None
        The first point that differs, such as "step 3"; None where none does.
    """

    name: str
    n_points: int
    n_missing: int
    n_extra: int
    n_different: int
    largest_absolute: float
    largest_relative: float
    first_different: str | None

    @property
    def same(self) -> bool:
        """Whether every point is there and the same."""
        return not (self.n_missing or self.n_extra or self.n_different)

    @property
    def told(self) -> str:
        """The agreement in words."""
        parts = []
        if self.n_different:
            parts.append(
                f"{self.n_different} of {counted(self.n_points, 'point')} not the same, by up to "
                f"{self.largest_absolute:.3g} ({self.largest_relative:.2g} of its value), first at "
                f"{self.first_different}"
            )
        if self.n_missing:
            parts.append(f"{counted(self.n_missing, 'point')} not logged again")
        if self.n_extra:
            parts.append(f"{counted(self.n_extra, 'point')} more than before")
        return "; ".join(parts) or f"the same to the bit, {counted(self.n_points, 'point')}"


def compare_points(before: pd.DataFrame, after: pd.DataFrame) -> list[Agreement]:
    """Compare the points of two runs, by metric in alphabetical order.

    Parameters
    ----------
    before, after : DataFrame
        A run and its repetition: `name`, `value`, `step`, `episode` and `epoch`, in the order they were logged in.
    """
    both = _keyed(before).merge(
        _keyed(after), on=[*KEY, "nth"], how="outer", suffixes=("", "_again"), indicator="side", sort=False
    )
    return [_agreement(str(name), points) for name, points in both.groupby("name", sort=True)]


def _keyed(points: pd.DataFrame) -> pd.DataFrame:
    """The points with numbers for their steps, and their place among those that share a key."""
    import pandas as pd

    frame = points[["name", "value"]].copy()
    for column in KEY[1:]:
        frame[column] = pd.to_numeric(points[column]).astype("float64")
    frame["value"] = frame["value"].astype("float64")
    frame["nth"] = frame.groupby(list(KEY), dropna=False).cumcount()
    frame["place"] = np.arange(len(frame))
    return frame


def _agreement(name: str, points: pd.DataFrame) -> Agreement:
    shared = points[points["side"] == "both"].sort_values("place")
    value, again = shared["value"].to_numpy(), shared["value_again"].to_numpy()
    different = ~((value == again) | (np.isnan(value) & np.isnan(again)))
    with np.errstate(invalid="ignore", divide="ignore"):
        absolute = np.abs(value[different] - again[different])
        absolute = np.where(np.isnan(absolute), np.inf, absolute)
        relative = absolute / np.abs(value[different])
        relative = np.where(np.isnan(relative), np.inf, relative)
    return Agreement(
        name=name,
        n_points=len(shared),
        n_missing=int((points["side"] == "left_only").sum()),
        n_extra=int((points["side"] == "right_only").sum()),
        n_different=int(different.sum()),
        largest_absolute=float(absolute.max(initial=0.0)),
        largest_relative=float(relative.max(initial=0.0)),
        first_different=_where(shared[different].iloc[0]) if different.any() else None,
    )


def _where(point: pd.Series[float]) -> str:
    """A point by what it was logged under."""
    named = [f"{column} {point[column]:.0f}" for column in KEY[1:] if not np.isnan(point[column])]
    return ", ".join(named) if named else f"call {point['nth'] + 1:.0f}"
