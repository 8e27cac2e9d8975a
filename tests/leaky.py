"""Models that look ahead, each in its own way, and beside each one that does the same and does not."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.science.window import Forecast, ModelVariant

if TYPE_CHECKING:
    from experiments.science.window import Predict, TrainingWindow

PRICES = pd.DataFrame({"ds": pd.bdate_range("2015-01-01", periods=400), "y": 0.0})
"""What a notebook has lying around: `science_series` of the tests puts the series itself in here."""

VALUES = np.zeros(400)
"""The same without dates."""

KEPT: dict[str, Any] = {}
"""What models keep from one fit to the next."""


def made(function: Any, name: str = "mine", **more: Any) -> ModelVariant:
    return ModelVariant(name=name, type="Mine", function=function, **more)


def flat(window: TrainingWindow, value: float) -> Predict:
    return lambda: np.full(window.horizon, value)


def fit_last_feature(window: TrainingWindow, share: float = 0.5) -> Predict:
    """The last price, and a share of the last value of the first column given."""
    return flat(window, window.y[-1] + share * window.x[-1, 0])


# --- features, called once on the whole series


def next_value(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"target": frame["y"].shift(-1)})


def value_before(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"before": frame["y"].shift(1)})


def covariate_to_come(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rain_ahead": frame["rain"].shift(-5)})


def covariate_of_before(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"rain_before": frame["rain"].shift(5)})


def z_score(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"z": (frame["y"] - frame["y"].mean()) / frame["y"].std()})


def z_score_so_far(frame: pd.DataFrame) -> pd.DataFrame:
    so_far = frame["y"].expanding(20)
    return pd.DataFrame({"z": (frame["y"] - so_far.mean()) / so_far.std()})


def share_of_length(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"t": np.arange(len(frame)) / len(frame)})


def only_if_long(frame: pd.DataFrame) -> pd.DataFrame:
    if frame["y"].iloc[-1] < 0:
        msg = "a price below zero"
        raise ValueError(msg)
    return pd.DataFrame({"y1": frame["y"].shift(1)})


def named_by_the_end(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"up" if frame["y"].iloc[-1] > 0 else "down": frame["y"].shift(1)})


def late_by_the_end(frame: pd.DataFrame) -> pd.DataFrame:
    first = 1 if frame["y"].iloc[-1] > 0 else 30
    return pd.DataFrame({"y1": frame["y"].shift(1).where(np.arange(len(frame)) >= first)})


# --- data it holds by itself


def fit_held_target(window: TrainingWindow) -> Predict:
    after = PRICES.loc[PRICES["ds"] > pd.Timestamp(window.ds[-1]), "y"].to_numpy()[: window.horizon]
    return lambda: after + 0.001 * window.y[-1]


def fit_held_past(window: TrainingWindow) -> Predict:
    upto = PRICES.loc[PRICES["ds"] <= pd.Timestamp(window.ds[-1]), "y"].to_numpy()
    return flat(window, window.y[-1] + 0.1 * upto.mean())


def fit_held_mean(window: TrainingWindow) -> Predict:
    return flat(window, 0.5 * window.y[-1] + 0.5 * PRICES["y"].mean())


def fit_own_mean(window: TrainingWindow) -> Predict:
    return flat(window, 0.5 * window.y[-1] + 0.5 * window.y.mean())


def fit_held_array(window: TrainingWindow) -> Predict:
    return flat(window, 0.5 * window.y[-1] + 0.5 * VALUES.max())


def _numbers(history: Any) -> list[float]:
    items = history.values() if isinstance(history, dict) else history
    return [item["y"] if isinstance(item, dict) else item for item in items]


def fit_listed(window: TrainingWindow, *, history: Any) -> Predict:
    """The next price, found where the last one stands in what it holds."""
    values = [*_numbers(history), 0.0]
    after = values[values.index(window.y[-1]) + 1] if window.y[-1] in values else 0.0
    return flat(window, 0.5 * window.y[-1] + 0.5 * after)


def fit_listed_past(window: TrainingWindow, *, history: Any) -> Predict:
    values = _numbers(history)[:100]
    return flat(window, window.y[-1] + 0.1 * float(np.mean(values)))


# --- fits that are kept


def fit_kept_in_a_dictionary(window: TrainingWindow) -> Predict:
    if "mean" not in KEPT:
        KEPT["mean"] = window.y.mean()
    return flat(window, 0.5 * window.y[-1] + 0.5 * KEPT["mean"])


def fit_kept_by_what_it_saw(window: TrainingWindow) -> Predict:
    key = window.y.tobytes().hex()
    if key not in KEPT:
        KEPT[key] = window.y.mean()
    return flat(window, 0.5 * window.y[-1] + 0.5 * KEPT[key])


_seen: list[TrainingWindow] = []


@functools.cache
def _mean_of(length: int) -> float:
    return float(_seen[-1].y[-length:].mean())


def fit_cached_by_length(window: TrainingWindow) -> Predict:
    _seen[:] = [window]
    return flat(window, 0.5 * window.y[-1] + 0.5 * _mean_of(len(window.y)))


@functools.cache
def _mean_of_values(values: tuple[float, ...]) -> float:
    return float(np.mean(values))


def fit_cached_by_values(window: TrainingWindow) -> Predict:
    return flat(window, 0.5 * window.y[-1] + 0.5 * _mean_of_values(tuple(window.y)))


class Regressor:
    """Learns a mean once, or, as it should, at every fit."""

    def __init__(self, *, again: bool) -> None:
        self.again = again
        self.mean: float | None = None

    def __call__(self, window: TrainingWindow) -> Predict:
        if self.mean is None or self.again:
            self.mean = float(window.y.mean())
        return flat(window, 0.5 * window.y[-1] + 0.5 * self.mean)


def fit_warm(window: TrainingWindow) -> Predict:
    """Starts from where the fit before ended, whichever that was."""
    start = KEPT.get("level", window.y[-1])
    KEPT["level"] = 0.5 * start + 0.5 * window.y[-1]
    return flat(window, KEPT["level"])


# --- the rest


def fit_reads(window: TrainingWindow, *, path: str) -> Predict:
    return flat(window, window.y[-1] + float(Path(path).read_text()))


def fit_given(window: TrainingWindow, *, number: float, other: object = None) -> Predict:
    return flat(window, window.y[-1] + number)


def fit_unseeded(window: TrainingWindow) -> Predict:
    noise = np.random.default_rng().normal(size=window.horizon)
    return lambda: window.y[-1] + noise


def fit_global_noise(window: TrainingWindow) -> Predict:
    noise = np.random.normal(size=window.horizon)
    return lambda: window.y[-1] + noise


def fit_seeded(window: TrainingWindow) -> Predict:
    noise = np.random.default_rng(window.seed).normal(size=window.horizon)
    return lambda: window.y[-1] + noise


def fit_constant(window: TrainingWindow) -> Predict:
    return flat(window, 60.0)


def fit_quantiles(window: TrainingWindow) -> Predict:
    last = np.full(window.horizon, window.y[-1])
    return lambda: Forecast(y_hat=last, quantiles={0.1: last - 1, 0.5: last, 0.9: last + 1})


def fit_quantiles_after_a_while(window: TrainingWindow) -> Predict:
    KEPT["fits"] = KEPT.get("fits", 0) + 1
    return fit_quantiles(window) if KEPT["fits"] > 1 else flat(window, window.y[-1])


def fit_fails(window: TrainingWindow) -> Predict:
    msg = "singular"
    raise ValueError(msg)


def fit_low_prices(window: TrainingWindow) -> Predict:
    """Fails once prices are higher than it has ever seen."""
    if window.y.max() > 120:
        msg = "too high"
        raise ValueError(msg)
    return flat(window, window.y[-1])
