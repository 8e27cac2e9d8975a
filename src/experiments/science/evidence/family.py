"""A family: the models of a backtest, compared with naive, the leader and each other on the windows all share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.definitions import EQUALITY_TOLERANCE, SIGNIFICANCE_LEVEL
from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import DMResult, diebold_mariano
from experiments.science.evidence.multiplicity import ConfidenceSet, holm, model_confidence_set
from experiments.science.evidence.planner import detectable_difference, windows_needed
from experiments.science.evidence.selection import SelectedLoss, selected_loss, win_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Floats = NDArray[np.float64]

NO_WINDOW = "no window succeeded"
COVERAGE = 0.9
"""Share of the family's windows a model needs forecasts of to be compared."""

EQUIVALENCE_MARGIN = 0.05
"""Share of naive's loss within which a model is called equal to it."""

BASELINE_ITSELF = "the baseline"
SAME_AS_NAIVE = "same forecasts as naive"
BETTER, WORSE, EQUAL = "better than naive", "worse than naive", "equal to naive"
TOO_LITTLE = "not enough evidence"
NOT_COMPARED = "not compared"
VERDICTS = (BASELINE_ITSELF, SAME_AS_NAIVE, BETTER, WORSE, EQUAL, TOO_LITTLE, NOT_COMPARED)


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


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One model of a family.

    Attributes
    ----------
    model : str
    place : int or None
        Rank by loss among the compared, the smallest first; None for one that is not compared.
    n_windows : int
        Windows of the family it has forecasts of.
    loss : float or None
        Mean loss on the shared windows.
    skill : float or None
        Share by which its loss is below naive's.
    to_naive, to_leader : Pair or None
        None for naive and the leader themselves, and for one that is not compared.
    mcs_pvalue : float or None
        P-value of the Model Confidence Set.
    in_confidence_set : bool or None
        Whether the data leave it among those that may be best.
    verdict : str
        One of `VERDICTS`.
    equal_within : float or None
        Share of naive's loss that the 90 % interval of the difference to naive does not exceed.
    windows_to_tell : int or None
        Windows at which a difference to naive as large as the one seen is found with 80 % power after Holm's
        correction; None where it is told already, or never would be.
    detectable : float or None
        The smallest difference to naive found with 80 % power at the windows at hand, as a share of naive's loss.
    note : str or None
        Why it is not compared or not tested.
    """

    model: str
    place: int | None = None
    n_windows: int
    loss: float | None = None
    skill: float | None = None
    to_naive: Pair | None = None
    to_leader: Pair | None = None
    mcs_pvalue: float | None = None
    in_confidence_set: bool | None = None
    verdict: str
    equal_within: float | None = None
    windows_to_tell: int | None = None
    detectable: float | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """What can be said of models compared on shared windows.

    `standings` lists the compared by place, then the others; `pairs` every two of the compared once, the one with
    the larger loss first, and naive last. `windows` are the shared ones of `n_windows`, in order.
    """

    windows: pd.Index
    n_windows: int
    overlap: int
    baseline: str
    naive_loss: float | None
    n_tested: int
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    confidence_set: ConfidenceSet
    selected: SelectedLoss


def compare_family(
    losses: pd.DataFrame, *, baseline: str, overlap: int = 1, level: float = 0.0, seed: int = 0, reps: int = 1000
) -> Family:
    """Compare models with naive, with the leader and with each other, on the windows all of them share.

    A model with forecasts of fewer than 90 % of the windows is listed, not compared, and takes no window from the
    others.

    Parameters
    ----------
    losses : DataFrame [W, M]
        A row a window in order of time, a column a model: its loss there, NaN where it has no forecast.
    baseline : str
        Column of naive.
    overlap : int
        Windows that one loss reaches into, see `diebold_mariano`.
    level : float
        Mean absolute level of the series, in the unit of the losses: losses within a millionth of it are equal.
    seed, reps : int
        Of the bootstraps.

    Raises
    ------
    InvalidInputError
        If the baseline is no column, a column stands twice, or a loss is infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> losses = pd.DataFrame({"naive": [2.0, 1.9, 2.2] * 6, "drift": [1.0, 1.1, 0.9] * 6})
    >>> family = compare_family(losses, baseline="naive")
    >>> [(one.model, one.verdict) for one in family.standings]
    [('drift', 'better than naive'), ('naive', 'the baseline')]
    """
    labels, values = _checked(losses, baseline)
    has = ~np.isnan(values)
    compared = has.sum(axis=0) >= COVERAGE * len(values) if len(values) else np.zeros(len(labels), dtype=bool)
    compared[labels.index(baseline)] = True  # the others are told by it
    shared = has[:, compared].all(axis=1)
    # naive first: whatever is a copy of it is snapped to it
    positions = sorted(np.flatnonzero(compared), key=lambda position: labels[position] != baseline)
    columns = _snapped({labels[position]: values[shared, position] for position in positions}, level)
    n = int(shared.sum())
    ranked = sorted(columns, key=lambda label: (columns[label].mean() if n else 0.0, label != baseline, label))
    matrix = np.column_stack([columns[label] for label in ranked])
    confidence = model_confidence_set(matrix, overlap=overlap, level=1 - SIGNIFICANCE_LEVEL, reps=reps, seed=seed)
    pairs, tests = _pairs(columns, ranked, baseline, overlap)
    naive = [pair for pair in pairs if pair.other == baseline]
    to_naive = {pair.model: pair for pair in _adjusted(naive)}
    to_leader = {pair.model: pair for pair in _adjusted(_against(ranked[0], pairs))}
    n_tested = sum(pair.pvalue is not None for pair in naive)
    naive_loss = float(columns[baseline].mean()) if n else None
    standings = []
    for position, label in enumerate(ranked):
        loss = float(columns[label].mean()) if n else None
        pair = to_naive.get(label)
        standings.append(
            Standing(
                model=label,
                place=position + 1 if n else None,
                n_windows=int(has[:, labels.index(label)].sum()),
                loss=loss,
                skill=None if loss is None or not naive_loss else 1 - loss / naive_loss,
                to_naive=pair,
                to_leader=to_leader.get(label),
                mcs_pvalue=_known(confidence.pvalues[position]),
                in_confidence_set=bool(confidence.members[position]),
                **_told(
                    pair,
                    tests.get((label, baseline)),
                    naive_loss,
                    same=n > 0 and bool(np.array_equal(columns[label], columns[baseline])),
                    n_tested=n_tested,
                    overlap=overlap,
                ),
            )
        )
    counts = {labels[position]: int(has[:, position].sum()) for position in np.flatnonzero(~compared)}
    standings += [_left_out(label, count, len(values)) for label, count in counts.items()]
    return Family(
        windows=losses.index[np.flatnonzero(shared)],
        n_windows=len(values),
        overlap=overlap,
        baseline=baseline,
        naive_loss=naive_loss,
        n_tested=n_tested,
        standings=tuple(standings),
        pairs=tuple(_adjusted(pairs)),
        confidence_set=confidence,
        selected=selected_loss(matrix, overlap=overlap, reps=reps, seed=seed),
    )


def _checked(losses: pd.DataFrame, baseline: str) -> tuple[list[str], Floats]:
    """Names of the models, and their losses."""
    labels = [str(label) for label in losses.columns]
    if baseline not in labels or len(set(labels)) < len(labels):
        msg = f"losses has the columns {labels}: accepted are one for each model and one for the baseline {baseline!r}."
        raise InvalidInputError(msg)
    values = losses.to_numpy(dtype=np.float64)
    if np.isinf(values).any():
        msg = f"losses of {labels[int(np.isinf(values).any(axis=0).argmax())]} are infinite: accepted are numbers, NaN."
        raise InvalidInputError(msg)
    return labels, values


def _left_out(label: str, count: int, n_windows: int) -> Standing:
    """A model with too few of the windows."""
    note = f"{count} of {n_windows} windows: {COVERAGE:.0%} are needed to compare on shared ones"
    return Standing(model=label, n_windows=count, verdict=NOT_COMPARED, note=note if count else NO_WINDOW)


def _snapped(columns: dict[str, Floats], level: float) -> dict[str, Floats]:
    """Losses, those of a copy made equal to those of the first it is a copy of: rounding is no difference."""
    distinct: list[Floats] = []
    snapped = {}
    for label, losses in columns.items():
        size = EQUALITY_TOLERANCE * max(level, float(np.abs(losses).mean()) if losses.size else 0.0)
        same = [first for first in distinct if np.all(np.abs(losses - first) <= size)]
        snapped[label] = same[0] if same else losses
        distinct += [] if same else [losses]
    return snapped


def _pairs(
    columns: dict[str, Floats], ranked: Sequence[str], baseline: str, overlap: int
) -> tuple[list[Pair], dict[tuple[str, str], DMResult]]:
    """Every two models once, the one with the larger loss first and naive last, with the tests behind them."""
    pairs, tests = [], {}
    for better, worse in combinations(ranked, 2):
        model, other = (better, worse) if worse == baseline else (worse, better)
        pair, tests[model, other] = compare_two(columns[model], columns[other], names=(model, other), overlap=overlap)
        pairs.append(pair)
    return pairs, tests


def compare_two(a: Floats, b: Floats, *, names: tuple[str, str], overlap: int) -> tuple[Pair, DMResult]:
    """Two models' losses [N] in the same windows: a pair that is not adjusted yet, and the test behind it."""
    test = diebold_mariano(a, b, overlap=overlap)
    lower, upper = test.interval(1 - SIGNIFICANCE_LEVEL) or (None, None)
    difference, half = a - b, a.size // 2
    pair = Pair(
        model=names[0],
        other=names[1],
        difference=_known(test.mean_difference),
        lower=lower,
        upper=upper,
        statistic=test.statistic,
        pvalue=test.pvalue,
        pvalue_holm=None,
        method=test.method,
        n=test.n,
        win_share=_known(win_rate(a, b).share) if a.size else None,
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
    overlap, level
        As in `compare_family`.

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
    columns = _snapped({str(name): losses[name].to_numpy(dtype=np.float64) for name in losses.columns}, level)
    return tuple(
        _adjusted(
            [
                compare_two(columns[model], columns[other], names=(model, other), overlap=overlap)[0]
                for model, other in combinations(columns, 2)
            ]
        )
    )


def _against(leader: str, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of the leader, each seen from the other model."""
    return [pair if pair.other == leader else turned(pair) for pair in pairs if leader in (pair.model, pair.other)]


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


def _adjusted(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p-values adjusted for one another."""
    adjusted = holm([np.nan if pair.pvalue is None else pair.pvalue for pair in pairs])
    return [replace(pair, pvalue_holm=_known(value)) for pair, value in zip(pairs, adjusted, strict=True)]


def _told(
    pair: Pair | None, test: DMResult | None, naive_loss: float | None, *, same: bool, n_tested: int, overlap: int
) -> dict[str, Any]:
    """What a comparison with naive lets one say."""
    if pair is None or test is None:
        return {"verdict": BASELINE_ITSELF}
    if same:
        return {"verdict": SAME_AS_NAIVE, "note": SAME_AS_NAIVE}
    if pair.pvalue is None or pair.pvalue_holm is None or pair.difference is None or test.standard_error is None:
        return {"verdict": TOO_LITTLE, "note": pair.note}
    lower, upper = test.interval(1 - 2 * SIGNIFICANCE_LEVEL) or (np.nan, np.nan)
    within = max(abs(lower), abs(upper)) / naive_loss if naive_loss else None
    significance = SIGNIFICANCE_LEVEL / n_tested
    smallest = detectable_difference(test.standard_error, pair.n, overlap=overlap, significance=significance)
    found = {
        "equal_within": within,
        "detectable": smallest / naive_loss if naive_loss else None,
        "note": pair.note,
    }
    if pair.pvalue_holm < SIGNIFICANCE_LEVEL:
        return found | {"verdict": BETTER if pair.difference < 0 else WORSE}
    if within is not None and within <= EQUIVALENCE_MARGIN:
        return found | {"verdict": EQUAL}
    needed = windows_needed(pair.difference, test.standard_error, pair.n, overlap=overlap, significance=significance)
    # one that had the power to tell by now was unlucky, or is not as different as it looks: more windows are needed
    return found | {"verdict": TOO_LITTLE, "windows_to_tell": None if needed is None else max(needed, pair.n + 1)}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
