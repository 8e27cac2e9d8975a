"""The model that was picked: what it is expected to lose, and how often it was the better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE
from experiments.science.evidence.checks import (
    Floats,
    check_same_length,
    checked_integer,
    checked_loss_table,
    checked_losses,
    checked_overlap,
)
from experiments.science.evidence.diebold_mariano import windows_required
from experiments.science.evidence.resampling import block_length, circular_blocks, times_drawn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MIN_TIMES_OUT = 3
"""Fewest resamples that must leave a window out, and all that share observations with it, for it to be counted."""


@dataclass(frozen=True, kw_only=True)
class SelectedLoss:
    """The model with the smallest mean loss, and what choosing it that way is expected to lose.

    Attributes
    ----------
    position : int or None
        Of the chosen model, the first of equals; None without a window.
    observed : float or None
        Its mean loss on the windows it was chosen by, in their unit: too small, as it is the smallest of several.
    corrected : float or None
        Mean loss on windows that had no say in the choice; None where there is too little to say.
    reps : int
        Resamples drawn.
    block : int
        Windows drawn together.
    seed : int
        Of the random numbers.
    note : str or None
        Why there is no corrected loss, or what to know about it.
    """

    position: int | None
    observed: float | None
    corrected: float | None
    reps: int
    block: int
    seed: int
    note: str | None


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often one model lost less than another.

    Attributes
    ----------
    share : float
        Share of windows in [0, 1], ties counted half; NaN without a window.
    n_won : int
        Windows in which the first model lost less, ties left out.
    n_tied : int
        Windows in which both lost the same, within 1e-6 of the mean absolute loss.
    n : int
        All windows.
    """

    share: float
    n_won: int
    n_tied: int
    n: int


def selected_loss(losses: ArrayLike, *, overlap: int = 1, reps: int = 1000, seed: int = 42) -> SelectedLoss:
    """Tell what the model with the smallest mean loss is expected to lose on windows that did not choose it.

    The smallest of several means flatters the model it belongs to. The choice is therefore made again on resamples
    of the windows (blocks of max(`overlap`, cube root of N), running on from the end to the start), and what it picks
    is judged on the windows the resample left out; those that share observations with a drawn one, less than
    `overlap` windows away, are left out of both. This is the bootstrap bias correction of cross-validation, with each
    window weighted alike as in the leave-one-out bootstrap: where every resample picks the same model, the corrected
    loss is the observed one.

    Parameters
    ----------
    losses : array [N, M] of float
        Losses of each model in the same windows, in order of the cutoffs: any loss, any unit.
    overlap : int
        Windows that one loss reaches into; 1 for none.
    reps : int
        Resamples to draw.
    seed : int
        Of the random numbers.

    Returns
    -------
    SelectedLoss
        With None for the corrected loss and a note on fewer than max(8, 2 `overlap`) windows, and where a window is
        left out by fewer than 3 resamples, as on few windows that overlap much.

    Raises
    ------
    InvalidInputError
        If losses are not numbers, not two-dimensional, without a model, or not finite.
    InvalidInputError
        If `overlap` or `reps` is not an integer of at least 1, or `seed` not one of at least 0.

    References
    ----------
    Tsamardinos, Greasidou and Borboudakis 2018, doi 10.1007/s10994-018-5714-4; Efron and Tibshirani 1997,
    doi 10.1080/01621459.1997.10474007.

    Examples
    --------
    >>> losses = np.abs(np.random.default_rng(1).standard_normal((60, 20)))
    >>> chosen = selected_loss(losses)
    >>> round(chosen.observed, 2), round(chosen.corrected, 2), round(float(losses.mean()), 2)
    (0.67, 0.81, 0.79)
    """
    table = checked_loss_table(losses)
    overlap = checked_overlap(overlap)
    reps = checked_integer("reps counts resamples", reps)
    seed = checked_integer("seed starts the random numbers", seed, least=0)

    n, n_models = table.shape
    block = block_length(n, overlap)
    means = np.ascontiguousarray(table.T).mean(axis=1) if n else np.full(n_models, np.nan)
    position = int(np.argmin(means)) if n else None
    observed = None if position is None else float(means[position])
    corrected, note = None, None
    if n < windows_required(overlap):
        note = f"too few windows to say: {n} given, at least {windows_required(overlap)} needed at overlap {overlap}"
    elif n_models == 1:
        corrected, note = observed, "one model only: nothing was chosen, so there is nothing to correct"
    else:
        drawn = times_drawn(circular_blocks(n, block=block, reps=reps, seed=seed))
        corrected, note = _out_of_bag_loss(table, drawn, overlap)
    return SelectedLoss(
        position=position, observed=observed, corrected=corrected, reps=reps, block=block, seed=seed, note=note
    )


def win_rate(loss_a: ArrayLike, loss_b: ArrayLike) -> WinRate:
    """Count the windows in which the first model lost less than the second.

    Parameters
    ----------
    loss_a, loss_b : array [N] of float
        Losses of the two models in the same windows: any loss, any unit.

    Returns
    -------
    WinRate

    Raises
    ------
    InvalidInputError
        If losses are not numbers, not one-dimensional or not finite.
    InvalidInputError
        If the two models have different numbers of losses.

    Examples
    --------
    >>> win_rate([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 5.0])
    WinRate(share=0.625, n_won=2, n_tied=1, n=4)
    """
    a, b = checked_losses("loss_a", loss_a), checked_losses("loss_b", loss_b)
    check_same_length("loss_a", a.size, "loss_b", b.size)
    n = int(a.size)
    if not n:
        return WinRate(share=float("nan"), n_won=0, n_tied=0, n=0)
    tied = np.abs(a - b) <= EQUALITY_TOLERANCE * float(np.mean(np.abs(a)) + np.mean(np.abs(b))) / 2
    n_tied, n_won = int(np.sum(tied)), int(np.sum((a < b) & ~tied))
    return WinRate(share=(n_won + n_tied / 2) / n, n_won=n_won, n_tied=n_tied, n=n)


def _out_of_bag_loss(losses: Floats, drawn: Floats, overlap: int) -> tuple[float | None, str | None]:
    n, n_models = losses.shape
    chosen = np.argmin(drawn @ losses, axis=1)
    out = _far_from_drawn(drawn > 0, overlap).astype(np.float64)
    times_out = out.sum(axis=0)
    if np.min(times_out) < MIN_TIMES_OUT:
        note = (
            f"too few windows to say: at overlap {overlap}, {int(np.sum(times_out < MIN_TIMES_OUT))} of {n} are too "
            f"seldom far enough from all those that a choice was made by (in {int(np.min(times_out))} of {len(out)} "
            f"resamples, at least {MIN_TIMES_OUT} needed)"
        )
        return None, note
    # How often each model [M] was the choice judged by each window [N].
    judged = out.T @ (chosen[:, np.newaxis] == np.arange(n_models)).astype(np.float64)
    return float(np.mean(np.sum(judged * losses, axis=1) / times_out)), None


def _far_from_drawn(drawn: NDArray[np.bool_], overlap: int) -> NDArray[np.bool_]:
    """Windows at least `overlap` away from every drawn one, array [reps, N]."""
    n = drawn.shape[1]
    padded = np.pad(drawn, ((0, 0), (overlap, overlap - 1)))
    before = np.cumsum(padded, axis=1)
    # Drawn windows from overlap - 1 before to overlap - 1 after.
    return np.asarray(before[:, 2 * overlap - 1 :] == before[:, :n])
