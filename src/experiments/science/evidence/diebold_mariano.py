"""The test of equal accuracy of two models.

The unit of evidence is one loss per origin. Where there is too little to say the result holds None and a `note`
in plain words, never a number; an argument that cannot be used raises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE
from experiments.science.evidence.checks import (
    ROUNDING,
    Floats,
    check_choice,
    check_same_length,
    checked_integer,
    checked_level,
    checked_losses,
    checked_overlap,
)
from experiments.science.evidence.standard_errors import (
    Estimate,
    fixed_smoothing,
    hering_genton,
    hln,
    n_cosines,
    weighted_periodogram,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

METHODS = ("auto", "hln", "hering-genton", "fixed-smoothing", "weighted-periodogram")
VARIANCES = ("acf", "bartlett")
ALTERNATIVES = ("two-sided", "less", "greater")

MIN_WINDOWS = 8
"""Fewest windows `auto` tests; with overlap, twice the overlap where that is more."""


@dataclass(frozen=True, kw_only=True)
class DMResult:
    """What a test of equal accuracy says.

    Attributes
    ----------
    statistic : float or None
        Negative where a's losses are smaller; None where there is too little to say.
    pvalue : float or None
        Under the alternative asked for; None together with `statistic`.
    mean_difference : float
        Mean of a's losses minus b's, in the unit of the losses; NaN without a single window.
    n : int
        Windows, one loss of each model in each.
    method : str
        The method used: what `auto` chose, never "auto".
    standard_error : float or None
        Of `mean_difference`, in its unit, small-sample factor included: the statistic is the one over the other.
    bandwidth : int or None
        `hln`: lags in the variance; `hering-genton`: autocovariances fitted; `fixed-smoothing`: cosines, B;
        `weighted-periodogram`: ordinates, m.
    df : int or None
        Degrees of freedom of Student's t; None for the normal distribution and where nothing was computed.
    note : str or None
        Why there is no statistic, or what to know about the one there is.
    """

    statistic: float | None
    pvalue: float | None
    mean_difference: float
    standard_error: float | None
    n: int
    method: str
    bandwidth: int | None
    df: int | None
    note: str | None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Where the mean difference of the two models lies, in the unit of the losses.

        Parameters
        ----------
        level : float
            How often such an interval holds the true one, between 0 and 1. At 0.95 it leaves zero out exactly
            where the two-sided p-value is below 0.05.

        Returns
        -------
        (float, float) or None
            Two-sided, whatever the alternative of the test; None where no standard error was computed.

        Raises
        ------
        InvalidInputError
            If `level` is not a number between 0 and 1.

        Examples
        --------
        >>> result = diebold_mariano([1.0, 0.5, 2.0, 1.5, 0.2, 0.9, 1.1, 0.4], [1.4, 0.6, 1.9, 2.5, 0.7, 1.2, 1.0, 1.1])
        >>> [round(bound, 3) for bound in result.interval()]
        [-0.672, -0.028]
        """
        from scipy.special import ndtri, stdtrit

        upper = (1 + checked_level(level)) / 2
        if self.standard_error is None:
            return None
        reach = self.standard_error * float(ndtri(upper) if self.df is None else stdtrit(self.df, upper))
        return self.mean_difference - reach, self.mean_difference + reach


def windows_required(overlap: int) -> int:
    """The fewest windows on which ``auto`` says anything: 8, and twice the overlap where that is more.

    Parameters
    ----------
    overlap : int
        Windows that one loss reaches into, 1 for none.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If `overlap` is not an integer of at least 1.

    Examples
    --------
    >>> windows_required(1), windows_required(14)
    (8, 28)
    """
    return max(MIN_WINDOWS, 2 * checked_overlap(overlap))


def degrees_of_freedom(n: int, overlap: int) -> int:
    """The degrees of freedom of Student's t in ``auto``: n - 1 without overlap, the number of cosines with it.

    Parameters
    ----------
    n : int
        Windows.
    overlap : int
        Windows that one loss reaches into, 1 for none.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If `n` is not an integer of at least 2, or `overlap` not one of at least 1.

    Examples
    --------
    >>> degrees_of_freedom(40, 1), degrees_of_freedom(60, 14)
    (39, 4)
    """
    n, overlap = checked_integer("n counts windows", n, least=2), checked_overlap(overlap)
    return n - 1 if overlap == 1 else n_cosines(n, overlap)


