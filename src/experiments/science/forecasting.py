"""One model on one window: a pure function that never lets a failed fit pass for a gap."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definitions import SEASON_LENGTH
from experiments.errors import InvalidInputError
from experiments.identity import digest
from experiments.science.window import QUANTILE_LEVELS, Forecast, ModelVariant, TrainingWindow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.series import Series


@dataclass(frozen=True, kw_only=True)
class WindowForecast:
    """What came of one fit: forecasts [H], or the error that prevented them; seconds of each part.

    `quantiles` holds an array [H] for each of `QUANTILE_LEVELS`, or nothing where the model gives none.
    """

    y_hat: NDArray[np.float64] | None = None
    quantiles: Mapping[float, NDArray[np.float64]] = field(default_factory=dict)
    error: str | None = None
    warning: str | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WindowsTask:
    """A unit of work: one variant on some windows of a series; all that is needed, and nothing that is shared.

    Parameters
    ----------
    variant : ModelVariant
    series : Series
        May be a part of the whole, see `part_for`.
    positions : tuple of int
        The cutoffs, as positions in `series`.
    horizon, train_size, seed
        As in `training_window`.
    """

    variant: ModelVariant
    series: Series
    positions: tuple[int, ...]
    horizon: int
    train_size: int | None
    seed: int


def forecast_windows(task: WindowsTask) -> Iterator[WindowForecast]:
    """Fit and forecast each window of a task, in order: the same numbers in whatever process it runs."""
    if task.variant.requires is not None:  # importing it is no part of the first fit
        with contextlib.suppress(ImportError):
            importlib.import_module(task.variant.requires)
    for position in task.positions:
        window = training_window(
            task.series,
            position,
            covariates=task.variant.covariates,
            horizon=task.horizon,
            train_size=task.train_size,
            seed=task.seed,
        )
        yield forecast_window(task.variant, window)


def part_for(series: Series, positions: tuple[int, ...], *, horizon: int, train_size: int | None) -> tuple[Series, int]:
    """The part of a series that windows at these cutoffs need, and how many observations lie before it."""
    begin = 0 if train_size is None else max(0, min(positions) + 1 - train_size)
    return series.part(begin, max(positions) + 1 + horizon), begin


def training_window(
    series: Series, position: int, *, covariates: tuple[str, ...], horizon: int, train_size: int | None, seed: int
) -> TrainingWindow:
    """Cut out what a model may see when the observation at `position` is the last one known.

    It begins where all the covariates asked for are known, so that a variant with a short covariate
    says so in its training span. Of what lies after the cutoff it holds the dates' covariates known in advance only.

    Parameters
    ----------
    series : Series
    position : int
        Position of the cutoff.
    covariates : tuple of str
        The covariates the variant asks for.
    horizon, train_size, seed
        As in `BacktestDefinition` and `TrainingWindow`.
    """
    start = 0 if train_size is None else max(0, position + 1 - train_size)
    x = np.empty((position + 1 - start, len(covariates)))
    for column, name in enumerate(covariates):
        x[:, column] = series.covariates[name][start : position + 1]
    known = np.flatnonzero(np.isfinite(x).all(axis=1))
    unknown = int(known[0]) if known.size else len(x)
    seen = slice(start + unknown, position + 1)
    x_future = np.full((horizon, len(covariates)), np.nan)
    for column, name in enumerate(covariates):
        if name in series.known:
            values = series.covariates[name][position + 1 : position + 1 + horizon]
            x_future[: len(values), column] = values
    return TrainingWindow(
        ds=series.ds[seen].copy(),
        y=series.y[seen].copy(),
        x=x[unknown:],
        x_future=x_future,
        covariates=covariates,
        known=tuple(name for name in covariates if name in series.known),
        horizon=horizon,
        season_length=SEASON_LENGTH[series.frequency],
        seed=seed,
    )


def window_key(variant: ModelVariant, fingerprint: str, window: TrainingWindow) -> str:
    """Digest of all a fit depends on: equal keys have equal forecasts.

    Parameters
    ----------
    variant : ModelVariant
    fingerprint : str
        Digest of the variant's code, see `models.code_fingerprint`.
    window : TrainingWindow
    """
    content = hashlib.sha256(window.ds.tobytes() + window.y.tobytes() + np.ascontiguousarray(window.x).tobytes())
    settings: list[object] = [window.covariates, window.horizon, window.season_length, window.seed]
    if window.known:  # without, the key is what it was before covariates could be known in advance
        content.update(np.ascontiguousarray(window.x_future).tobytes())
        settings.append(window.known)
    return digest([variant.type, fingerprint, variant.params, settings, content.hexdigest()])


def forecast_window(variant: ModelVariant, window: TrainingWindow) -> WindowForecast:
    """Fit a variant on a window and forecast from it; whatever it raises becomes the window's error."""
    forecast = error = fitted_at = None
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _check_future(window)
            predict = variant.function(window, **variant.params)
            fitted_at = time.perf_counter()
            forecast = _checked(predict(), window.horizon)
        except Exception as failure:  # noqa: BLE001  a model is foreign code: its failure is a row of the ledger
            error = f"{type(failure).__name__}: {failure}".strip()[:500]
    ended = time.perf_counter()
    fitted_at = fitted_at or ended
    return WindowForecast(
        y_hat=None if forecast is None else forecast.y_hat,
        quantiles={} if forecast is None else forecast.quantiles,
        error=error,
        warning=_first(caught),
        fit_seconds=fitted_at - started,
        predict_seconds=ended - fitted_at,
    )


