"""One model over its evaluations: whether its accuracy changed beyond luck, and what else did.

Why a model performs worse than it did has two kinds of answers: the windows became harder, or the model forecasts
worse in the same windows. An evaluation is compared with the one before it where both forecast the same actuals, and
naive, which has nothing that could change, tells how hard the windows are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import (
    EQUALITY_TOLERANCE,
    SIGNIFICANCE_LEVEL,
    check_commodity,
    check_text,
    counted,
    known,
    pvalue_in_words,
)
from experiments.errors import unknown
from experiments.science.evidence.diebold_mariano import diebold_mariano, windows_required
from experiments.science.evidence.multiplicity import holm
from experiments.science.grid import observed_overlap, overlap
from experiments.services.differences import Difference, differences, same
from experiments.storage.table import select, select_among

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from experiments.science.evidence.diebold_mariano import DMResult
    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

WORSE, BETTER = "worse beyond luck", "better beyond luck"
NO_CHANGE = "no change beyond luck"
SAME = "same forecasts"
TOO_LITTLE = "not enough evidence"
NOTHING_SHARED = "no shared window"
VERDICTS = (WORSE, BETTER, NO_CHANGE, SAME, TOO_LITTLE, NOTHING_SHARED)

_GROUP = ("commodity", "unique_id", "frequency", "horizon")
"""What evaluations share that are compared with each other: errors of others have nothing in common."""

_FITTED_BY = (
    "model_type",
    "hyperparameters",
    "feature_config",
    "covariates",
    "train_size",
    "random_seed",
    "code_fingerprint",
)
"""What decides the forecasts of a window beside the data."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """From one evaluation to the next; changes are shares of what was before, and positive ones are worse.

    Attributes
    ----------
    since : str
        The `experiment_id` of the evaluation before.
    verdict : str
        One of `VERDICTS`.
    in_words : str
        The verdict with its figures.
    total, naive_total : float or None
        Change of the error over each one's own windows, and of naive's in the same windows.
    n_shared : int
        Windows of the same cutoff and actuals in which both have forecasts.
    n_revised : int
        Windows of the same cutoff whose actuals have been revised: these are not compared.
    difference, lower, upper : float or None
        Change of the error on the shared windows and its 95 % confidence interval.
    pvalue, pvalue_holm : float or None
        Diebold-Mariano, two-sided; and adjusted for all the changes of the model shown.
    overlap : int
        Windows that one error reaches into.
    method : str
        How the p-value was made, see `diebold_mariano`.
    note : str or None
        Why nothing was tested, or what to know about the test.
    changed : tuple of Difference
        What else changed.
    """

    since: str
    verdict: str
    in_words: str
    total: float | None
    naive_total: float | None
    n_shared: int
    n_revised: int
    difference: float | None
    lower: float | None
    upper: float | None
    pvalue: float | None
    pvalue_holm: float | None
    overlap: int
    method: str
    note: str | None
    changed: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One evaluation of the model, and how it changed since the one before of the same series and horizon.

    `mae_path` and `naive_mae_path` are over its own windows, in the unit of the series.
    """

    experiment_id: str
    commodity: str
    unique_id: str
    frequency: str
    horizon: int
    finished_at: dt.datetime
    model_version: str
    data_as_of: dt.date | None
    n_windows: int
    n_failed_windows: int
    mae_path: float | None
    naive_mae_path: float | None
    change: Change | None


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """A model over its evaluations, series by series in the order in which they were finished; and that in words."""

    model_name: str
    commodity: str | None
    in_words: str
    evaluations: tuple[Evaluated, ...]


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What two evaluations have in common; `level` of the losses is that of the evaluation before."""

    n: int
    n_revised: int
    n_other_data: int
    same: bool
    overlap: int
    loss: float | None
    test: DMResult


def evolution(engine: Engine, model_name: str, commodity: str | None = None) -> Evolution:
    """Follow a model, all its versions, over its finished evaluations.

    Parameters
    ----------
    engine : Engine
    model_name : str
    commodity : str, optional
        By default every commodity it was evaluated on.

    Raises
    ------
    NotFoundError
        If the commodity, or a model of that name, is not in the ledger.
    InvalidInputError
        If a name is not a text.
    """
    check_text("model_name", model_name, "the name of a model, such as 'arima'")
    if commodity is not None:
        check_commodity(commodity)
    found = select(engine, "evaluations_of", model_name=model_name, commodity=commodity)
    if found.empty:
        words = _nothing(engine, model_name, commodity)
        return Evolution(model_name=model_name, commodity=commodity, in_words=words, evaluations=())
    windows = select_among(engine, "evaluated_windows", "experiment_id", [*found["experiment_id"]], commodity=commodity)
    pairs = _consecutive(found)
    paired = _paired(windows, pairs)
    shared = [None if before is None else _shared(before, run, paired) for before, run in pairs]
    evaluations = tuple(
        _evaluated(run, None if before is None or both is None else _change(before, run, both, pvalue))
        for (before, run), both, pvalue in zip(pairs, shared, _holm(shared), strict=True)
    )
    words = _summary(model_name, evaluations)
    return Evolution(model_name=model_name, commodity=commodity, in_words=words, evaluations=evaluations)


def _consecutive(found: pd.DataFrame) -> list[tuple[Row | None, Row]]:
    """Group by group, each evaluation with the one before it; None before the first."""
    runs: list[Row] = [{str(name): value for name, value in run.items()} for run in found.to_dict("records")]
    runs.sort(key=lambda run: [run[name] for name in _GROUP])  # within a group they stay in order
    return [
        (before if before is not None and all(before[name] == run[name] for name in _GROUP) else None, run)
        for before, run in zip([None, *runs[:-1]], runs, strict=True)
    ]


def _nothing(engine: Engine, model_name: str, commodity: str | None) -> str:
    """Why there is no evaluation of a model that is known."""
    if commodity is not None:
        commodities = {str(name) for name in select(engine, "commodities")["commodity"]}
        if commodity not in commodities:
            raise unknown("commodity", commodity, commodities)
    models = select(engine, "known_models", commodity=commodity).set_index("model_name")
    where = "" if commodity is None else f" of {commodity}"
    if model_name not in models.index:
        raise unknown(f"model{where}", model_name, [str(name) for name in models.index])
    has = models.loc[model_name]
    kinds = {"reported by callers": has["n_reported"], "not finished": has["n_incomplete"]}
    only = " and ".join(f"{int(count):,} {kind}" for kind, count in kinds.items() if count)
    return f"{model_name} has no finished evaluation{where} computed here, only {only}: there is nothing to compare."


def _paired(windows: pd.DataFrame, pairs: Sequence[tuple[Row | None, Row]]) -> dict[str, pd.DataFrame]:
    """By evaluation, the windows whose cutoffs the one before it has too, with what both say of them."""
    since = {run["experiment_id"]: before["experiment_id"] for before, run in pairs if before is not None}
    later = windows.assign(since=windows["experiment_id"].map(since).astype(object))  # of no pair: all NaN
    keys = ["since", "cutoff"], ["experiment_id", "cutoff"]
    both = later.merge(windows, left_on=keys[0], right_on=keys[1], suffixes=("", "_before"))

    def equal(name: str) -> pd.Series[bool]:
        return (both[name] - both[f"{name}_before"]).abs() <= EQUALITY_TOLERANCE * both["level_before"]

    actuals = equal("day0") & equal("mean_y") & equal("weighted_y") & (both["last_ds"] == both["last_ds_before"])
    keyed = both["window_key"].notna() & both["window_key_before"].notna()
    both = both.assign(
        revised=~actuals,
        same_loss=equal("mae_path"),
        same_forecast=equal("mean_y_hat"),
        other_key=keyed & (both["window_key"] != both["window_key_before"]),
    ).sort_values("cutoff")
    return {"": both.iloc[:0]} | {str(name): own for name, own in both.groupby("experiment_id")}


def _shared(before: Row, after: Row, paired: Mapping[str, pd.DataFrame]) -> _Shared:
    """Compare two evaluations in the windows of the same cutoffs and actuals."""
    windows = paired.get(after["experiment_id"], paired[""])
    windows, n_windows = windows[~windows["revised"]], len(windows)
    losses, losses_before = (windows[name].to_numpy(dtype=np.float64) for name in ("mae_path", "mae_path_before"))
    same_losses = bool(windows["same_loss"].all())
    # every window both have is one of the wider of the two steps
    announced = overlap(int(after["horizon"]), max(int(before["step_size"]), int(after["step_size"])))
    cutoffs, ends = (windows[name].to_numpy().astype("datetime64[D]") for name in ("cutoff", "last_ds"))
    reach = max(announced, observed_overlap(cutoffs, ends))
    return _Shared(
        n=len(windows),
        n_revised=n_windows - len(windows),
        # the key of a window tells its training data where nothing else that is in it changed
        n_other_data=int(windows["other_key"].sum()) if same(before, after, _FITTED_BY) else 0,
        same=len(windows) > 0 and same_losses and bool(windows["same_forecast"].all()),
        overlap=reach,
        loss=float(losses_before.mean()) if len(windows) else None,
        # rounding is no difference
        test=diebold_mariano(losses_before if same_losses else losses, losses_before, overlap=reach),
    )


def _holm(shared: Sequence[_Shared | None]) -> list[float | None]:
    """The p-values, adjusted for one another."""
    raw = [None if both is None else both.test.pvalue for both in shared]
    adjusted = holm([np.nan if pvalue is None else pvalue for pvalue in raw])
    return [None if np.isnan(value) else float(value) for value in adjusted]


def _change(before: Row, after: Row, shared: _Shared, pvalue_holm: float | None) -> Change:
    test, total, naive_total = shared.test, _share(before, after, "mae_path"), _share(before, after, "naive_mae_path")
    ends = (test.mean_difference, *(test.interval() or (None, None))) if shared.n else (None, None, None)
    difference, lower, upper = (None if end is None or not shared.loss else end / shared.loss for end in ends)
    verdict = _verdict(shared, pvalue_holm)
    return Change(
        since=str(before["experiment_id"]),
        verdict=verdict,
        in_words="; ".join(
            part
            for part in (
                _told(verdict, shared, (difference, lower, upper), pvalue_holm),
                _told_of_all(shared, verdict, total, naive_total),
                f"{counted(shared.n_revised, 'window')} not compared: other actuals" if shared.n_revised else "",
            )
            if part
        ),
        total=total,
        naive_total=naive_total,
        n_shared=shared.n,
        n_revised=shared.n_revised,
        difference=difference,
        lower=lower,
        upper=upper,
        pvalue=test.pvalue,
        pvalue_holm=pvalue_holm,
        overlap=shared.overlap,
        method=test.method,
        note=test.note,
        changed=differences(before, after, n_revised=shared.n_revised, n_other_data=shared.n_other_data),
    )


def _verdict(shared: _Shared, pvalue_holm: float | None) -> str:
    if shared.n == 0:
        return NOTHING_SHARED
    if shared.same:
        return SAME
    if pvalue_holm is None:
        return TOO_LITTLE
    if pvalue_holm >= SIGNIFICANCE_LEVEL:
        return NO_CHANGE
    return WORSE if shared.test.mean_difference > 0 else BETTER


def _told(
    verdict: str, shared: _Shared, change: tuple[float | None, float | None, float | None], pvalue_holm: float | None
) -> str:
    """The verdict on the shared windows."""
    windows = counted(shared.n, "shared window")
    if verdict == NOTHING_SHARED:
        return verdict
    if verdict == SAME:
        return f"{verdict} on {windows}"
    if verdict == TOO_LITTLE:
        reason = str(shared.test.note) if _is_enough(shared) else f"{windows_required(shared.overlap)} needed"
        return f"{verdict}: {windows}, {reason}"
    difference, lower, upper = change
    figures = [] if difference is None else [f"{difference:+.1%}, 95 % interval {lower:+.1%} to {upper:+.1%}"]
    figures += [] if pvalue_holm is None else [f"{pvalue_in_words(pvalue_holm)} after Holm"]
    return f"{verdict} on {windows} ({', '.join(figures)})"


def _is_enough(shared: _Shared) -> bool:
    return shared.n >= windows_required(shared.overlap)


def _told_of_all(shared: _Shared, verdict: str, total: float | None, naive_total: float | None) -> str:
    """How the error changed over all windows, and how hard these were."""
    explained = verdict == SAME and _is_enough(shared)
    if total is None or (explained and _moved(total) == _moved(0.0)):
        return ""
    words = f"over all its windows the error {_moved(total)}"
    if explained:
        words += " because the windows changed" if shared.n_revised == 0 else " because windows and actuals changed"
    if naive_total is None:
        return words
    words += f" (naive's {_moved(naive_total)}"
    if not explained and naive_total > -1 and _moved(naive_total) != _moved(0.0):
        words += f", relative to naive's it {_moved((1 + total) / (1 + naive_total) - 1)}"
    return f"{words})"


def _evaluated(run: Row, change: Change | None) -> Evaluated:
    return Evaluated(
        experiment_id=run["experiment_id"],
        commodity=run["commodity"],
        unique_id=run["unique_id"],
        frequency=run["frequency"],
        horizon=int(run["horizon"]),
        finished_at=run["finished_at"].to_pydatetime(),
        model_version=run["model_version"],
        data_as_of=known(run["data_as_of"]),
        n_windows=int(run["n_windows"]),
        n_failed_windows=int(run["n_failed_windows"]),
        mae_path=known(run["mae_path"]),
        naive_mae_path=known(run["naive_mae_path"]),
        change=change,
    )


def _summary(model_name: str, evaluations: Sequence[Evaluated]) -> str:
    """How often the model was evaluated, and what became of it."""
    n = len(evaluations)
    told = Counter(one.change.verdict for one in evaluations if one.change is not None)
    if not told:
        alone = "" if n == 1 else ", each the only one of its series and horizon"
        return f"{model_name} has {counted(n, 'finished evaluation')}{alone}: there is nothing to compare yet."
    verdicts = ", ".join(f"{told[verdict]:,} {verdict}" for verdict in VERDICTS if told[verdict])
    return f"{model_name}: {counted(n, 'evaluation')}, {counted(told.total(), 'change')}: {verdicts}."


def _share(before: Row, after: Row, name: str) -> float | None:
    """By what share a figure grew."""
    old, new = known(before[name]), known(after[name])
    return None if old is None or new is None or old == 0 else new / old - 1


def _moved(share: float) -> str:
    if abs(share) < 0.0005:  # noqa: PLR2004  what would be printed as 0.0%
        return "did not change"
    return f"{'rose' if share > 0 else 'fell'} by {abs(share):.1%}"
