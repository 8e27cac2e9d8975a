"""Made-up losses, and the tests of `evidence.py` on many draws at once: rows are draws, columns windows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import stdtr, stdtrit

from experiments.science.evidence.diebold_mariano import degrees_of_freedom, diebold_mariano
from experiments.science.evidence.sequences import confidence_sequence

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SIGNIFICANCE = 0.05


# --- losses --------------------------------------------------------------------------------------------------------


def error_correlation(loss_correlation: float) -> float:
    """The correlation of two normal errors whose absolute values have the one given."""

    def excess(r: float) -> float:
        return (2 / math.pi) * (r * math.asin(r) + math.sqrt(1 - r * r) - 1) / (1 - 2 / math.pi) - loss_correlation

    return float(brentq(excess, 0.0, 1.0))


def absolute_losses(
    random: np.random.Generator, draws: int, n: int, overlap: int, *, models: int = 2, correlation: float = 0.0
) -> Floats:
    """Absolute errors of `models` without a difference, array [models, draws, n].

    An error is the sum of `overlap` normal shocks, of which neighbouring windows share all but one.
    """
    shared = error_correlation(correlation)
    common = random.standard_normal((draws, n + overlap - 1))
    losses = np.empty((models, draws, n))
    for model in range(models):
        shocks = math.sqrt(shared) * common + math.sqrt(1 - shared) * random.standard_normal(common.shape)
        sums = np.cumsum(np.pad(shocks, ((0, 0), (1, 0))), axis=1)
        losses[model] = np.abs(sums[:, overlap:] - sums[:, :-overlap])
    return losses


def path_losses(
    random: np.random.Generator, draws: int, n: int, *, horizon: int, step: int, shared: float
) -> tuple[Floats, Floats]:
    """Mean absolute errors over the steps 1 to `horizon` of two models without a difference, each [draws, n].

    Errors add up along the horizon as those of a random walk's forecasts do; `shared` is the correlation of the
    two models' daily shocks.
    """
    days = (n - 1) * step + horizon
    common = random.standard_normal((draws, days))
    other = shared * common + math.sqrt(1 - shared**2) * random.standard_normal((draws, days))
    origins = np.arange(n) * step
    losses = []
    for shocks in (common, other):
        level = np.cumsum(np.pad(shocks, ((0, 0), (1, 0))), axis=1)
        errors = (np.abs(level[:, origins + k] - level[:, origins]) for k in range(1, horizon + 1))
        losses.append(np.asarray(sum(errors)) / horizon)
    return losses[0], losses[1]


# --- tests at one look: statistics and two-sided p-values -----------------------------------------------------------


def autocovariances(d: Floats, count: int) -> Floats:
    """Array [count, draws]."""
    centred, n = d - d.mean(axis=1, keepdims=True), d.shape[1]
    covariances: Floats = np.array([np.sum(centred[:, k:] * centred[:, : n - k], axis=1) for k in range(count)]) / n
    return covariances


def student(d: Floats, variance: Floats, df: int) -> tuple[Floats, Floats]:
    """Statistic and p-value; NaN where the variance is not above 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where(variance > 0, d.mean(axis=1) / np.sqrt(variance / d.shape[1]), np.nan)
    return statistic, 2 * stdtr(df, -np.abs(statistic))


