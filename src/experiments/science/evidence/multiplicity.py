"""Many models at once: what is left of the evidence when the best of them was looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE
from experiments.errors import InvalidInputError
from experiments.science.evidence.checks import (
    Floats,
    check_choice,
    checked_integer,
    checked_level,
    checked_loss_table,
    checked_overlap,
    numbers,
)
from experiments.science.evidence.diebold_mariano import windows_required
from experiments.science.evidence.elimination import Studentized, distinct_models, judge
from experiments.science.evidence.resampling import block_length, circular_blocks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIDENCE_SET_METHODS = ("studentized", "arch")


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
    adjusted, rising = _checked_pvalues(pvalues)
    stepped = np.arange(rising.size, 0, -1) * adjusted[rising]
    adjusted[rising] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def benjamini_hochberg(pvalues: ArrayLike) -> Floats:
    """P-values adjusted so that few of those called significant are false, by Benjamini and Hochberg's step-up method.

    The k-th smallest of m is multiplied by m / k, never falling and never above 1: of the nulls rejected below 5 %,
    at most 5 % are expected to be true, if the tests are independent or positively dependent. A milder promise than
    Holm's, for a long list to look further into.

    Parameters
    ----------
    pvalues : array [M] of float
        P-values in [0, 1]; NaN where nothing was tested, which is kept and not counted.

    Returns
    -------
    array [M] of float
        In the order given, as R's ``p.adjust(method = "BH")``.

    Raises
    ------
    InvalidInputError
        If they are not numbers, not one-dimensional, or one lies outside [0, 1].

    References
    ----------
    Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, float("nan"), 0.03]).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    adjusted, rising = _checked_pvalues(pvalues)
    # In the order of operations of R, so that the last digit is the same.
    stepped = rising.size / np.arange(1, rising.size + 1) * adjusted[rising]
    adjusted[rising] = np.minimum(1.0, np.minimum.accumulate(stepped[::-1])[::-1])
    return adjusted


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfidenceSet:
    """Which models may be the best, and how it was found.

    Attributes
    ----------
    pvalues : array [M] of float
        A model is a member at every level up to 1 minus its p-value; 1 for the last one left, NaN where nothing was
        tested.
    members : array [M] of bool
        Whether the model may be the best; True where nothing was tested, for then nothing excludes it.
    level : float
        Chance that all the truly best are members.
    reps : int
        Resamples drawn.
    block : int
        Windows drawn together.
    seed : int
        Of the random numbers.
    method : str
        One of `CONFIDENCE_SET_METHODS`.
    note : str or None
        Why nothing, or not everything, was tested.
    """

    pvalues: Floats
    members: NDArray[np.bool_]
    level: float
    reps: int
    block: int
    seed: int
    method: str
    note: str | None


