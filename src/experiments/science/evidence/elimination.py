"""The machinery of the Model Confidence Set: models told apart in pairs, and left out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE
from experiments.science.evidence.checks import ROUNDING, Floats
from experiments.science.evidence.resampling import times_drawn
from experiments.science.evidence.standard_errors import cosines, n_cosines

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Studentized:
    """Mean differences of one model to others with the standard errors of `diebold_mariano`'s `auto`.

    As they are, and computed anew in each resample; losses are array [M, N].
    """

    def __init__(self, losses: Floats, drawn: NDArray[np.int64], overlap: int) -> None:
        self.n = losses.shape[1]
        self.centred = losses - losses.mean(axis=1, keepdims=True)
        self.shares = times_drawn(drawn).T / self.n
        self.means = self.centred @ self.shares
        waves = cosines(self.n, n_cosines(self.n, overlap)) * np.sqrt(2 / self.n) if overlap > 1 else []
        self.by_cosine = len(waves) > 0
        self.projections = np.array([self.centred @ wave for wave in waves]).T
        projected = np.array([self.centred @ times_drawn(drawn, wave).T for wave in waves])
        self.resampled_projections = np.ascontiguousarray(np.moveaxis(projected, 0, 1)) if self.by_cosine else projected

    def variance(self, model: int, others: NDArray[np.int64]) -> Floats:
        """Squared standard errors, array [len(others)]."""
        if self.by_cosine:
            apart = self.projections[others] - self.projections[model]
            return np.asarray(np.mean(apart**2, axis=1) / self.n)
        return np.asarray(np.mean(self._squares(model, others), axis=1) / (self.n - 1))

    def statistics(self, model: int, others: NDArray[np.int64]) -> Floats:
        """Absolute centred statistics, array [len(others), reps]; infinite where a resample has no variance."""
        squares = self._squares(model, others)
        means = self.means[others] - self.means[model]
        if self.by_cosine:
            apart = self.resampled_projections[others] - self.resampled_projections[model]
            variance = np.einsum("mbr,mbr->mr", apart, apart) / (self.n * apart.shape[1])
        else:
            variance = (squares @ self.shares - means**2) / (self.n - 1)
        some = variance > ROUNDING * np.mean(squares, axis=1, keepdims=True)
        return np.where(some, np.abs(means) / np.sqrt(np.where(some, variance, 1.0)), np.inf)

    def pvalue(self, statistic: float, resampled: Floats) -> float:
        """The share of resamples with as much, the one at hand counted in: never 0."""
        return float((1 + np.sum(resampled >= statistic)) / (1 + resampled.size))

    def _squares(self, model: int, others: NDArray[np.int64]) -> Floats:
        return np.asarray((self.centred[others] - self.centred[model]) ** 2)


def distinct_models(losses: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The models of array [N, M] that differ, and which of them each one is.

    They come as array [distinct, N], the best first and scaled to a largest loss near 1, whatever the order in which
    they were given.
    """
    columns = np.ascontiguousarray(losses.T)
    means = columns.mean(axis=1)
    sizes = np.mean(np.abs(columns), axis=1)
    copy_of = np.empty(len(columns), dtype=np.int64)
    kept: list[int] = []
    for position in np.lexsort((*columns.T[::-1], means)):
        apart = np.max(np.abs(columns[kept] - columns[position]), axis=1)
        same = np.flatnonzero(apart <= EQUALITY_TOLERANCE * (sizes[kept] + sizes[position]) / 2)
        copy_of[position] = same[0] if same.size else len(kept)
        if not same.size:
            kept.append(int(position))
    _, exponent = np.frexp(np.max(np.abs(columns)))
    return np.ldexp(columns[kept], -int(exponent)), copy_of


def judge(losses: Floats, resampled: Studentized) -> tuple[Floats, int]:
    """P-values of distinct models, array [M, N] with the best first, and how many left over were never told apart.

    The statistic of a set of models is the largest of its pairs', so the sets are walked through backwards: each
    adds the pairs of one model to the largest so far, and no pair is resampled twice.
    """
    statistics = _statistics(losses, resampled)
    testable = np.isfinite(statistics)
    eliminated: list[int] = []
    largest: list[float] = []
    remaining = np.ones(len(statistics), dtype=bool)
    while np.max(statistics) > -np.inf:
        against = np.max(statistics, axis=1)
        worst = int(np.flatnonzero(against == np.max(against))[-1])
        eliminated.append(worst)
        largest.append(float(against[worst]))
        statistics[worst] = statistics[:, worst] = -np.inf
        remaining[worst] = False
    pvalues = np.full(len(statistics), np.nan)
    if eliminated:
        pvalues[0] = 1.0
    n_untold = int(np.sum(remaining)) - 1
    resampled_largest: Floats = np.array(-np.inf)
    for model, statistic in zip(reversed(eliminated), reversed(largest), strict=True):
        others = np.flatnonzero(remaining & testable[model])
        # A model is left out because of a pair, so there is one.
        resampled_largest = np.maximum(resampled_largest, np.max(resampled.statistics(model, others), axis=0))
        pvalues[model] = resampled.pvalue(statistic, resampled_largest)
        remaining[model] = True
    # A model is no likelier among the best than one left out after it would allow.
    pvalues[eliminated] = np.maximum.accumulate(pvalues[eliminated])
    return pvalues, n_untold


def _statistics(losses: Floats, resampled: Studentized) -> Floats:
    """Standardised mean difference of each model to each, array [M, M]; -inf where nothing is to be tested."""
    means, sizes = losses.mean(axis=1), np.mean(np.abs(losses), axis=1)
    everyone = np.arange(len(losses))
    statistics = np.full((everyone.size, everyone.size), -np.inf)
    for model in range(everyone.size):
        apart = losses[model] - losses
        tolerance = EQUALITY_TOLERANCE * (sizes[model] + sizes) / 2
        variance = resampled.variance(model, everyone)
        some = (np.ptp(apart, axis=1) > tolerance) & (variance > ROUNDING * np.var(apart, axis=1))
        statistics[model, some] = (means[model] - means[some]) / np.sqrt(variance[some])
    return statistics
