"""Tests that tell skill from luck: of two models' losses, of directional calls, and of many models at once.

The unit of evidence is one loss per origin. Where there is too little to say the result holds None and a `note`
in plain words, never a number; an argument that cannot be used raises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.errors import InvalidInputError

METHODS = ("auto", "hln", "hering-genton", "fixed-smoothing")
VARIANCES = ("acf", "bartlett")
ALTERNATIVES = ("two-sided", "less", "greater")

EQUALITY_TOLERANCE = 1e-6
"""Two losses are equal within this share of the mean absolute loss."""

MIN_WINDOWS = 8
"""Fewest windows `auto` tests; with overlap, twice the overlap where that is more."""

MIN_DIRECTION_CALLS = 20
"""Fewest calls the Pesaran-Timmermann test is computed on."""

_ROUNDING = 16 * float(np.finfo(np.float64).eps)
_LARGEST = 1e300  # so that no sum of losses overflows
_FIT_TOLERANCE = 0.01

Floats = NDArray[np.float64]


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
    bandwidth : int or None
        `hln`: lags in the variance; `hering-genton`: autocovariances fitted; `fixed-smoothing`: cosines, B.
    df : int or None
        Degrees of freedom of Student's t; None for the normal distribution and where nothing was computed.
    note : str or None
        Why there is no statistic, or what to know about the one there is.
    """

    statistic: float | None
    pvalue: float | None
    mean_difference: float
    n: int
    method: str
    bandwidth: int | None
    df: int | None
    note: str | None


@dataclass(frozen=True, kw_only=True)
class PTResult:
    """What a test of directional calls says: `statistic` and one-sided `pvalue`, or None and a `note`; `n` calls."""

    statistic: float | None
    pvalue: float | None
    n: int
    note: str | None


@dataclass(frozen=True, kw_only=True)
class _Estimate:
    """A statistic with its reference distribution: Student's t with `df`, normal where `df` is None."""

    statistic: float | None
    bandwidth: int | None = None
    df: int | None = None
    note: str | None = None


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
        With None and a note where there are no more windows than `overlap`, where all differences are the same up
        to rounding, and where ``auto`` finds too little to say.

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
    Journal of Econometrics 141, 1331-1352; Lazarus, Lewis, Stock and Watson 2018, doi 10.1080/07350015.2018.1506926.

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
    a, b = _losses("loss_a", loss_a), _losses("loss_b", loss_b)
    _check_same_length("loss_a", a.size, "loss_b", b.size)
    overlap = _checked_overlap(overlap)
    _check_choice("method", method, METHODS)
    _check_choice("variance", variance, VARIANCES)
    _check_choice("alternative", alternative, ALTERNATIVES)

    used = method if method != "auto" else "hln" if overlap == 1 else "fixed-smoothing"
    difference = a - b
    note = _nothing_to_say(a, b, overlap=overlap, by_evidence=method == "auto")
    if note is not None:
        estimate = _Estimate(statistic=None, note=note)
    elif used == "hering-genton":
        estimate = _hering_genton(difference, overlap)
    elif used == "hln":
        estimate = _hln(_unit_scaled(difference), overlap, variance)
    else:
        estimate = _fixed_smoothing(_unit_scaled(difference), overlap)
    return DMResult(
        statistic=estimate.statistic,
        pvalue=None if estimate.statistic is None else _pvalue(estimate.statistic, estimate.df, alternative),
        mean_difference=float(np.mean(difference)) if a.size else math.nan,
        n=int(a.size),
        method=used,
        bandwidth=estimate.bandwidth,
        df=estimate.df,
        note=estimate.note,
    )