def model_confidence_set(
    losses: ArrayLike,
    *,
    overlap: int = 1,
    level: float = 0.95,
    reps: int = 1000,
    seed: int = 42,
    method: str = "studentized",
) -> ConfidenceSet:
    r"""Find the models that may be the best: those that the windows give no reason to leave out.

    The procedure of Hansen, Lunde and Nason with their statistic :math:`T_R`, the largest of the standardised mean
    differences :math:`t_{ij} = \bar d_{ij} / s_{ij}` of all pairs: as long as it is larger than resampling explains,
    the model it speaks against is left out. The methods differ in the standard error and the resampling:

    - ``studentized``: :math:`s_{ij}` is the one of ``diebold_mariano(method="auto")``, computed anew in every
      resample of single windows. As this statistic has the same distribution with and without autocorrelation
      (Gonçalves and Vogelsang), the set keeps its level on few and on overlapping windows.
    - ``arch``: as published, by ``arch.bootstrap.MCS(method="R", bootstrap="circular")``: blocks of max(`overlap`,
      :math:`\lceil n^{1/3} \rceil`) windows, :math:`s_{ij}` the standard deviation over the resamples. It leaves out
      far too much on few windows: of 20 equal models on 40 windows, at least one in 4 of 10 tries without overlap, and
      in practically all of them at overlap 14.

    Models that lose the same in every window, within 1e-6 of their mean loss, are judged as one. Two whose difference
    is the same in every window are not judged by each other, as there is no variance to test against.

    Parameters
    ----------
    losses : array [N, M] of float
        Losses of each model in the same windows, in order of the cutoffs: any loss, any unit.
    overlap : int
        Windows that one loss reaches into; 1 for none.
    level : float
        Chance that all the truly best are members.
    reps : int
        Resamples to draw.
    seed : int
        Of the random numbers: the same losses and seed give the same set, whatever the order of the models.
    method : str
        One of `CONFIDENCE_SET_METHODS`.

    Returns
    -------
    ConfidenceSet
        With NaN for p-values, all models members and a note where nothing can be tested: one model only, all equal,
        or fewer than max(8, 2 `overlap`) windows.

    Raises
    ------
    InvalidInputError
        If losses are not numbers, not two-dimensional, without a model, or not finite.
    InvalidInputError
        If `overlap` or `reps` is not an integer of at least 1, or `seed` not one of at least 0.
    InvalidInputError
        If `level` is not a number between 0 and 1, or `method` is not one of those listed.

    References
    ----------
    Hansen, Lunde and Nason 2011, doi 10.3982/ECTA5771; Gonçalves and Vogelsang 2011, Block bootstrap HAC robust
    tests: the sophistication of the naive bootstrap, Econometric Theory 27, 745-791.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> losses = np.abs(rng.standard_normal((60, 3))) * [1.0, 1.0, 2.0]
    >>> model_confidence_set(losses).members.tolist()
    [True, True, False]
    """
    table = checked_loss_table(losses)
    overlap, level = checked_overlap(overlap), checked_level(level)
    reps = checked_integer("reps counts resamples", reps)
    seed = checked_integer("seed starts the random numbers", seed, least=0)
    check_choice("method", method, CONFIDENCE_SET_METHODS)

    n, n_models = table.shape
    block = 1 if method == "studentized" else block_length(n, overlap)
    pvalues = np.full(n_models, np.nan)
    note: str | None
    if n < windows_required(overlap):
        note = (
            f"too few windows to say: {n} given, at least {windows_required(overlap)} needed at overlap {overlap}: "
            "no model is left out"
        )
    elif n_models == 1:
        note = "one model only: there is nothing to compare"
    else:
        pvalues, note = _confidence_pvalues(table, overlap, method, block=block, reps=reps, seed=seed)
    return ConfidenceSet(
        pvalues=pvalues,
        members=~(pvalues <= round(1 - level, 12)),
        level=level,
        reps=reps,
        block=block,
        seed=seed,
        method=method,
        note=note,
    )


def _confidence_pvalues(
    losses: Floats, overlap: int, method: str, *, block: int, reps: int, seed: int
) -> tuple[Floats, str | None]:
    distinct, copy_of = distinct_models(losses)
    if len(distinct) == 1:
        note = f"all models lose the same in every window, within {EQUALITY_TOLERANCE:g} of the mean loss"
        return np.full(losses.shape[1], np.nan), f"{note}: there is nothing to tell apart"
    if method == "arch":
        if _is_beyond_arch(distinct):
            note = "arch cannot rank models of the same mean, nor a difference that is the same in every window"
            return np.full(losses.shape[1], np.nan), note
        return _by_arch(distinct, block=block, reps=reps, seed=seed)[copy_of], None
    drawn = circular_blocks(losses.shape[0], block=block, reps=reps, seed=seed)
    pvalues, n_untold = judge(distinct, Studentized(distinct, drawn, overlap))
    note = (
        f"{n_untold} of {len(distinct)} different models cannot be told from the best: the difference is the same "
        "in every window, or moves at no frequency that counts, so there is no variance to test against"
    )
    return pvalues[copy_of], note if n_untold else None


def _is_beyond_arch(losses: Floats) -> bool:
    """Whether two of the models, array [M, N], differ by a constant or not in their mean."""
    apart = losses[:, np.newaxis] - losses
    smallest = EQUALITY_TOLERANCE * np.mean(np.abs(losses))
    alike = (np.ptp(apart, axis=2) <= smallest) | (apart.mean(axis=2) == 0)
    return int(np.sum(alike)) > len(losses)  # each is alike to itself


def _by_arch(losses: Floats, *, block: int, reps: int, seed: int) -> Floats:
    """P-values of distinct models, array [M, N], by `arch.bootstrap.MCS`."""
    from arch.bootstrap import MCS

    found = MCS(losses.T, 0.05, reps=reps, block_size=block, method="R", bootstrap="circular", seed=seed)
    found.compute()
    return np.asarray(found.pvalues["Pvalue"].sort_index(), dtype=np.float64)


def _checked_pvalues(pvalues: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    """A copy of the p-values, and the positions of those that are not NaN from the smallest to the largest."""
    p = numbers("pvalues", pvalues).copy()
    tested = np.flatnonzero(~np.isnan(p))
    outside = tested[(p[tested] < 0) | (p[tested] > 1)]
    if outside.size:
        first = int(outside[0])
        msg = f"pvalues lie between 0 and 1: given {p[first]} at position {first}, accepted are [0, 1] and NaN."
        raise InvalidInputError(msg)
    return p, tested[np.argsort(p[tested], kind="stable")]
