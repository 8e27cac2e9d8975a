"""Windows drawn anew: what the same models might have lost on other windows of the same kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.evidence.checks import Floats


def circular_blocks(n: int, *, block: int, reps: int, seed: int) -> NDArray[np.int64]:
    """Positions of `reps` resamples of `n` windows, array [reps, N], in blocks that run on from the end to the start.

    The ones that ``arch.bootstrap.CircularBlockBootstrap`` draws from the same seed, in one go.
    """
    starts = np.random.default_rng(seed).integers(n, size=(reps, -(-n // block)))
    positions = (starts[:, :, np.newaxis] + np.arange(block)) % n
    drawn: NDArray[np.int64] = positions.reshape(reps, -1)[:, :n]
    return drawn


def times_drawn(positions: NDArray[np.int64], weights: Floats | None = None) -> Floats:
    """How often each window is in each resample, array [reps, N]; with `weights` [N], the sum of those of its places.

    A resample's mean loss is then a product of matrices.
    """
    reps, n = positions.shape
    cells = (positions + n * np.arange(reps)[:, np.newaxis]).ravel()
    per_place = None if weights is None else np.tile(weights, reps)
    return np.bincount(cells, per_place, minlength=reps * n).reshape(reps, n).astype(np.float64, copy=False)


def block_length(n: int, overlap: int) -> int:
    """As many windows as one loss reaches into; on many windows, the cube root of their number, rounded up."""
    return max(overlap, math.ceil(round(math.pow(n, 1 / 3), 9)))