def diebold_mariano(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    *,
    overlap: int = 1,
    method: str = "auto",
    variance: str = "acf",
    alternative: str = "two-sided",
) -> DMResult:
    r"""Test whether two models lose equally on the same windows.

    With :math:`d_t = a_t - b_t` and mean :math:`\bar d` the statistic is :math:`\bar d` over its standard error;
    a negative one means that a's losses are smaller. The methods differ in that standard error:

    - ``hln``: :math:`\hat V = (c_0 + 2 \sum_{k<h} w_k c_k) / n` with :math:`h` = `overlap`, autocovariances
      :math:`c_k`, :math:`w_k = 1` (acf) or :math:`1 - k/h` (bartlett), the small-sample factor of Harvey and others,
      Student t with n - 1 degrees of freedom. As in R's ``forecast::dm.test``, a variance that comes out negative is
      replaced by the one of h = 1, which overlapping losses fool; `note` says so.
    - ``hering-genton``: an exponential model fitted to the autocovariances, standard normal, as in the package
      `scores`, whose fit starts from fixed values and fails on losses of an unlucky unit: that is refused.
    - ``fixed-smoothing``: :math:`\hat\Omega = B^{-1} \sum_{j \le B} \Lambda_j^2` with
      :math:`\Lambda_j = \sqrt{2/n} \sum_t d_t \cos(\pi j (t - 1/2) / n)`,
      :math:`B = \max(1, \min(\lfloor 0.4 n^{2/3} \rfloor, \lfloor n / overlap \rfloor))`, Student t with B degrees.
    - ``weighted-periodogram``: :math:`\hat\Omega = m^{-1} \sum_{j \le m} |\sum_t d_t e^{-2 \pi i j t / n}|^2 / n`,
      :math:`m = \max(1, \lfloor n^{1/3} \rfloor)` whatever the overlap (Daniell's kernel at the bandwidth of Coroneo
      and Iacone), Student t with 2m degrees.
    - ``auto``: ``hln`` without overlap and ``fixed-smoothing`` with, under the rules of evidence: nothing is said on
      fewer than max(8, 2 `overlap`) windows, nor where the losses, or all their differences, are equal within 1e-6
      of the mean absolute loss.

    Parameters
    ----------
    loss_a, loss_b : array [N] of float
        Losses of the two models in the same windows, in order of the cutoffs: any loss, any unit.
    overlap : int
        Windows that one loss reaches into: the last step that enters it over the step size, rounded up; 1 for none.
    method : str
        One of `METHODS`.
    variance : str
        One of `VARIANCES`; only ``hln`` uses it.
    alternative : str
        One of `ALTERNATIVES`; "less" means that a's losses are smaller.

    Returns
    -------
    DMResult
        With None and a note where there are no more windows than `overlap` (or fewer than 3 for
        ``weighted-periodogram``), where all differences are the same up to rounding, and where ``auto`` finds too
        little to say.

    Raises
    ------
    InvalidInputError
        If losses are not numbers, not one-dimensional or not finite.
    InvalidInputError
        If the two models have different numbers of losses.
    InvalidInputError
        If `overlap` is not an integer of at least 1.
    InvalidInputError
        If `method`, `variance` or `alternative` is not one of those listed.

    References
    ----------
    Diebold and Mariano 1995, doi 10.1080/07350015.1995.10524599; Harvey, Leybourne and Newbold 1997,
    doi 10.1016/S0169-2070(96)00719-4; Hering and Genton 2011, doi 10.1198/TECH.2011.10136; Müller 2007,
    Journal of Econometrics 141, 1331-1352; Lazarus, Lewis, Stock and Watson 2018, doi 10.1080/07350015.2018.1506926;
    Coroneo and Iacone 2020, doi 10.1002/jae.2756.

    Examples
    --------
    >>> model = [1.0, 0.5, 2.0, 1.5, 0.2, 0.9, 1.1, 0.4, 1.3, 0.8]
    >>> naive = [1.4, 0.6, 1.9, 2.5, 0.7, 1.2, 1.0, 1.1, 1.6, 1.5]
    >>> result = diebold_mariano(model, naive)
    >>> round(result.statistic, 3), round(result.pvalue, 3), result.method, result.df
    (-3.353, 0.008, 'hln', 9)
    >>> diebold_mariano(model[:5], naive[:5]).note
    'too few windows to say: 5 given, at least 8 needed at overlap 1'
    """
    a, b = checked_losses("loss_a", loss_a), checked_losses("loss_b", loss_b)
    check_same_length("loss_a", a.size, "loss_b", b.size)
    overlap = checked_overlap(overlap)
    check_choice("method", method, METHODS)
    check_choice("variance", variance, VARIANCES)
    check_choice("alternative", alternative, ALTERNATIVES)

    used = method if method != "auto" else "hln" if overlap == 1 else "fixed-smoothing"
    difference = a - b
    note = _nothing_to_say(a, b, overlap=overlap, method=method)
    if note is None:
        estimate, unit = _estimate(difference, overlap, used, variance)
    else:
        estimate, unit = Estimate(note=note), 0
    return DMResult(
        statistic=estimate.statistic,
        pvalue=None if estimate.statistic is None else _pvalue(estimate.statistic, estimate.df, alternative),
        mean_difference=float(np.mean(difference)) if a.size else math.nan,
        standard_error=None if estimate.standard_error is None else math.ldexp(estimate.standard_error, unit),
        n=int(a.size),
        method=used,
        bandwidth=estimate.bandwidth,
        df=estimate.df,
        note=estimate.note,
    )


