"""Walking plans forward: what the ledger holds is not made again, the rest is fitted and stored as it comes."""

from __future__ import annotations

import signal
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.science.forecasting import WindowForecast, WindowsTask, part_for, training_window, window_key
from experiments.science.metrics import scale_and_level
from experiments.services.evaluation import Evaluation, evaluation_key
from experiments.services.logged import EvaluationConfig, Window
from experiments.services.progress import progress_bar

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Generator, Iterator, Sequence

    from experiments.definitions import BacktestDefinition
    from experiments.science.series import Series
    from experiments.science.window import ModelVariant
    from experiments.services.recorder import Recorder

STORE_EVERY_SECONDS = 10
"""How often what was fitted is stored: what an interruption without warning may cost."""

WINDOWS_A_TASK = 2
"""Few enough that no worker is left with much when the others are done, or when it is interrupted."""

PLANS_A_BATCH = 200
"""Plans whose recorded forecasts are looked up at once."""

_HEAVY_FIRST = {"high": 0, "medium": 1, "low": 2}
"""By the complexity of a variant, so that the last tasks are the shortest."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One evaluation to make: a variant over the windows of a series that ends with the last actual they reach."""

    variant: ModelVariant
    series: Series
    positions: tuple[int, ...]
    config: EvaluationConfig
    definition: BacktestDefinition

    @property
    def name(self) -> tuple[str, str]:
        """The variant and the series."""
        return self.variant.name, self.series.unique_id

    @cached_property
    def cutoffs(self) -> list[dt.date]:
        """Dates of the cutoffs."""
        return [self.series.ds[position].item() for position in self.positions]

    @cached_property
    def key(self) -> str:
        """The key of the evaluation."""
        return evaluation_key(self.variant.name, self.config, self.definition, self.cutoffs)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One window of a plan; windows with equal keys have equal forecasts."""

    position: int
    key: str
    n_training: int
    training_start_date: dt.date

    @classmethod
    def of(cls, plan: Plan, position: int, seed: int) -> _Cut:
        window = training_window(
            plan.series,
            position,
            covariates=plan.variant.covariates,
            horizon=plan.definition.horizon,
            train_size=plan.definition.train_size,
            seed=seed,
        )
        return cls(
            position=position,
            key=window_key(plan.variant, plan.config.code_fingerprint or "", window),
            n_training=len(window.y),
            training_start_date=(window.ds[0] if len(window.ds) else plan.series.ds[position]).item(),
        )


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Windows of a plan that are fitted one after another, and the evaluation they are for."""

    plan: Plan
    evaluation: Evaluation
    cuts: tuple[_Cut, ...]


def walk(
    plans: Sequence[Plan],
    recorder: Recorder,
    *,
    seed: int,
    run: Callable[[Iterator[tuple[_Chunk, WindowsTask]]], Generator[tuple[_Chunk, int, WindowForecast]]],
    what: str,
    progress: bool,
) -> tuple[dict[tuple[str, str], str], int, list[str]]:
    """Make the evaluations of plans of one commodity that the ledger does not hold.

    Parameters
    ----------
    plans : sequence of Plan
    recorder : Recorder
        Holds the ledger's evaluations and takes the new ones.
    seed : int
        As in `backtest`.
    run : callable
        Who fits: `pool.run` or `fanout.run`, with all but the tasks given.
    what : str
        What the progress bar says is backtested.
    progress : bool
        Whether to show one.

    Returns
    -------
    ids : dict of (str, str) to str
        By variant and series, the evaluations.
    n_fits : int
        Windows that were fitted now.
    failures : list of str
        A line for each variant and series of which windows failed now, with the first reason.
    """
    commodity = plans[0].series.commodity
    ids = recorder.recorded(commodity, [plan.key for plan in plans])
    todo = sorted((plan for plan in plans if plan.key not in ids), key=_weight)
    walking = _Walk(recorder, seed=seed, begun=recorder.unfinished(commodity, [plan.key for plan in todo]))
    total = sum(len(plan.positions) for plan in todo)
    bar = progress_bar(f"backtesting {what}", total=total, enabled=progress)
    with (
        bar as advance,
        _interruptible(walking, advance),
        closing(run(walking.tasks(todo, advance))) as fits,
    ):
        stored_at = time.monotonic()
        try:
            for chunk, number, forecast in fits:
                walking.take(chunk.plan, chunk.evaluation, chunk.cuts[number], forecast)
                walking.n_fits += 1
                advance(chunk.plan.variant.name)
                if time.monotonic() - stored_at > STORE_EVERY_SECONDS:
                    ids |= recorder.store()
                    stored_at = time.monotonic()
            if walking.stopping:
                raise KeyboardInterrupt
            ids |= recorder.store()
        except BaseException as stopped:
            with suppress(Exception):  # what stopped it is what is told
                recorder.store()
                kept = counted(walking.n_taken - recorder.n_unwritten, "window")
                stopped.add_note(f"{kept} of {total:,} done and kept; run it again to go on")
            raise
        finally:
            recorder.discard(walking.begun.values())
    return {plan.name: ids[plan.key] for plan in plans}, walking.n_fits, walking.failures()