def pesaran_timmermann(actual_up: ArrayLike, predicted_up: ArrayLike) -> PTResult:
    r"""Test whether directional calls are right more often than chance, given how often each side says "up".

    With the share of right calls :math:`P`, the shares of "up" :math:`P_y` (actual) and :math:`P_x` (predicted) and
    :math:`P_* = P_y P_x + (1 - P_y)(1 - P_x)`, the statistic is
    :math:`(P - P_*) / \sqrt{V(P) - V(P_*)}` with :math:`V(P) = P_*(1 - P_*) / n` and
    :math:`V(P_*) = ((2P_y - 1)^2 P_x(1 - P_x) + (2P_x - 1)^2 P_y(1 - P_y)) / n + 4 P_y P_x (1 - P_y)(1 - P_x) / n^2`,
    against the upper tail of the standard normal. The calls must be independent: one per window, no overlap.
    (`statsmodels` leaves out the last term, which makes its statistic smaller by the factor sqrt((n - 1) / n).)

    Parameters
    ----------
    actual_up, predicted_up : array [N] of bool
        Whether the series rose, and whether it was forecast to.

    Returns
    -------
    PTResult
        With None and a note on fewer than 20 calls, or where all moves or all calls are alike.

    Raises
    ------
    InvalidInputError
        If an array is not boolean or not one-dimensional.
    InvalidInputError
        If the two have different lengths.

    References
    ----------
    Pesaran and Timmermann 1992, doi 10.1080/07350015.1992.10509922.

    Examples
    --------
    >>> result = pesaran_timmermann([True, False] * 12, [True, False] * 9 + [False, True] * 3)
    >>> round(result.statistic, 3), round(result.pvalue, 4)
    (2.502, 0.0062)
    """
    actual, predicted = _calls("actual_up", actual_up), _calls("predicted_up", predicted_up)
    _check_same_length("actual_up", actual.size, "predicted_up", predicted.size)
    n = int(actual.size)
    if n < MIN_DIRECTION_CALLS:
        note = f"too few calls to say: {n} given, at least {MIN_DIRECTION_CALLS} needed"
        return PTResult(statistic=None, pvalue=None, n=n, note=note)
    for what, ups in (("actual moves", actual), ("calls", predicted)):
        if ups.all() or not ups.any():
            note = f"all {what} are alike: chance and skill cannot be told apart"
            return PTResult(statistic=None, pvalue=None, n=n, note=note)
    up, called = float(np.mean(actual)), float(np.mean(predicted))
    by_chance = up * called + (1 - up) * (1 - called)
    # V(P) - V(P*) multiplied out: the same number without subtracting two nearly equal ones.
    spread = 4 * up * (1 - up) * called * (1 - called) * (n - 1) / n**2
    statistic = (float(np.mean(actual == predicted)) - by_chance) / math.sqrt(spread)
    return PTResult(statistic=statistic, pvalue=_pvalue(statistic, None, "greater"), n=n, note=None)


