"""The walk-forward backtester: fits every variant on every window and logs each through the hook."""

from __future__ import annotations

import os
import time
import warnings
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from experiments.definitions import SEASON_LENGTH, BacktestDefinition
from experiments.errors import InvalidInputError, NotEnoughDataError, unknown
from experiments.science.forecasting import WindowForecast, forecast_window, training_window, window_key
from experiments.science.grid import cutoff_positions
from experiments.science.metrics import scale_and_level
from experiments.science.models import BASELINE_MODELS, code_fingerprint
from experiments.science.series import Series, prepare
from experiments.services.evaluation import evaluation_key
from experiments.services.ledger import Ledger, current
from experiments.services.logged import EvaluationConfig
from experiments.services.progress import progress_bar

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Mapping, Sequence

    import pandas as pd

    from experiments.science.window import ModelVariant, TrainingWindow

DEFAULT_SEED = 42


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """What a backtest did.

    `experiment_ids` maps (variant, series) to its evaluation; `n_fits` counts the windows fitted now,
    `n_reused` those whose forecasts the ledger held already; `notes` say what was left out and why.
    """

    definition: BacktestDefinition
    experiment_ids: Mapping[tuple[str, str], str]
    leaderboard: pd.DataFrame
    n_fits: int
    n_reused: int
    seconds: float
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """One evaluation to make: a variant over the windows of a series."""

    variant: ModelVariant
    series: Series
    positions: tuple[int, ...]
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One window of a plan; tasks with equal keys have equal forecasts."""

    plan: _Plan
    position: int
    key: str

    @classmethod
    def of(cls, plan: _Plan, position: int, definition: BacktestDefinition, seed: int) -> _Task:
        window = _window(plan, position, definition, seed)
        key = window_key(plan.variant, plan.config["code_fingerprint"], window)
        return cls(plan=plan, position=position, key=key)


def backtest(  # noqa: PLR0913  the settings of a backtest are its vocabulary; all but two have defaults
    data: pd.DataFrame,
    *,
    commodity: str,
    models: Sequence[str] | None = None,
    covariates: Mapping[str, pd.DataFrame] | None = None,
    horizon: int = 14,
    n_windows: int = 40,
    step_size: int | None = None,
    train_size: int | None = 1000,
    seed: int = DEFAULT_SEED,
    ledger: Ledger | None = None,
    progress: bool = True,
) -> BacktestResult:
    """Walk variants forward over the windows of a series and log every window to the ledger.

    An evaluation the ledger holds already (same variant, code, data and definition) is not made again, and a window
    whose fit depends on nothing new (same variant, code, seed and training data) is not fitted again.

    Parameters
    ----------
    data : DataFrame
        Columns `ds` and `y`, and `unique_id` where the commodity has several series.
    commodity : str
        What is forecast, such as "Coffee".
    models : sequence of str, optional
        Variants of the registry; by default all whose covariates are given.
    covariates : mapping of str to DataFrame, optional
        By name, frames with `ds` and one value column; known up to each cutoff, not beyond.
    horizon, n_windows, step_size, train_size
        As in `BacktestDefinition`; `step_size` is the horizon by default.
    seed : int
        Seed handed to every model.
    ledger : Ledger, optional
        By default the one opened last, else the default one.
    progress : bool
        Whether to show a progress bar on standard error.

    Raises
    ------
    InvalidInputError
        If the data or a setting cannot be used; nothing was fitted or written.
    NotEnoughDataError
        If the series is too short for the windows.
    NotFoundError
        If a model is not in the registry.
    """
    started = time.perf_counter()
    variants, notes = _choose(models, covariates or {})
    series = prepare(data, commodity=commodity, covariates=covariates)
    ledger = ledger or current()
    step_size = horizon if step_size is None else step_size
    origin = ledger.grid_origin(commodity, series[0].frequency, step_size) or series[0].ds[0].item()
    definition = BacktestDefinition(
        commodity=commodity,
        frequency=series[0].frequency,
        horizon=horizon,
        step_size=step_size,
        n_windows=n_windows,
        train_size=train_size,
        grid_origin=origin,
        covariates=dict.fromkeys(sorted(covariates or {}), "observed"),
    )
    plans = [plan for one in series for plan in _plan(one, variants, definition, seed)]
    recorded = {_key(plan): ledger.recorder.recorded(commodity, _evaluation_key(plan, definition)) for plan in plans}
    ids = {key: found for key, found in recorded.items() if found is not None}
    todo = [plan for plan in plans if _key(plan) not in ids]
    tasks = [_Task.of(plan, position, definition, seed) for plan in todo for position in plan.positions]
    known = ledger.recorder.known_forecasts([task.key for task in tasks])
    to_fit = [task for task in tasks if task.key not in known]
    reused = [(task, known[task.key]) for task in tasks if task.key in known]
    bar = progress_bar("backtesting", total=len(tasks), enabled=progress)
    with bar as advance, closing(_fit(to_fit, definition, seed)) as fits:
        try:
            for task, forecast in chain(reused, fits):
                ids[_key(task.plan)] = ledger.log_experiment(
                    task.plan.variant.name, _results(task, forecast, definition), task.plan.config
                )
                advance(task.plan.variant.name)
        except BaseException:
            ledger.recorder.discard(ids.values())
            raise
    return BacktestResult(
        definition=definition,
        experiment_ids={key: ids[key] for key in map(_key, plans)},
        leaderboard=ledger.leaderboard(commodity, definition.backtest_id),
        n_fits=len(to_fit),
        n_reused=len(plans) * n_windows - len(to_fit),
        seconds=time.perf_counter() - started,
        notes=(*series[0].notes, *notes),
    )


def _choose(models: Sequence[str] | None, covariates: Mapping[str, Any]) -> tuple[list[ModelVariant], list[str]]:
    """The variants to run, and in words those left out because a covariate was not given."""
    models = [models] if isinstance(models, str) else models
    for name in models or ():
        if name not in BASELINE_MODELS:
            raise unknown("model", name, BASELINE_MODELS)
    asked = [BASELINE_MODELS[name] for name in dict.fromkeys(models if models is not None else BASELINE_MODELS)]
    if not asked:
        msg = f"no model was named; the registry has {', '.join(sorted(BASELINE_MODELS))}."
        raise InvalidInputError(msg)
    lacking = {
        variant.name: [name for name in variant.covariates if name not in covariates]
        for variant in asked
        if not set(variant.covariates) <= set(covariates)
    }
    if models is not None and lacking:
        name, missing = next(iter(lacking.items()))
        given = ", ".join(covariates) or "none"
        msg = f"{name} needs the covariate {missing[0]!r}; given: {given}."
        raise InvalidInputError(msg)
    notes = [f"{name} left out: the covariate {missing[0]} was not given" for name, missing in lacking.items()]
    return [variant for variant in asked if variant.name not in lacking], notes


def _plan(series: Series, variants: Sequence[ModelVariant], definition: BacktestDefinition, seed: int) -> list[_Plan]:
    season_length = SEASON_LENGTH[series.frequency]
    min_train = max(30, 3 * definition.horizon, 2 * season_length)
    if definition.train_size is not None and definition.train_size < min_train:
        msg = (
            f"train_size is {definition.train_size}: a horizon of {definition.horizon} with seasons of "
            f"{season_length} needs at least {min_train} observations to train on."
        )
        raise NotEnoughDataError(msg)
    positions = cutoff_positions(
        series.ds,
        origin=_origin(definition),
        horizon=definition.horizon,
        step_size=definition.step_size,
        n_windows=definition.n_windows,
        min_train=min_train,
    )
    return [
        _Plan(
            variant=variant,
            series=series,
            positions=tuple(int(position) for position in positions),
            config=_config(variant, series, definition, seed),
        )
        for variant in variants
    ]


def _origin(definition: BacktestDefinition) -> dt.date:
    if definition.grid_origin is None:
        msg = "the backtest has no grid origin: only a loop of the caller goes without."
        raise InvalidInputError(msg)
    return definition.grid_origin


def _config(variant: ModelVariant, series: Series, definition: BacktestDefinition, seed: int) -> dict[str, Any]:
    """The hook's `config` of one evaluation."""
    return {
        "commodity": series.commodity,
        "unique_id": series.unique_id,
        "model_type": variant.type,
        "model_version": variant.version,
        "hyperparameters": dict(variant.params),
        "feature_config": {name: name in variant.covariates for name in definition.covariates},
        "forecast_horizon_days": definition.horizon,
        "frequency": definition.frequency,
        "n_windows": definition.n_windows,
        "step_size": definition.step_size,
        "train_size": definition.train_size,
        "grid_origin": definition.grid_origin,
        "covariates": dict(definition.covariates),
        "data_as_of": series.ds[-1].item(),
        "dataset_version": series.dataset_version(variant.covariates),
        "random_seed": seed,
        "code_fingerprint": code_fingerprint(variant),
        "tags": [f"{name}={value}" for name, value in variant.experiment_tags.items()],
    }