@contextmanager
def _interruptible(walking: _Walk, advance: Callable[..., None]) -> Iterator[None]:
    """On Ctrl-C finish what the workers hold, so that no fit is lost; on a second one stop at once."""

    def stop(number: int, frame: object) -> None:
        if walking.stopping:
            raise KeyboardInterrupt
        walking.stopping = True
        advance("finishing the fits under way; Ctrl-C again stops at once", 0)

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:  # not the main thread: Ctrl-C is not ours to hear
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)  # None: not set from Python


class _Walk:
    """What is under way: the evaluations begun, and how many windows are in."""

    def __init__(self, recorder: Recorder, *, seed: int, begun: dict[str, str]) -> None:
        self._recorder = recorder
        self._seed = seed
        self._measured: dict[tuple[str, int], tuple[float, float]] = {}
        self.begun = begun
        self.n_taken = self.n_fits = 0
        self.stopping = False
        self._errors: dict[tuple[str, str], list[str]] = {}

    def tasks(self, plans: Sequence[Plan], advance: Callable[..., None]) -> Iterator[tuple[_Chunk, WindowsTask]]:
        """What is to be fitted; the windows whose forecasts are recorded are taken on the way."""
        for first in range(0, len(plans), PLANS_A_BATCH):
            batch = plans[first : first + PLANS_A_BATCH]
            cuts = {plan.key: [_Cut.of(plan, position, self._seed) for position in plan.positions] for plan in batch}
            known = self._recorder.known_forecasts([cut.key for several in cuts.values() for cut in several])
            for plan in batch:
                evaluation = self._recorder.begin(
                    plan.variant.name, plan.config, plan.cutoffs, known_as=self.begun.get(plan.key)
                )
                self.begun[plan.key] = evaluation.experiment_id
                for cut in cuts[plan.key]:
                    if cut.key in known:
                        self.take(plan, evaluation, cut, known[cut.key])
                        advance(plan.variant.name)
                new = [cut for cut in cuts[plan.key] if cut.key not in known]
                for at in range(0, len(new), WINDOWS_A_TASK):
                    if self.stopping:
                        return
                    chunk = _Chunk(plan=plan, evaluation=evaluation, cuts=tuple(new[at : at + WINDOWS_A_TASK]))
                    yield chunk, self._task(chunk)

    def take(self, plan: Plan, evaluation: Evaluation, cut: _Cut, forecast: WindowForecast) -> None:
        """Add a window to its evaluation."""
        evaluation.add(Window.of(self._results(plan, cut, forecast)))
        self.n_taken += 1
        if forecast.error is not None:
            self._errors.setdefault(plan.name, []).append(forecast.error)

    def failures(self) -> list[str]:
        """What failed, in words."""
        return [
            f"{model} failed in {counted(len(errors), 'window')} of {series}: {errors[0]}"
            for (model, series), errors in self._errors.items()
        ]

    def _task(self, chunk: _Chunk) -> WindowsTask:
        plan = chunk.plan
        horizon, train_size = plan.definition.horizon, plan.definition.train_size
        positions = tuple(cut.position for cut in chunk.cuts)
        series, before = part_for(plan.series, positions, horizon=horizon, train_size=train_size)
        return WindowsTask(
            variant=plan.variant,
            series=series,
            positions=tuple(position - before for position in positions),
            horizon=horizon,
            train_size=train_size,
            seed=self._seed,
        )

    def _results(self, plan: Plan, cut: _Cut, forecast: WindowForecast) -> dict[str, Any]:
        """The hook's `results` of one window."""
        series, position = plan.series, cut.position
        after = slice(position + 1, position + 1 + plan.definition.horizon)
        at = (series.unique_id, position)
        if at not in self._measured:
            self._measured[at] = scale_and_level(series.y[: position + 1])
        scale, level = self._measured[at]
        results = {
            "cutoff": series.ds[position].item(),
            "day0": float(series.y[position]),
            "scale": scale,
            "level": level,
            "window_key": cut.key,
            "n_training": cut.n_training,
            "training_start_date": cut.training_start_date,
            "fit_seconds": forecast.fit_seconds,
            "predict_seconds": forecast.predict_seconds,
            "warning": forecast.warning,
        }
        if forecast.y_hat is None:
            return results | {"error": forecast.error}
        quantiles = {at_level: values.tolist() for at_level, values in forecast.quantiles.items()}
        forecasts = {"ds": series.ds[after].tolist(), "y": series.y[after].tolist(), "y_hat": forecast.y_hat.tolist()}
        return results | forecasts | {"quantiles": quantiles}


def _weight(plan: Plan) -> int:
    return _HEAVY_FIRST.get(str(plan.variant.experiment_tags.get("complexity")), 0)
