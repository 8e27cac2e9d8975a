"""How far the mean of dependent differences is off: the standard errors that `diebold_mariano` chooses from.

Each takes differences `d`, array [N], that are not all the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from experiments.science.evidence.checks import ROUNDING, Floats

_FIT_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic, its standard error in the unit of `d` and its distribution: Student's t, normal where `df` is None.

    Statistic and standard error are None where there is no variance to test against; `note` says why.
    """

    statistic: float | None = None
    standard_error: float | None = None
    bandwidth: int | None = None
    df: int | None = None
    note: str | None = None


def hln(d: Floats, overlap: int, variance: str) -> Estimate:
    """Harvey, Leybourne and Newbold: autocovariances up to the overlap, and a factor for small samples."""
    n = d.size
    centred = d - np.mean(d)
    lags = np.arange(1, overlap)
    weights = 2.0 * (1.0 - lags / overlap) if variance == "bartlett" else np.full(lags.size, 2.0)
    covariances = np.array([centred[k:] @ centred[: n - k] for k in range(overlap)]) / n
    spread = float(covariances[0] + weights @ covariances[1:])
    if overlap > 1 and spread <= n * ROUNDING * covariances[0]:
        # Zero up to rounding counts as negative: its sign, and with it R's answer, is an accident of the machine.
        note = (
            f"the variance at overlap {overlap} came out negative: computed as if windows did not overlap, "
            "as R's dm.test does, which rejects far too often; prefer fixed-smoothing"
        )
        return replace(hln(d, 1, variance), note=note)
    factor = (n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n
    statistic = float(np.mean(d)) / math.sqrt(spread / n) * math.sqrt(factor)
    standard_error = math.sqrt(spread / n) / math.sqrt(factor)
    return Estimate(statistic=statistic, standard_error=standard_error, bandwidth=overlap - 1, df=n - 1)


def fixed_smoothing(d: Floats, overlap: int) -> Estimate:
    """Equal-weighted cosines of the lowest frequencies."""
    n = d.size
    count = n_cosines(n, overlap)
    # The cosines sum to zero, so centring changes nothing but the rounding.
    centred = d - np.mean(d)
    projections = math.sqrt(2 / n) * (cosines(n, count) @ centred)
    return _low_frequencies(d, projections**2, f"the {count} lowest frequencies", df=count)


def weighted_periodogram(d: Floats) -> Estimate:
    """The lowest ordinates of the periodogram, two degrees of freedom each."""
    n = d.size
    count = n_ordinates(n)
    ordinates = np.abs(np.fft.rfft(d - np.mean(d))[1 : count + 1]) ** 2 / n
    return _low_frequencies(d, ordinates, f"the {count} lowest Fourier frequencies", df=2 * count)


def _low_frequencies(d: Floats, spectrum: Floats, where: str, *, df: int) -> Estimate:
    n = d.size
    spread = float(np.mean(spectrum))
    if spread <= n * ROUNDING * float(np.var(d)):
        return Estimate(note=f"the differences do not move at {where}: there is no variance to test against")
    standard_error = math.sqrt(spread / n)
    statistic = float(np.mean(d)) / standard_error
    return Estimate(statistic=statistic, standard_error=standard_error, bandwidth=spectrum.size, df=df)


def cosines(n: int, count: int) -> Floats:
    """The `count` lowest cosines over `n` windows, array [count, N], each with a sum of squares of n / 2."""
    frequencies = np.arange(1, count + 1)[:, np.newaxis]
    waves: Floats = np.cos(np.pi * frequencies * (np.arange(n) + 0.5) / n)
    return waves


def n_cosines(n: int, overlap: int) -> int:
    """How many cosines leave the frequencies that overlap smears alone."""
    # Rounded, because 0.4 * 1000 ** (2 / 3) is a hair below 40 in floating point.
    return max(1, min(math.floor(round(0.4 * math.pow(n, 2 / 3), 9)), n // overlap))


def n_ordinates(n: int) -> int:
    """How many ordinates Coroneo and Iacone use."""
    return max(1, math.floor(round(math.pow(n, 1 / 3), 9)))


def hering_genton(d: Floats, overlap: int) -> Estimate:
    """Hering and Genton: an exponential model of the autocovariances, as the package `scores` fits it."""
    from scipy.fft import next_fast_len

    n = d.size
    count = max((n - 1) // 2, overlap)
    # By FFT and in the order of operations of `scores`: its optimizer differentiates numerically, which magnifies
    # a difference in the last bit to one in the eighth digit.
    with np.errstate(all="ignore"):
        transform = np.fft.fft(d - d.mean(), n=next_fast_len(2 * n + 1, real=True))
        covariances = (np.fft.ifft(transform * np.conjugate(transform))[:n] / n).real[:count]
        spread = _modelled_variance(covariances, n)
        # The fit starts at 1 whatever the unit; on covariances scaled to 1 it always finds its way.
        scaled = _modelled_variance(covariances / covariances[0], n)
        agree = scaled is not None and spread is not None and abs(spread / covariances[0] / scaled - 1) < _FIT_TOLERANCE
    if not agree or spread is None:
        note = (
            "the model of the autocovariances could not be fitted in this unit: divide both losses by a number that "
            "gives their differences a standard deviation near 1"
        )
        return Estimate(note=note)
    standard_error = np.sqrt(spread / n)
    return Estimate(statistic=float(np.mean(d) / standard_error), standard_error=float(standard_error), bandwidth=count)


def _modelled_variance(covariances: Floats, n: int) -> float | None:
    """Sum of all autocovariances of the fitted exponential model; None where they are beyond floating point."""
    from scipy.optimize import least_squares

    if not np.isfinite(covariances).all():
        return None
    lags = np.arange(covariances.size)

    def residuals(parameters: Floats) -> Floats:
        model: Floats = (parameters[0] ** 2) * np.exp(-3 * lags / parameters[1]) - covariances
        return model

    sigma, reach = least_squares(residuals, [1, 1], bounds=(0, np.inf)).x
    model = (sigma**2) * np.exp(-3 * np.arange(n) / reach)
    return float(model[0] + 2 * np.sum(model[1:]))