def _evaluation_key(plan: _Plan, definition: BacktestDefinition) -> str:
    cutoffs = [plan.series.ds[position].item() for position in plan.positions]
    return evaluation_key(plan.variant.name, EvaluationConfig.of(plan.config), definition, cutoffs)


def _key(plan: _Plan) -> tuple[str, str]:
    return plan.variant.name, plan.series.unique_id


def _fit(tasks: Sequence[_Task], definition: BacktestDefinition, seed: int) -> Generator[tuple[_Task, WindowForecast]]:
    """Fit in worker processes, one thread each; results come as they are ready."""
    if not tasks:
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        results = Parallel(n_jobs=os.cpu_count(), return_as="generator_unordered", pre_dispatch="4 * n_jobs")(
            delayed(_numbered)(number, task.plan.variant, _window(task.plan, task.position, definition, seed))
            for number, task in enumerate(tasks)
        )
        try:
            for number, forecast in results:
                yield tasks[number], forecast
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that its tasks are cancelled is no news
                results.close()


def _numbered(number: int, variant: ModelVariant, window: TrainingWindow) -> tuple[int, WindowForecast]:
    return number, forecast_window(variant, window)


def _window(plan: _Plan, position: int, definition: BacktestDefinition, seed: int) -> TrainingWindow:
    return training_window(
        plan.series,
        position,
        covariates=plan.variant.covariates,
        horizon=definition.horizon,
        train_size=definition.train_size,
        seed=seed,
    )


def _results(task: _Task, forecast: WindowForecast, definition: BacktestDefinition) -> dict[str, Any]:
    """The hook's `results` of one window."""
    series, position = task.plan.series, task.position
    after = slice(position + 1, position + 1 + definition.horizon)
    scale, level = scale_and_level(series.y[: position + 1])
    window = _window(task.plan, position, definition, seed=0)
    results = {
        "cutoff": series.ds[position].item(),
        "day0": float(series.y[position]),
        "scale": scale,
        "level": level,
        "window_key": task.key,
        "n_training": len(window.y),
        "training_start_date": window.ds[0].item() if len(window.ds) else series.ds[position].item(),
        "fit_seconds": forecast.fit_seconds,
        "predict_seconds": forecast.predict_seconds,
        "warning": forecast.warning,
    }
    if forecast.y_hat is None:
        return results | {"error": forecast.error}
    return results | {"ds": series.ds[after].tolist(), "y": series.y[after].tolist(), "y_hat": forecast.y_hat.tolist()}
