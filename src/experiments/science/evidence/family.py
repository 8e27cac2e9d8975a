"""A family: the models of a backtest, compared with naive, the leader and each other on the windows all share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definitions import SIGNIFICANCE_LEVEL
from experiments.errors import InvalidInputError
from experiments.science.evidence.multiplicity import ConfidenceSet, model_confidence_set
from experiments.science.evidence.pairs import Pair, adjusted, compare_two, known_float, snapped, turned
from experiments.science.evidence.planner import detectable_difference, windows_needed
from experiments.science.evidence.selection import SelectedLoss, selected_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from experiments.science.evidence.checks import Floats
    from experiments.science.evidence.diebold_mariano import DMResult

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
    shared = shared_losses(losses, baseline)
    columns = snapped({str(name): shared[name].to_numpy() for name in shared.columns}, level)
    n = len(shared)
    counts = losses.notna().sum()
    ranked = sorted(columns, key=lambda label: (columns[label].mean() if n else 0.0, label != baseline, label))
    matrix = np.column_stack([columns[label] for label in ranked])
    confidence = model_confidence_set(matrix, overlap=overlap, level=1 - SIGNIFICANCE_LEVEL, reps=reps, seed=seed)
    pairs, tests = _pairs(columns, ranked, baseline, overlap)
    naive = [pair for pair in pairs if pair.other == baseline]
    to_naive = {pair.model: pair for pair in adjusted(naive)}
    to_leader = {pair.model: pair for pair in adjusted(_against(ranked[0], pairs))}
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
                n_windows=int(counts[label]),
                loss=loss,
                skill=None if loss is None or not naive_loss else 1 - loss / naive_loss,
                to_naive=pair,
                to_leader=to_leader.get(label),
                mcs_pvalue=known_float(confidence.pvalues[position]),
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
    others = [label for label in losses.columns if str(label) not in shared]
    standings += [_left_out(str(label), int(counts[label]), len(losses)) for label in others]
    return Family(
        windows=shared.index,
        n_windows=len(losses),
        overlap=overlap,
        baseline=baseline,
        naive_loss=naive_loss,
        n_tested=n_tested,
        standings=tuple(standings),
        pairs=tuple(adjusted(pairs)),
        confidence_set=confidence,
        selected=selected_loss(matrix, overlap=overlap, reps=reps, seed=seed),
    )


def shared_losses(losses: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The losses of models that cover enough of the windows, on those all of them share; the baseline first.

    Parameters
    ----------
    losses : DataFrame [W, M]
    baseline : str
        As in `compare_family`.

    Raises
    ------
    InvalidInputError
        If the baseline is no column, a column stands twice, or a loss is infinite.
    """
    labels = [str(label) for label in losses.columns]
    if baseline not in labels or len(set(labels)) < len(labels):
        msg = f"losses has the columns {labels}: accepted are one for each model and one for the baseline {baseline!r}."
        raise InvalidInputError(msg)
    values = losses.set_axis(labels, axis=1).astype(np.float64)
    if infinite := [label for label in labels if np.isinf(values[label]).any()]:
        msg = f"losses of {infinite[0]} are infinite: accepted are numbers, NaN."
        raise InvalidInputError(msg)
    enough = [label for label in labels if len(values) and values[label].count() >= COVERAGE * len(values)]
    # the others are told by the baseline, and whatever is a copy of it is snapped to it
    return values[[baseline, *(label for label in enough if label != baseline)]].dropna()


def _left_out(label: str, count: int, n_windows: int) -> Standing:
    """A model with too few of the windows."""
    note = f"{count} of {n_windows} windows: {COVERAGE:.0%} are needed to compare on shared ones"
    return Standing(model=label, n_windows=count, verdict=NOT_COMPARED, note=note if count else NO_WINDOW)


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


def _against(leader: str, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of the leader, each seen from the other model."""
    return [pair if pair.other == leader else turned(pair) for pair in pairs if leader in (pair.model, pair.other)]


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
