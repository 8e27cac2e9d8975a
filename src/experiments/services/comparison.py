"""Some models against each other: every pair tested at every horizon, on the windows all of them share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, SIGNIFICANCE_LEVEL
from experiments.errors import InvalidInputError, unknown
from experiments.science.evidence.diebold_mariano import windows_required
from experiments.science.evidence.pairs import compare_pairs
from experiments.science.evidence.sequences import confidence_sequence
from experiments.services.losses import losses_of, metrics_of, read_windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from experiments.science.evidence.pairs import Pair
    from experiments.science.evidence.sequences import ConfidenceSequence
    from experiments.services.evidence import Candidates
    from experiments.storage.engine import Engine

FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Models of one series compared by one loss.

    Attributes
    ----------
    commodity, unique_id, backtest_id : str
    metric : str
        One of `losses.METRICS`.
    losses : DataFrame [W, M]
        By cutoff and model, the windows all of them share, unit of the series.
    n_windows : int
        Windows of the backtest, shared or not.
    naive_loss : float
        Mean loss of naive on the shared windows: what shares and percentages are of. NaN without a window.
    overlap : int
        Windows that one loss reaches into.
    pairs : tuple of Pair
        Every two models once, in the order asked for; p-values adjusted by Holm for all of them.
    """

    commodity: str
    unique_id: str
    backtest_id: str
    metric: str
    losses: pd.DataFrame
    n_windows: int
    naive_loss: float
    overlap: int
    pairs: tuple[Pair, ...]

    def share(self, value: float | None) -> float | None:
        """An amount in the unit of the losses as a share of naive's."""
        return None if value is None or not self.naive_loss > 0 else value / self.naive_loss

    def told(self, pair: Pair) -> str:
        """What a pair lets one say, in words."""
        if pair.pvalue is None or pair.pvalue_holm is None or pair.difference is None:
            return pair.note or "nothing was tested"
        if pair.pvalue_holm >= SIGNIFICANCE_LEVEL:
            return "no evidence of a difference"
        better = pair.model if pair.difference < 0 else pair.other
        halves = {pair.difference > 0, (pair.first_half or 0.0) > 0, (pair.second_half or 0.0) > 0}
        return f"{better} is better{', in both halves' if len(halves) == 1 else ', not in both halves'}"

    @property
    def limits(self) -> ConfidenceSequence | None:
        """Limits of the mean difference of two models that hold at every look; None for more models or no window."""
        if len(self.pairs) > 1 or self.losses.empty:
            return None
        first, second = (self.losses[name].to_numpy() for name in self.losses.columns)
        return confidence_sequence(first - second, overlap=self.overlap, start=windows_required(self.overlap))


def compare_models(engine: Engine, of: Candidates, models: Sequence[str]) -> list[Comparison]:
    """Compare models of a backtest pair by pair, at every horizon it reaches.

    Raises
    ------
    InvalidInputError
        If fewer than two models are named, or one is named twice.
    NotFoundError
        If a model is not in the backtest.
    """
    if len(models) < FEWEST or len(set(models)) < len(models):
        msg = f"the models to compare are {', '.join(map(str, models)) or 'none'}: name two or more, each once."
        raise InvalidInputError(msg)
    ids: dict[str, str | None] = {label: experiment_id for experiment_id, label in of.labels.items()}
    ids.setdefault(BASELINE, None)  # its losses follow from the last observed values
    for model in models:
        if model not in ids:
            raise unknown(f"model of the backtest of {of.unique_id}", model, ids)
    names = {ids[model]: model for model in models}
    # the windows are those of the latest of the named, whatever others were evaluated on
    named = replace(of, runs=of.runs[of.runs["experiment_id"].isin([*names])])
    windows = read_windows(engine, named)
    return [_compared(named, metric, windows, names) for metric in metrics_of(of.horizon)]


def _compared(of: Candidates, metric: str, windows: pd.DataFrame, names: Mapping[str | None, str]) -> Comparison:
    found = losses_of(
        windows,
        metric,
        horizon=of.horizon,
        step_size=of.step_size,
        experiment_ids=[experiment_id for experiment_id in names if experiment_id is not None],
        latest=of.latest,
    )
    shared = found.models.assign(**{BASELINE: found.naive}) if None in names else found.models
    shared = shared.rename(columns=names)[[*names.values()]].dropna()
    return Comparison(
        commodity=of.commodity,
        unique_id=of.unique_id,
        backtest_id=of.backtest_id,
        metric=metric,
        losses=shared,
        n_windows=len(found.models),
        naive_loss=float(found.naive.loc[shared.index].mean()),
        overlap=found.overlap,
        pairs=compare_pairs(shared, overlap=found.overlap, level=found.level),
    )