def holm(pvalues: ArrayLike) -> Floats:
    """P-values adjusted for how many were looked at, by Holm's step-down method.

    The smallest of m is multiplied by m, the next by m - 1 and so on, never falling and never above 1: rejecting
    those below 5 % is wrong about any true null with a chance of at most 5 %, whatever their dependence.

    Parameters
    ----------
    pvalues : array [M] of float
        P-values in [0, 1]; NaN where nothing was tested, which is kept and not counted.

    Returns
    -------
    array [M] of float
        In the order given, as R's ``p.adjust(method = "holm")``.

    Raises
    ------
    InvalidInputError
        If they are not numbers, not one-dimensional, or one lies outside [0, 1].

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    p = _one_dimensional("pvalues", pvalues)
    tested = np.flatnonzero(~np.isnan(p))
    outside = tested[(p[tested] < 0) | (p[tested] > 1)]
    if outside.size:
        first = int(outside[0])
        msg = f"pvalues lie between 0 and 1: given {p[first]} at position {first}, accepted are [0, 1] and NaN."
        raise InvalidInputError(msg)
    rising = tested[np.argsort(p[tested], kind="stable")]
    adjusted = p.copy()
    adjusted[rising] = np.minimum(1.0, np.maximum.accumulate(np.arange(rising.size, 0, -1) * p[rising]))
    return adjusted


def _hln(d: Floats, overlap: int, variance: str) -> _Estimate:
    n = d.size
    centred = d - np.mean(d)
    lags = np.arange(1, overlap)
    weights = 2.0 * (1.0 - lags / overlap) if variance == "bartlett" else np.full(lags.size, 2.0)
    covariances = np.array([centred[k:] @ centred[: n - k] for k in range(overlap)]) / n
    spread = float(covariances[0] + weights @ covariances[1:])
    if overlap > 1 and spread <= n * _ROUNDING * covariances[0]:
        # Zero up to rounding counts as negative: its sign, and with it R's answer, is an accident of the machine.
        note = (
            f"the variance at overlap {overlap} came out negative: computed as if windows did not overlap, "
            "as R's dm.test does, which rejects far too often; prefer fixed-smoothing"
        )
        alone = _hln(d, 1, variance)
        return _Estimate(statistic=alone.statistic, bandwidth=alone.bandwidth, df=alone.df, note=note)
    factor = (n + 1 - 2 * overlap + overlap * (overlap - 1) / n) / n
    statistic = float(np.mean(d)) / math.sqrt(spread / n) * math.sqrt(factor)
    return _Estimate(statistic=statistic, bandwidth=overlap - 1, df=n - 1)


def _fixed_smoothing(d: Floats, overlap: int) -> _Estimate:
    n = d.size
    count = _n_cosines(n, overlap)
    frequencies = np.arange(1, count + 1)[:, np.newaxis]
    cosines = np.cos(np.pi * frequencies * (np.arange(n) + 0.5) / n)
    # The cosines sum to zero, so centring changes nothing but the rounding.
    centred = d - np.mean(d)
    projections = math.sqrt(2 / n) * (cosines @ centred)
    spread = float(np.mean(projections**2))
    if spread <= n * _ROUNDING * float(np.mean(centred**2)):
        note = f"the differences do not move at the {count} lowest frequencies: there is no variance to test against"
        return _Estimate(statistic=None, note=note)
    return _Estimate(statistic=float(np.mean(d)) / math.sqrt(spread / n), bandwidth=count, df=count)


def _n_cosines(n: int, overlap: int) -> int:
    # Rounded, because 0.4 * 1000 ** (2 / 3) is a hair below 40 in floating point.
    return max(1, min(math.floor(round(0.4 * math.pow(n, 2 / 3), 9)), n // overlap))


def _hering_genton(d: Floats, overlap: int) -> _Estimate:
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
        return _Estimate(statistic=None, note=note)
    return _Estimate(statistic=float(np.mean(d) / np.sqrt(spread / n)), bandwidth=count)


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


def _nothing_to_say(a: Floats, b: Floats, *, overlap: int, by_evidence: bool) -> str | None:
    """Why no statistic is computed, in plain words; None where one is."""
    n = a.size
    needed = max(MIN_WINDOWS, 2 * overlap) if by_evidence else overlap + 1
    if n < needed:
        return f"too few windows to say: {n} given, at least {needed} needed at overlap {overlap}"
    tolerance = _ROUNDING * float(max(np.max(np.abs(a)), np.max(np.abs(b))))
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


def _unit_scaled(d: Floats) -> Floats:
    """`d` times the power of two that brings its largest value near 1: exact, and no square over- or underflows."""
    _, exponent = np.frexp(np.max(np.abs(d)))
    scaled: Floats = np.ldexp(d, -int(exponent))
    return scaled


def _pvalue(statistic: float, df: int | None, alternative: str) -> float:
    from scipy.special import ndtr, stdtr

    tail = -abs(statistic) if alternative == "two-sided" else statistic if alternative == "less" else -statistic
    below = float(ndtr(tail) if df is None else stdtr(df, tail))
    return 2 * below if alternative == "two-sided" else below


def _one_dimensional(what: str, values: ArrayLike) -> Floats:
    try:
        array: Floats = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{what} holds something that is not a number ({error}): accepted is a one-dimensional array of numbers."
        raise InvalidInputError(msg) from error
    if array.ndim != 1:
        msg = f"{what} has shape {array.shape}: accepted is a one-dimensional array."
        raise InvalidInputError(msg)
    return array


def _losses(what: str, values: ArrayLike) -> Floats:
    array = _one_dimensional(what, values)
    unusable = np.flatnonzero(~(np.abs(array) <= _LARGEST))
    if unusable.size:
        first = int(unusable[0])
        msg = (
            f"{what} holds {unusable.size} losses that are not finite, the first {array[first]} at position {first}: "
            f"accepted are finite losses up to {_LARGEST:g}. Leave out the windows that failed."
        )
        raise InvalidInputError(msg)
    return array


def _calls(what: str, values: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.dtype != np.bool_ or array.ndim != 1:
        msg = f"{what} has type {array.dtype} and shape {array.shape}: accepted is a one-dimensional array of booleans."
        raise InvalidInputError(msg)
    return array


def _checked_overlap(overlap: object) -> int:
    if isinstance(overlap, bool) or not isinstance(overlap, int | np.integer) or overlap < 1:
        msg = f"overlap counts windows: given {overlap!r}, accepted is an integer of at least 1."
        raise InvalidInputError(msg)
    return int(overlap)


def _check_same_length(a_name: str, a_size: int, b_name: str, b_size: int) -> None:
    if a_size != b_size:
        msg = f"{a_name} has {a_size} values and {b_name} {b_size}: accepted are equal lengths, window by window."
        raise InvalidInputError(msg)


def _check_choice(what: str, given: str, accepted: tuple[str, ...]) -> None:
    if given not in accepted:
        msg = f"{what} {given!r} is not known: accepted are {', '.join(accepted)}."
        raise InvalidInputError(msg)