def _estimate(difference: Floats, overlap: int, method: str, variance: str) -> tuple[Estimate, int]:
    """The estimate, and the power of two that its standard error has as its unit."""
    if method == "hering-genton":
        return hering_genton(difference, overlap), 0
    # Times the power of two that brings the largest near 1: exact, and no square over- or underflows.
    unit = int(np.frexp(np.max(np.abs(difference)))[1])
    d = np.ldexp(difference, -unit)
    if method == "hln":
        return hln(d, overlap, variance), unit
    return (fixed_smoothing(d, overlap) if method == "fixed-smoothing" else weighted_periodogram(d)), unit


def _nothing_to_say(a: Floats, b: Floats, *, overlap: int, method: str) -> str | None:
    """Why no statistic is computed, in plain words; None where one is."""
    n = a.size
    by_evidence = method == "auto"
    # On two windows the only frequency has no sine, and one degree of freedom where two are counted.
    fewest = 3 if method == "weighted-periodogram" else 2
    needed = windows_required(overlap) if by_evidence else max(fewest, overlap + 1)
    if n < needed:
        return f"too few windows to say: {n} given, at least {needed} needed at overlap {overlap}"
    tolerance = ROUNDING * float(max(np.max(np.abs(a)), np.max(np.abs(b))))
    within = "up to rounding"
    if by_evidence:
        mean_loss = float(np.mean(np.abs(a)) + np.mean(np.abs(b))) / 2
        tolerance = max(tolerance, EQUALITY_TOLERANCE * mean_loss)
        within = f"within {EQUALITY_TOLERANCE:g} of the mean loss"
    difference = a - b
    if float(np.max(np.abs(difference))) <= tolerance:
        return f"the two models lose the same in every window, {within}: there is nothing to tell apart"
    if float(np.ptp(difference)) <= tolerance:
        return f"the difference is the same in every window, {within}: there is no variance to test against"
    return None


def _pvalue(statistic: float, df: int | None, alternative: str) -> float:
    from scipy.special import ndtr, stdtr

    tail = -abs(statistic) if alternative == "two-sided" else statistic if alternative == "less" else -statistic
    below = float(ndtr(tail) if df is None else stdtr(df, tail))
    return 2 * below if alternative == "two-sided" else below
