"""Windows to score: cut from a series, or made; as arrays for `score` and as rows for `evaluate`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from experiments.science.grid import cutoff_positions
from experiments.science.metrics import Scores, scale_and_level, score

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Cells:
    """What `score` takes, with the dates that `evaluate` reads the overlap from."""

    y: Array
    y_hat: Array
    day0: Array
    scale: Array
    level: Array
    cutoffs: NDArray[np.datetime64]
    ds: NDArray[np.datetime64]

    def score(self, step_overlap: int = 1, **changes: Any) -> Scores:
        arrays = {name: getattr(self, name) for name in ("y", "y_hat", "day0", "scale", "level")}
        return score(**(arrays | changes), step_overlap=step_overlap)

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        n, horizon = self.y.shape
        forecasts = pd.DataFrame(
            {
                "cutoff": np.repeat(self.cutoffs, horizon),
                "step": np.tile(np.arange(1, horizon + 1), n),
                "ds": self.ds.ravel(),
                "y": self.y.ravel(),
                "y_hat": self.y_hat.ravel(),
            }
        )
        windows = pd.DataFrame(
            {"cutoff": self.cutoffs, "day0": self.day0, "scale": self.scale, "level": self.level, "status": "ok"}
        )
        return forecasts, windows


def cut(ds: NDArray[np.datetime64], y: Array, *, horizon: int, step_size: int, n_windows: int) -> Cells:
    """The windows of a series with naive forecasts."""
    positions = cutoff_positions(
        ds, origin=ds[0].item(), horizon=horizon, step_size=step_size, n_windows=n_windows, min_train=1
    )
    steps = positions[:, None] + np.arange(1, horizon + 1)
    scale, level = np.array([scale_and_level(y[: position + 1]) for position in positions]).T
    return Cells(
        y=y[steps],
        y_hat=np.repeat(y[positions][:, None], horizon, axis=1),
        day0=y[positions],
        scale=scale,
        level=level,
        cutoffs=ds[positions],
        ds=ds[steps],
    )


def made(n_windows: int = 30, horizon: int = 14, *, seed: int = 0, worse: float = 0.5) -> Cells:
    """Windows of a random walk near 100 with forecasts that are naive plus noise."""
    rng = np.random.default_rng(seed)
    n = 50 + n_windows * horizon
    y = 100 + np.cumsum(rng.standard_normal(n))
    cells = cut(np.arange(n).astype("datetime64[D]"), y, horizon=horizon, step_size=horizon, n_windows=n_windows)
    noise = worse * rng.standard_normal(cells.y.shape)
    return dataclasses.replace(cells, y_hat=cells.y_hat + noise)


@st.composite
def made_of_quarters(draw: st.DrawFn) -> Cells:
    """Windows whose values are multiples of a quarter of a unit, so that ties, zeros and copies happen."""
    shape = (draw(st.integers(1, 45)), draw(st.sampled_from([1, 2, 6, 7, 8, 13, 14, 15, 20])))
    quarters = hnp.arrays(np.int8, shape, elements=st.integers(-4, 4))
    unit = draw(st.sampled_from([1e-3, 1.0, 37.5, 1e6]))
    day0 = draw(hnp.arrays(np.int8, shape[0], elements=st.integers(1, 60))).astype(float)
    y = day0[:, None] + draw(quarters) / 4
    kind = draw(st.sampled_from(["any", "any", "any", "flat", "perfect", "off by one", "skilled"]))
    y_hat = {
        "any": lambda: day0[:, None] + draw(quarters) / 4,
        "flat": lambda: np.repeat(day0[:, None], shape[1], axis=1),
        "perfect": y.copy,
        "off by one": lambda: y + 1,
        "skilled": lambda: (y + day0[:, None]) / 2 + draw(quarters) / 16,
    }[kind]()
    scale = draw(hnp.arrays(np.int8, shape[0], elements=st.integers(1, 9))) / 8 * unit
    spoilt = draw(st.sampled_from([None, None, 0.0, math.nan]))
    if spoilt is not None:
        scale[draw(st.integers(0, shape[0] - 1))] = spoilt
    days = np.arange(shape[0] * shape[1] + 1).astype("datetime64[D]")
    signed = unit * draw(st.sampled_from([1, 1, -1]))  # a spread of prices may well be negative
    return Cells(
        y=y * signed,
        y_hat=y_hat * signed,
        day0=day0 * signed,
        scale=scale,
        level=np.full(shape[0], 30 * unit),
        cutoffs=days[: -1 : shape[1]],
        ds=days[1:].reshape(shape),
    )
