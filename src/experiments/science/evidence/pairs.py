"""Two models on the same windows: how they differ, whether that is luck, and pairs asked about together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE, SIGNIFICANCE_LEVEL
from experiments.science.evidence.diebold_mariano import DMResult, diebold_mariano
from experiments.science.evidence.multiplicity import holm
from experiments.science.evidence.selection import win_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from experiments.science.evidence.checks import Floats


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models on the windows of the family; differences are `model` minus `other`, so negative is better.

    Attributes
    ----------
    model, other : str
    difference : float or None
        Mean difference of the losses, in their unit; None without a window.
    lower, upper : float or None
        Its 95 % confidence interval, None where nothing was tested.
    statistic, pvalue : float or None
        Diebold-Mariano statistic and two-sided p-value.
    pvalue_holm : float or None
        Adjusted for the pairs asked about together: all of the family, or all with the same `other`.
    method : str
        How the p-value was made, see `diebold_mariano`.
    n : int
        Windows.
    win_share : float or None
        Share of windows in which `model` loses less; ties count half.
    first_half, second_half : float or None
        Mean difference in the earlier and in the later half of the windows.
    note : str or None
        Why nothing was tested, or what to know about the test.
    """

    model: str
    other: str
    difference: float | None
    lower: float | None
    upper: float | None
    statistic: float | None
    pvalue: float | None
    pvalue_holm: float | None
    method: str
    n: int
    win_share: float | None
    first_half: float | None
    second_half: float | None
    note: str | None


def compare_two(a: Floats, b: Floats, *, names: tuple[str, str], overlap: int) -> tuple[Pair, DMResult]:
    """Two models' losses [N] in the same windows: a pair that is not adjusted yet, and the test behind it."""
    test = diebold_mariano(a, b, overlap=overlap)
    lower, upper = test.interval(1 - SIGNIFICANCE_LEVEL) or (None, None)
    difference, half = a - b, a.size // 2
    pair = Pair(
        model=names[0],
        other=names[1],
        difference=known_float(test.mean_difference),
        lower=lower,
        upper=upper,
        statistic=test.statistic,
        pvalue=test.pvalue,
        pvalue_holm=None,
        method=test.method,
        n=test.n,
        win_share=known_float(win_rate(a, b).share) if a.size else None,
        first_half=float(difference[:half].mean()) if half else None,
        second_half=float(difference[half:].mean()) if half else None,
        note=test.note,
    )
    return pair, test


def compare_pairs(losses: pd.DataFrame, *, overlap: int = 1, level: float = 0.0) -> tuple[Pair, ...]:
    """Compare every two models, the one that comes first with the other, p-values adjusted for all of them.

    Parameters
    ----------
    losses : DataFrame [W, M]
        A row a window in order of time, a column a model; complete.
    overlap : int
        Windows that one loss reaches into, see `diebold_mariano`.
    level : float
        Mean absolute level of the series, in the unit of the losses: losses within a millionth of it are equal.

    Raises
    ------
    InvalidInputError
        If a loss is missing or infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> losses = pd.DataFrame({"a": [2.0, 1.9, 2.2] * 6, "b": [1.0, 1.1, 0.9] * 6})
    >>> [(pair.model, pair.other, round(pair.difference, 3)) for pair in compare_pairs(losses)]
    [('a', 'b', 1.033)]
    """
    columns = snapped({str(name): losses[name].to_numpy(dtype=np.float64) for name in losses.columns}, level)
    return tuple(
        adjusted(
            [
                compare_two(columns[model], columns[other], names=(model, other), overlap=overlap)[0]
                for model, other in combinations(columns, 2)
            ]
        )
    )


def compare_with(losses: pd.DataFrame, other: str, *, overlap: int = 1, level: float = 0.0) -> tuple[Pair, ...]:
    """Compare every model with one of them, p-values adjusted for all of these.

    Parameters
    ----------
    losses : DataFrame [W, M]
        A row a window in order of time, a column a model; complete.
    other : str
        Column of the one the others are compared with.
    overlap, level
        As in `compare_pairs`.

    Raises
    ------
    InvalidInputError
        If a loss is missing or infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> losses = pd.DataFrame({"naive": [2.0, 1.9, 2.2] * 6, "b": [1.0, 1.1, 0.9] * 6})
    >>> [(pair.model, pair.other, pair.pvalue_holm < 0.001) for pair in compare_with(losses, "naive")]
    [('b', 'naive', True)]
    """
    first = [other, *(name for name in losses.columns if name != other)]  # whatever is a copy of it is snapped to it
    columns = snapped({name: losses[name].to_numpy(dtype=np.float64) for name in first}, level)
    pairs = [compare_two(columns[name], columns[other], names=(name, other), overlap=overlap)[0] for name in first[1:]]
    return tuple(adjusted(pairs))


def turned(pair: Pair) -> Pair:
    """The same pair seen from the other model."""

    def negative(value: float | None) -> float | None:
        return None if value is None else 0.0 - value

    return Pair(
        model=pair.other,
        other=pair.model,
        difference=negative(pair.difference),
        lower=negative(pair.upper),
        upper=negative(pair.lower),
        statistic=negative(pair.statistic),
        pvalue=pair.pvalue,
        pvalue_holm=pair.pvalue_holm,
        method=pair.method,
        n=pair.n,
        win_share=None if pair.win_share is None else 1 - pair.win_share,
        first_half=negative(pair.first_half),
        second_half=negative(pair.second_half),
        note=pair.note,
    )


def adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p-values adjusted for one another."""
    pvalues = holm([np.nan if pair.pvalue is None else pair.pvalue for pair in pairs])
    return [replace(pair, pvalue_holm=known_float(value)) for pair, value in zip(pairs, pvalues, strict=True)]


def snapped(columns: dict[str, Floats], level: float) -> dict[str, Floats]:
    """Losses, those of a copy made equal to those of the first it is a copy of: rounding is no difference."""
    distinct: list[Floats] = []
    snapped = {}
    for label, losses in columns.items():
        size = EQUALITY_TOLERANCE * max(level, float(np.abs(losses).mean()) if losses.size else 0.0)
        same = [first for first in distinct if np.all(np.abs(losses - first) <= size)]
        snapped[label] = same[0] if same else losses
        distinct += [] if same else [losses]
    return snapped


def known_float(value: float) -> float | None:
    """The number as Python's own, None for NaN."""
    return None if np.isnan(value) else float(value)
