"""Limits for a mean difference that hold at every look, however often one looks and whenever one stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.science.evidence.checks import (
    ROUNDING,
    Floats,
    checked_integer,
    checked_level,
    checked_losses,
    checked_overlap,
)
from experiments.science.evidence.diebold_mariano import windows_required

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfidenceSequence:
    """Limits for the mean difference after each window; from the first look on, all of them hold at once.

    Attributes
    ----------
    n : array [N] of int
        Windows used: 1 to N.
    mean : array [N] of float
        Mean of the first `n` differences, in the unit of the losses.
    lower, upper : array [N] of float
        The limits; NaN before the first look, and while all differences so far are the same.
    level : float
        Chance that the limits hold at every look, two-sided.
    start : int
        Windows at the first look.
    overlap : int
        Windows that one loss reaches into.
    note : str or None
        Why there are no limits after the last window.
    """

    n: NDArray[np.int64]
    mean: Floats
    lower: Floats
    upper: Floats
    level: float
    start: int
    overlap: int
    note: str | None


def confidence_sequence(
    differences: ArrayLike, *, overlap: int = 1, start: int, level: float = 0.95
) -> ConfidenceSequence:
    r"""Bound the mean difference of two models' losses at every look from a first one on.

    An interval for one look, asked again every week, misses sooner or later. These limits hold at all looks at once
    with the chance `level`, so one may act at the first that tells. They are the two-sided ones: each lies on the
    wrong side with a chance of half of 1 - `level`, so that pruning at 5 %, which asks whether a model is worse, uses
    `lower` at the level 0.90.

    With the mean :math:`\bar d_n` and its standard error :math:`s_n` the limits are :math:`\bar d_n \pm a_n s_n`, and
    with :math:`\nu = n / overlap` and :math:`m = start / overlap`

    .. math::

        a_n^2 = (\nu - 1) \left( (b \nu)^{1/\nu} - 1 \right), \quad
        b = \frac 1m \left( 1 + \frac{a^2}{m - 1} \right)^m, \quad
        1 - level = 2 P(t_{m-1} > a) + 2 a f_{m-1}(a)

    for Student's t with m - 1 degrees of freedom and its density f: the boundary of Lai, which without overlap is
    exact for independent normal differences from the first look to the end of time, and otherwise asymptotic.

    Windows that overlap are all used. Their standard error is that of ``hln``, on the largest of three variances: with
    all autocovariances within the overlap (what the mean has), with Bartlett's weights (never negative), and without
    any (never below independence). The boundary counts n / `overlap` windows, as if the others were not there. Keeping
    one origin per horizon instead, or mixing the lagged sub-sequences, also holds the level but tells later.

    Parameters
    ----------
    differences : array [N] of float
        A model's losses minus the reference's, in order of the cutoffs. They say nothing where the two models are
        equal up to rounding; `diebold_mariano` tells that from the losses.
    overlap : int
        Windows that one loss reaches into, see `diebold_mariano`. Dependence beyond it is not allowed for.
    start : int
        Windows at the first look, at least max(8, 2 `overlap`): fixed before it, never chosen by what the differences
        say. The limits are tightest soon after it.
    level : float
        Between 0 and 1.

    Returns
    -------
    ConfidenceSequence
        Without limits, and with a note, where there are fewer windows than `start`, or all differences are the same.
        What it says of a window is not changed by later ones.

    Raises
    ------
    InvalidInputError
        If differences are not numbers, not one-dimensional or not finite.
    InvalidInputError
        If `overlap` is not an integer of at least 1.
    InvalidInputError
        If `start` is not an integer of at least max(8, 2 `overlap`).
    InvalidInputError
        If `level` is not between 0 and 1.

    References
    ----------
    Lai 1976, On confidence sequences, doi 10.1214/aos/1176343406; Wang and Ramdas 2023, Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance, doi 10.48550/arXiv.2310.03722; Bibaut, Kallus and
    Lindon 2022, doi 10.48550/arXiv.2212.14411, and Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021,
    doi 10.48550/arXiv.2103.06476, on why such limits hold for what is neither normal nor independent.

    Examples
    --------
    >>> worse = [0.3, 0.1, 0.4, -0.1, 0.2, 0.3, 0.2, 0.5, 0.1, 0.3]
    >>> found = confidence_sequence(worse, start=8, level=0.9)
    >>> found.lower.round(3).tolist()
    [nan, nan, nan, nan, nan, nan, nan, 0.039, 0.042, 0.068]
    >>> confidence_sequence(worse[:5], start=8).note
    'too few windows to say: 5 given, the first look is at 8'
    """
    d = checked_losses("differences", differences)
    overlap = checked_overlap(overlap)
    start = checked_integer("start counts windows", start, least=windows_required(overlap))
    level = checked_level(level)
    n = np.arange(1, d.size + 1)
    # A power of two and a constant change no limit, but no square overflows and no two large sums are subtracted.
    _, exponent = np.frexp(np.max(np.abs(d), initial=0.0))
    scaled = np.ldexp(d, -int(exponent))
    centre = float(np.sum(scaled[:start])) / start
    mean = np.cumsum(scaled - centre) / n
    width = np.full(d.size, math.nan)
    looks = slice(start - 1, None)
    width[looks] = _boundary(n[looks] / overlap, start / overlap, 1 - level) * _errors(scaled - centre, overlap)[looks]
    spread = np.maximum.accumulate(scaled) - np.minimum.accumulate(scaled)
    width[(spread <= ROUNDING * np.maximum.accumulate(np.abs(scaled))) | (width == 0)] = math.nan
    note = None
    if d.size < start:
        note = f"too few windows to say: {d.size} given, the first look is at {start}"
    elif math.isnan(width[-1]):
        note = "the difference is the same in every window, up to rounding: there is no variance to set limits by"
    return ConfidenceSequence(
        n=n,
        mean=np.ldexp(mean + centre, int(exponent)),
        lower=np.ldexp(mean + centre - width, int(exponent)),
        upper=np.ldexp(mean + centre + width, int(exponent)),
        level=level,
        start=start,
        overlap=overlap,
        note=note,
    )


def _errors(d: Floats, overlap: int) -> Floats:
    """Standard error of the mean of the first n differences [N], at every n; NaN below 2 `overlap`."""
    n = np.arange(1, d.size + 1)
    sums = np.cumsum(d)
    means = sums / n
    covariances = np.zeros((overlap, d.size))
    for lag in range(min(overlap, d.size)):
        # The sum of (d_t - mean)(d_(t-lag) - mean), multiplied out: the mean is another one at every n.
        later = sums[lag:] - (sums[lag - 1] if lag else 0.0)
        earlier = sums[: d.size - lag]
        ends = means[lag:]
        products = np.cumsum(d[lag:] * d[: d.size - lag])
        covariances[lag, lag:] = (products - ends * (later + earlier) + (n[lag:] - lag) * ends**2) / n[lag:]
    lags = np.arange(overlap)
    weights = np.stack([lags == 0, np.where(lags == 0, 1.0, 2.0), np.where(lags == 0, 1.0, 2.0 * (1 - lags / overlap))])
    variance = np.max(weights @ covariances, axis=0)
    factor = (n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n
    usable = n >= 2 * overlap
    errors = np.full(d.size, math.nan)
    errors[usable] = np.sqrt(np.maximum(variance[usable], 0.0) / (n[usable] * factor[usable]))
    return errors


def _boundary(n: Floats, start: float, miss: float) -> Floats:
    """Standard errors [N] that the mean of n independent differences strays at some look with the chance `miss`."""
    first = _first_boundary(start, miss)
    log_b = start * math.log1p(first**2 / (start - 1)) - math.log(start)
    boundary: Floats = np.sqrt((n - 1) * np.expm1((log_b + np.log(n)) / n))
    return boundary


def _first_boundary(start: float, miss: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import gammaln, stdtr

    df = start - 1
    log_peak = gammaln(start / 2) - gammaln(df / 2) - math.log(df * math.pi) / 2

    def excess(a: float) -> float:
        density = math.exp(log_peak - start / 2 * math.log1p(a**2 / df))
        return float(2 * stdtr(df, -a) + 2 * a * density - miss)

    most = 4.0
    while excess(most) > 0:
        most *= 2
    return float(brentq(excess, 0.0, most, xtol=1e-12, rtol=1e-14))
