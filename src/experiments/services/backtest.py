"""The walk-forward backtest: from prices and settings to evaluations in the ledger and a leaderboard."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.definitions import SEASON_LENGTH, BacktestDefinition, check_count, check_text
from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.identity import digest
from experiments.science.features import with_features
from experiments.science.grid import cutoff_positions, find_grid
from experiments.science.models import choose, code_fingerprint, feature_config
from experiments.science.series import Series, check_covariates, prepare
from experiments.science.span import Span, covered_span
from experiments.services import fanout, pool
from experiments.services.decisions.active import pruned_of, registry_path
from experiments.services.ledger import Ledger, current
from experiments.services.logged import EvaluationConfig
from experiments.services.pool import check_time_limit, cores
from experiments.services.progress import progress_bar
from experiments.services.provenance import check_settings
from experiments.services.walk import Plan, walk
from experiments.storage.files import turn

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from experiments.science.window import ModelVariant
    from experiments.storage.engine import Engine

DEFAULT_SEED = 42

TIME_LIMIT_SECONDS = 300.0
"""What one fit may take."""


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """What a backtest did.

    `experiment_ids` maps (variant, series) to its evaluation; `n_fits` counts the windows fitted now,
    `n_reused` those whose forecasts the ledger held already; `notes` say, a line each, what is odd about the data,
    what was left out and why.
    """

    definition: BacktestDefinition
    experiment_ids: Mapping[tuple[str, str], str]
    leaderboard: pd.DataFrame
    n_fits: int
    n_reused: int
    seconds: float
    notes: tuple[str, ...]


def backtest(  # noqa: PLR0913  the settings of a backtest are its vocabulary; all but two have defaults
    data: pd.DataFrame,
    *,
    commodity: str,
    models: Sequence[str] | None = None,
    covariates: Mapping[str, pd.DataFrame] | None = None,
    known_covariates: Mapping[str, pd.DataFrame] | None = None,
    horizon: int = 14,
    n_windows: int = 40,
    step_size: int | None = None,
    train_size: int | None = 1000,
    seed: int = DEFAULT_SEED,
    data_version: str | None = None,
    as_of: dt.date | None = None,
    time_limit: float = TIME_LIMIT_SECONDS,
    workers: int | str | None = None,
    ledger: Ledger | Callable[[], Ledger] | None = None,
    progress: bool = True,
) -> BacktestResult:
    """Walk variants forward over the windows of a series and log every window to the ledger.

    An evaluation the ledger holds already (same variant, code, data and definition) is not made again, and a window
    whose fit depends on nothing new (same variant, code, seed and training data) is not fitted again. What is fitted is
    stored every few seconds: after an interruption the same call goes on where it was. Two backtests of a commodity at
    once take turns, on one machine. Windows are confined to where
    all the covariates given are known, the same for every variant.

    Parameters
    ----------
    data : DataFrame
        Columns `ds` and `y`, and `unique_id` where the commodity has several series.
    commodity : str
        What is forecast, such as "Coffee".
    models : sequence of str, optional
        Variants of the registry; by default all whose covariates are given and that are not pruned for the commodity,
        each fit once.
    covariates : mapping of str to DataFrame, optional
        By name, frames with `ds` and one value column; observed, that is known up to each cutoff and not beyond.
        `ds` is the date from which a value is known, see `science.series.prepare`.
    known_covariates : mapping of str to DataFrame, optional
        The same, known in advance at every date they have, such as a calendar or a tariff.
    horizon, n_windows, step_size, train_size
        As in `BacktestDefinition`; `step_size` is the horizon by default.
    seed : int
        Seed handed to every model.
    data_version : str, optional
        The caller's name of the data, recorded with every evaluation.
    as_of : datetime.date, optional
        As if nothing observed later had been given.
    time_limit : float
        Seconds a fit may take; one that takes longer is a failed window.
    workers : int or "spark", optional
        Processes of this machine that fit; 0 to fit in this one, where a debugger can follow and no time limit holds;
        "spark" to spread the fits over the machines of the ledger's Spark, not with the engine sail. By default
        "spark" on a cluster of Databricks that has workers, else one a core. The forecasts do not depend on it.
    ledger : Ledger or callable, optional
        By default the one opened last, else the default one. A callable is asked for it once everything is checked
        that needs none.
    progress : bool
        Whether to show a progress bar on standard error.

    Raises
    ------
    InvalidInputError
        If the data or a setting cannot be used, or the engine spreads no fits; nothing was fitted or written.
    EngineError
        If Spark gives up on fits it was given; what was fitted is kept.
    NotEnoughDataError
        If a series, or what the covariates cover of it, is too short for the windows.
    NotFoundError
        If a model is not in the registry.
    """
    started = time.perf_counter()
    seed = check_count("seed", seed, least=0)
    if data_version is not None:
        check_text("data_version", data_version)
    observed = check_covariates("covariates", covariates)
    in_advance = check_covariates("known_covariates", known_covariates)
    time_limit = check_time_limit(time_limit)
    if isinstance(workers, str):
        fanout.check_spread(workers)
    elif workers is not None:
        check_count("workers", workers, least=0)
    variants, left_out = choose(models, [*observed, *in_advance])
    if models is None:
        variants, pruned = _in_use(variants, commodity)
        left_out += pruned
    series = prepare(data, commodity=commodity, covariates=observed, known_covariates=in_advance, as_of=as_of)
    doing = commodity if as_of is None else f"{commodity} as of {as_of}"
    definition = BacktestDefinition(
        commodity=commodity,
        frequency=series[0].frequency,
        horizon=horizon,
        step_size=horizon if step_size is None else step_size,
        n_windows=n_windows,
        train_size=train_size,
        covariates={name: "known" if name in in_advance else "observed" for name in sorted([*observed, *in_advance])},
    )
    min_train = _min_train(definition)
    check_settings()
    spans = [covered_span(one, definition.horizon) for one in series]
    for span in spans:
        _check_length(span, definition, min_train)
    # nothing above needs the ledger: what is refused there leaves none behind
    ledger = (ledger() if callable(ledger) else ledger) or current()
    run = _who_fits(workers, ledger.engine, time_limit)
    with _alone(ledger.engine, commodity, progress=progress):
        definition, counted_from, begun = _on_grid(definition, spans, ledger)
        plans: list[Plan] = []
        notes: list[str] = []
        for one, span in zip(series, spans, strict=True):
            positions = _positions(span, definition, counted_from[one.unique_id], min_train)
            told = [*one.notes, *_end_note(one, span, positions, definition), *begun]
            notes += told
            # observations after the last window change nothing, so they make no other evaluation
            seen = span.series.head(positions[-1] + 1 + definition.horizon)
            said = {"data_version": data_version, "data_notes": "; ".join(told) or None}
            for variant in variants:
                whole, running = with_features(seen, variant, positions)
                config = EvaluationConfig.of(_config(running, whole, definition, seed) | said)
                plans.append(
                    Plan(variant=running, series=whole, positions=positions, config=config, definition=definition)
                )
        ids, n_fits, failures = walk(plans, ledger.recorder, seed=seed, run=run, what=doing, progress=progress)
    board = ledger.leaderboard(commodity, definition.backtest_id)
    latest = board["data_as_of"].dropna().max()
    if latest > max(plan.series.ds[-1].item() for plan in plans):
        notes.append(f"the ledger has evaluations on data up to {latest}: the leaderboard is of those")
    return BacktestResult(
        definition=definition,
        experiment_ids=ids,
        leaderboard=board,
        n_fits=n_fits,
        n_reused=len(plans) * definition.n_windows - n_fits,
        seconds=time.perf_counter() - started,
        notes=tuple(dict.fromkeys([*notes, *left_out, *failures])),
    )


def _who_fits(workers: int | str | None, engine: Engine, time_limit: float) -> Callable[..., Any]:
    """What runs the tasks of a walk."""
    if workers is None:
        workers = fanout.SPREAD if fanout.has_machines(engine) else cores()
    if isinstance(workers, str):
        fanout.check_spread(workers, engine)
        return partial(fanout.run, engine=engine, time_limit=time_limit)
    return partial(pool.run, workers=workers, time_limit=time_limit)


@contextmanager
def _alone(engine: Engine, commodity: str, *, progress: bool) -> Iterator[None]:
    """Wait until no other backtest of a commodity is under way on this machine: what it fits is not fitted again."""
    lock = f"_backtest_{digest(commodity)}.lock"
    with ExitStack() as held:
        if not held.enter_context(turn(engine.location, lock, wait=False)):
            with progress_bar(f"waiting for another backtest of {commodity}", total=1, enabled=progress):
                held.enter_context(turn(engine.location, lock))
        yield


def _in_use(variants: Sequence[ModelVariant], commodity: str) -> tuple[list[ModelVariant], list[str]]:
    """The variants that the active registry does not take out, and in words those it does."""
    pruned = pruned_of(commodity)
    notes = [
        f"{one.model} left out: pruned for {commodity} on {one.since} ({one.why}), says {registry_path()}"
        for one in pruned.values()
    ]
    return [one for one in variants if (one.name, one.version) not in pruned], notes


def _min_train(definition: BacktestDefinition) -> int:
    """Observations the first window needs to train on."""
    season_length = SEASON_LENGTH[definition.frequency]
    min_train = max(30, 3 * definition.horizon, 2 * season_length)
    if definition.train_size is not None and definition.train_size < min_train:
        msg = (
            f"train_size is {definition.train_size}: a horizon of {definition.horizon} with seasons of "
            f"{season_length} needs at least {min_train} observations to train on."
        )
        raise NotEnoughDataError(msg)
    return min_train


def _on_grid(
    definition: BacktestDefinition, spans: Sequence[Span], ledger: Ledger
) -> tuple[BacktestDefinition, Mapping[str, dt.date], list[str]]:
    """The definition with its grid's origin, the date to count from in each series, and whether the grid is new."""
    recorded = ledger.grid_origins(definition.commodity, definition.frequency, definition.step_size)
    found = find_grid(recorded, {span.series.unique_id: span.series.ds for span in spans})
    if found is None:
        listed = "; ".join(f"{one.unique_id} from {one.ds[0]} to {one.ds[-1]}" for one in (s.series for s in spans))
        msg = f"the series of {definition.commodity} have no date in common ({listed}): give those that overlap."
        raise InvalidInputError(msg)
    origin, counted_from = found
    notes = []
    if recorded and origin not in {known for known, _, _ in recorded}:
        notes.append(
            f"no cutoff recorded earlier is a date of every series: the grid starts anew on {origin}, and its windows "
            "are compared with none before"
        )
    return replace(definition, grid_origin=origin), counted_from, notes