def hln(d: Floats, overlap: int, weights: str = "acf") -> tuple[Floats, Floats]:
    """Harvey, Leybourne and Newbold; NaN where the variance comes out negative."""
    n, lags = d.shape[1], np.arange(1, overlap)
    covariances = autocovariances(d, overlap)
    weight = 2 * (1 - lags / overlap) if weights == "bartlett" else np.full(lags.size, 2.0)
    factor = (n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n
    return student(d, (covariances[0] + weight @ covariances[1:]) / factor, n - 1)


def hln_with_fallback(d: Floats, overlap: int) -> tuple[Floats, Floats]:
    """As R's `forecast::dm.test`."""
    statistic, pvalue = hln(d, overlap)
    alone, alone_pvalue = hln(d, 1)
    negative = np.isnan(statistic)
    return np.where(negative, alone, statistic), np.where(negative, alone_pvalue, pvalue)


def cosines(d: Floats, overlap: int) -> tuple[Floats, Floats]:
    """Fixed smoothing with equal-weighted cosines."""
    n, count = d.shape[1], degrees_of_freedom(d.shape[1], max(2, overlap))  # without overlap, the default has none
    waves = np.cos(np.pi * np.arange(1, count + 1)[:, np.newaxis] * (np.arange(n) + 0.5) / n)
    return student(d, 2 / n * np.mean((d @ waves.T) ** 2, axis=1), count)


def more_cosines(d: Floats, overlap: int) -> tuple[Floats, Floats]:
    """The same with B = max(1, min(floor(0.6 n^(2/3)), round(n / overlap))): a proposal, not what the library does."""
    n = d.shape[1]
    count = max(1, min(math.floor(round(0.6 * n ** (2 / 3), 9)), math.floor(n / max(2, overlap) + 0.5)))
    waves = np.cos(np.pi * np.arange(1, count + 1)[:, np.newaxis] * (np.arange(n) + 0.5) / n)
    return student(d, 2 / n * np.mean((d @ waves.T) ** 2, axis=1), count)


def periodogram(d: Floats, _overlap: int) -> tuple[Floats, Floats]:
    """Fixed smoothing with the periodogram, as Coroneo and Iacone."""
    n = d.shape[1]
    count = math.floor(round(n ** (1 / 3), 9))
    ordinates = np.abs(np.fft.rfft(d, axis=1)[:, 1 : count + 1]) ** 2 / n
    return student(d, ordinates.mean(axis=1), 2 * count)


def default(d: Floats, overlap: int) -> tuple[Floats, Floats]:
    """What `diebold_mariano` chooses."""
    return hln(d, 1) if overlap == 1 else cosines(d, overlap)


TESTS: dict[str, Callable[[Floats, int], tuple[Floats, Floats]]] = {
    "default": default,
    "HLN, fallback (R `forecast`)": hln_with_fallback,
    "HLN, refusing (`dieboldmariano`)": hln,
    "Bartlett": lambda d, overlap: hln(d, overlap, "bartlett"),
    "iid variance": lambda d, _overlap: hln(d, 1),
    "cosines": cosines,
    "more cosines": more_cosines,
    "periodogram": periodogram,
}


def holm_better(statistics: Floats, pvalues: Floats) -> Flags:
    """Whether any model [models, draws] is better than naive at 5 % after Holm's correction."""
    order = np.argsort(pvalues, axis=0)
    factors = np.arange(len(pvalues), 0, -1)[:, np.newaxis]
    adjusted = np.maximum.accumulate(factors * np.take_along_axis(pvalues, order, axis=0), axis=0)
    better = (adjusted < SIGNIFICANCE) & (np.take_along_axis(statistics, order, axis=0) < 0)
    return np.asarray(better.any(axis=0))


# --- rules at many looks: whether each says "worse" at each look [draws, looks] --------------------------------------


def by_sequence(d: Floats, overlap: int, start: int) -> Flags:
    """The lower limit of `confidence_sequence` at 0.90 is above 0."""
    lower = [confidence_sequence(row, overlap=overlap, start=start, level=0.9).lower[start - 1 :] for row in d]
    return np.array(lower) > 0


def by_raw_test(d: Floats, overlap: int, start: int) -> Flags:
    """The default test, anew at each look: p < 0.05 and worse."""
    looks = []
    for n in range(start, d.shape[1] + 1):
        statistic, pvalue = default(d[:, :n], overlap)
        looks.append((pvalue < SIGNIFICANCE) & (statistic > 0))
    return np.array(looks).T


def running_t(d: Floats) -> Floats:
    """Student's t of the first n, at every n."""
    n = np.arange(1, d.shape[1] + 1)
    total, squares = np.cumsum(d, axis=1), np.cumsum(d**2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / n / np.sqrt((squares - total**2 / n) / (n - 1) / n))


def lai_log_b(start: int) -> float:
    """Logarithm of the constant of Lai's boundary, both sides together 10 %."""
    df = start - 1
    peak = math.exp(math.lgamma(start / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
    first = brentq(lambda a: 2 * stdtr(df, -a) + 2 * a * peak * (1 + a * a / df) ** (-start / 2) - 0.1, 0, 1e6)
    return float(start * math.log1p(first**2 / df) - math.log(start))


def kept_looks(n: int, overlap: int, start: int) -> NDArray[np.int64]:
    """Windows kept, one per horizon from the first on, at each look."""
    return -(-np.arange(start, n + 1) // overlap)


def by_one_origin_per_horizon(d: Floats, overlap: int, start: int) -> Flags:
    """Lai's boundary on every `overlap`-th window."""
    kept = kept_looks(d.shape[1], overlap, start)
    boundary = np.sqrt((kept - 1) * np.expm1((lai_log_b(int(kept[0])) + np.log(kept)) / kept))
    return np.asarray(running_t(d[:, ::overlap])[:, kept - 1] > boundary)


def by_lagged_sequences(d: Floats, overlap: int, start: int) -> Flags:
    """The mean of Lai's martingales of all lagged sub-sequences, each over its own limit."""
    looks = np.arange(start, d.shape[1] + 1)
    mean = np.zeros((len(d), looks.size))
    for lag in range(overlap):
        kept = -(-(looks - lag) // overlap)
        t = running_t(d[:, lag::overlap])[:, kept - 1]
        log_ratio = kept / 2 * np.log1p(t**2 / (kept - 1)) - (np.log(kept) + lai_log_b(int(kept[0]))) / 2
        mean += np.where(t > 0, np.exp(np.minimum(log_ratio, 600)), 0) / overlap
    return mean >= 1


def by_asymptotic_sequence(d: Floats, overlap: int, start: int) -> Flags:
    """Waudby-Smith and others' asymptotic confidence sequence, tightest at twice the start, one origin per horizon."""
    kept = kept_looks(d.shape[1], overlap, start)

    def boundary(n: Floats, rho2: float) -> Floats:
        return np.asarray(np.sqrt((n * rho2 + 1) / (n * rho2) * np.log((n * rho2 + 1) / 0.1**2)))

    at = np.array([2.0 * kept[0]])
    best = minimize_scalar(lambda log: boundary(at, math.exp(log))[0], bounds=(-12, 4), method="bounded").x
    return np.asarray(running_t(d[:, ::overlap])[:, kept - 1] > boundary(kept.astype(float), math.exp(best)))


def by_t_mixture(d: Floats, overlap: int, start: int) -> Flags:
    """Wang and Ramdas' Gaussian mixture t-test, tightest at twice the start, one origin per horizon."""
    kept = kept_looks(d.shape[1], overlap, start)

    def boundary(n: Floats, prior: float) -> Floats:
        growth = np.exp((2 * math.log(1 / 0.1) + np.log((n + prior) / prior)) / n)
        room = 1 - growth * prior / (n + prior)
        return np.where(room > 0, np.sqrt((n - 1) * (growth - 1) / np.where(room > 0, room, 1)), np.inf)

    at = np.array([2.0 * kept[0]])
    grid = np.exp(np.linspace(-5, 5, 401))
    best = min(grid, key=lambda prior: float(boundary(at, prior)[0]))
    return np.asarray(running_t(d[:, ::overlap])[:, kept - 1] > boundary(kept.astype(float), best))


def by_half_flat_mixture(d: Floats, overlap: int, start: int) -> Flags:
    """Robbins and Siegmund's one-sided boundary from a delayed start, one origin per horizon, t mapped to normal."""
    kept = kept_looks(d.shape[1], overlap, start)

    def log_f(z: float) -> float:
        return math.log(_cdf(z)) + z * z / 2

    first = brentq(lambda a: 1 - _cdf(a) + a * _density(a) + _density(a) ** 2 / _cdf(a) - 0.05, 0.8, 10)
    z = [brentq(lambda z, n=n: log_f(z) - log_f(first) - math.log(n / kept[0]) / 2, first - 1e-9, 20) for n in kept]
    boundary = stdtrit(kept - 1, np.array([_cdf(value) for value in z]))
    return np.asarray(running_t(d[:, ::overlap])[:, kept - 1] > boundary)


def _cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def _density(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


RULES: dict[str, Callable[[Floats, int, int], Flags]] = {
    "confidence sequence": by_sequence,
    "one origin per horizon, Lai's boundary": by_one_origin_per_horizon,
    "lagged sub-sequences, Lai's martingales averaged": by_lagged_sequences,
    "one origin per horizon, half-flat mixture": by_half_flat_mixture,
    "one origin per horizon, asymptotic sequence": by_asymptotic_sequence,
    "one origin per horizon, Gaussian mixture t": by_t_mixture,
    "raw test at every look": by_raw_test,
}


# --- the batch says what the library says ---------------------------------------------------------------------------


def check(random: np.random.Generator) -> int:
    """Compare the tests with `diebold_mariano`, and with the package `dieboldmariano`; how many comparisons agreed."""
    from dieboldmariano import NegativeVarianceException, dm_test

    names = {"method": "auto"}, {"method": "hln"}, {"method": "hln", "variance": "bartlett"}
    agreed = 0
    for overlap, n in ((1, 40), (7, 60), (14, 40), (14, 180)):
        for a, b in np.moveaxis(absolute_losses(random, 5, n, overlap), 0, 1):
            d = (a - b)[np.newaxis]
            chosen = "fixed-smoothing", cosines
            tests = [*zip(names, (default, hln_with_fallback, TESTS["Bartlett"]), strict=True)]
            tests += [({"method": chosen[0]}, chosen[1]), ({"method": "weighted-periodogram"}, periodogram)]
            for arguments, test in tests:
                found = diebold_mariano(a, b, overlap=overlap, **arguments)
                batch = [float(values[0]) for values in test(d, overlap)]
                if found.statistic is None or not np.allclose([found.statistic, found.pvalue or 0], batch, rtol=1e-9):
                    msg = f"{arguments} at overlap {overlap}, n = {n}: the batch and diebold_mariano disagree"
                    raise SystemExit(msg)
                agreed += 1
            try:
                other = dm_test([0.0] * n, a.tolist(), b.tolist(), loss=lambda _, p: p, h=overlap)
            except NegativeVarianceException:
                other = math.nan, math.nan
            if not np.allclose(other, [values[0] for values in hln(d, overlap)], rtol=1e-6, equal_nan=True):
                msg = f"overlap {overlap}, n = {n}: the batch and dieboldmariano disagree: {other}"
                raise SystemExit(msg)
            agreed += 1
    return agreed


def monte_carlo_error(share: float, draws: int) -> float:
    """Standard error of a share, in points."""
    return 100 * math.sqrt(max(share * (1 - share), 0.25 / draws) / draws)