def _check_future(window: TrainingWindow) -> None:
    """A covariate declared known must be: no model may fill in what was not given."""
    for column, name in enumerate(window.covariates):
        missing = np.flatnonzero(np.isnan(window.x_future[:, column]))
        if name in window.known and missing.size:
            msg = (
                f"covariate {name!r} is declared known in advance and has no value at step {int(missing[0]) + 1} after "
                f"the cutoff ({missing.size} of {window.horizon} steps): give it, or declare it observed"
            )
            raise InvalidInputError(msg)


def _checked(given: object, horizon: int) -> Forecast:
    """What a model returned as a forecast; its quantiles in order where sampling let them cross."""
    forecast = given if isinstance(given, Forecast) else Forecast(y_hat=_numbers(given, horizon, "the model"))
    if unknown := [level for level in forecast.quantiles if level not in QUANTILE_LEVELS]:
        msg = f"the model returned the quantile {unknown[0]!r}; {', '.join(map(str, QUANTILE_LEVELS))} are recorded"
        raise InvalidInputError(msg)
    if not forecast.quantiles:
        return Forecast(y_hat=_numbers(forecast.y_hat, horizon, "the model"))
    if lacking := [level for level in QUANTILE_LEVELS if level not in forecast.quantiles]:
        msg = f"the model returned quantiles without {lacking[0]}; give {', '.join(map(str, QUANTILE_LEVELS))} or none"
        raise InvalidInputError(msg)
    values = [
        _numbers(forecast.quantiles[level], horizon, f"quantile {level} of the model") for level in QUANTILE_LEVELS
    ]
    ordered = np.sort(np.array(values), axis=0)
    return Forecast(
        y_hat=_numbers(forecast.y_hat, horizon, "the model"), quantiles=dict(zip(QUANTILE_LEVELS, ordered, strict=True))
    )


def _numbers(given: Any, horizon: int, whose: str) -> NDArray[np.float64]:
    """An array [H] of finite numbers, or what is wrong with it."""
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{whose} returned {type(given).__name__}; an array of {horizon} numbers is needed"
        raise InvalidInputError(msg) from error
    if values.shape != (horizon,):
        msg = f"{whose} returned an array of shape {values.shape}; ({horizon},) is needed"
        raise InvalidInputError(msg)
    if not np.isfinite(values).all():
        msg = f"{whose} forecast {values[~np.isfinite(values)][0]} at step {int(np.argmin(np.isfinite(values))) + 1}"
        raise InvalidInputError(msg)
    return values


def _first(caught: list[warnings.WarningMessage]) -> str | None:
    for item in caught:
        if not issubclass(item.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning)):
            return f"{item.category.__name__}: {item.message}".strip()[:500]
    return None