def _check_length(span: Span, definition: BacktestDefinition, min_train: int) -> None:
    """Refuse a series too short for its windows on whatever grid; it is told what one from its first date needs."""
    ds = span.series.ds
    best = ds[min(span.begin + min_train, len(ds)) - 1].item()
    try:
        _positions(span, definition, best, min_train)
    except NotEnoughDataError:
        _positions(span, definition, ds[0].item(), min_train)
        raise


def _positions(span: Span, definition: BacktestDefinition, counted_from: dt.date, min_train: int) -> tuple[int, ...]:
    series = span.series
    try:
        positions = cutoff_positions(
            series.ds,
            origin=counted_from,
            horizon=definition.horizon,
            step_size=definition.step_size,
            n_windows=definition.n_windows,
            min_train=min_train,
            begin=span.begin,
        )
    except NotEnoughDataError as error:
        why = "".join(f" {reason}." for reason in (span.begin_reason, span.end_reason) if reason)
        msg = f"{series.called}: {error}{why}"
        raise NotEnoughDataError(msg) from error
    return tuple(int(position) for position in positions)


def _end_note(series: Series, span: Span, positions: Sequence[int], definition: BacktestDefinition) -> list[str]:
    """In words the windows that a covariate's end removed, if any."""
    more = (len(series.ds) - 1 - definition.horizon - positions[-1]) // definition.step_size
    if span.end_reason is None or not more:
        return []
    last, own = series.ds[positions[-1]], series.ds[positions[-1] + more * definition.step_size]
    return [f"windows of {series.called} end with the cutoff {last}, not {own}: {span.end_reason}"]


def _config(variant: ModelVariant, series: Series, definition: BacktestDefinition, seed: int) -> dict[str, Any]:
    """The hook's `config` of one evaluation; the series ends with the last actual a window can reach."""
    exog_vars = {"exog_vars": ",".join(variant.covariates)} if variant.covariates else {}
    return {
        "commodity": series.commodity,
        "unique_id": series.unique_id,
        "model_type": variant.type,
        "model_version": variant.version,
        "hyperparameters": {**variant.params, **exog_vars},
        "feature_config": feature_config(variant, definition.covariates),
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
