"""Does a model look ahead? Its data are changed after a cutoff and before it, and its fits are repeated.

Everything runs in one process on the same objects, so that what a model keeps from one fit to the next is there to be
seen. What it holds by itself is found in its closures, globals and attributes, see `held`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE, counted
from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.features import with_features
from experiments.science.forecasting import forecast_window, training_window
from experiments.science.lookahead import held
from experiments.science.lookahead.held import level_of
from experiments.science.lookahead.watching import watched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.series import Series
    from experiments.science.window import ModelVariant, TrainingWindow

FACTORS = (-3.0, 40.0)
"""What comes after a cutoff is multiplied by each of these in turn, and noise of its own level added."""

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check saw.

    Parameters
    ----------
    check : str
        "fits", "future", "own data", "past", "stale", "repeat" or "files".
    passed : bool
    seen : str
        In words, with the dates and numbers.
    """

    check: str
    passed: bool
    seen: str


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A window and what was forecast from it, [H], or [4, H] with quantiles; or the error."""

    cutoff: str
    window: TrainingWindow | None = None
    values: NDArray[np.float64] | None = None
    error: str | None = None


@dataclass(kw_only=True)
class _Bench:
    """One model on one series, fitted again and again; counts the fits and what they open."""

    variant: ModelVariant
    series: Series
    horizon: int
    train_size: int | None
    seed: int
    fitted: Callable[[], None]
    reached: held.Reached = field(init=False)
    forget: Callable[[], None] = field(init=False)
    opened: dict[str, None] = field(default_factory=dict)
    n_fits: int = 0

    def __post_init__(self) -> None:
        variant = self.variant
        self.reached = held.reach(
            {"the function": variant.function, "the features": variant.features, "the parameters": variant.params}
        )
        self.forget = held.remember(self.reached)

    def window(self, series: Series, position: int) -> _Outcome:
        """What the model may see at a cutoff, its features computed from the whole of the series."""
        cutoff = str(self.series.ds[position])
        try:
            # as a backtest does, but at the end of the series, where a look ahead is not refused: here it is found
            series, running = with_features(series, self.variant, [len(series.y) - 1])
        except InvalidInputError as error:
            return _Outcome(cutoff=cutoff, error=str(error)[:500])
        window = training_window(
            series,
            position,
            covariates=running.covariates,
            horizon=self.horizon,
            train_size=self.train_size,
            seed=self.seed,
        )
        return _Outcome(cutoff=cutoff, window=window)

    def fit(self, position: int, series: Series | None = None, *, kept: bool = False, state: int = 0) -> _Outcome:
        """Fit at a cutoff, afresh or after what was kept of earlier fits, with the global random state given."""
        if not kept:
            self.forget()
        self.n_fits += 1
        with _global_randomness(state), watched() as opened:
            outcome = self.window(self.series if series is None else series, position)
            if outcome.window is not None:
                made = forecast_window(self.variant, outcome.window)
                values = None if made.y_hat is None else np.array([made.y_hat, *made.quantiles.values()])
                outcome = replace(outcome, values=values, error=made.error)
        self.opened |= dict.fromkeys(opened)
        self.fitted()
        return outcome


def check_lookahead(  # noqa: PLR0913  the settings of a window, and two of the check
    variant: ModelVariant,
    series: Series,
    *,
    horizon: int,
    train_size: int | None,
    seed: int,
    n_cutoffs: int = 3,
    fitted: Callable[[], None] = lambda: None,
) -> tuple[Finding, ...]:
    """Check that a model's forecasts depend on what is given to it up to the cutoff, on all of it, and nothing else.

    Parameters
    ----------
    variant : ModelVariant
        As it runs: its covariates by name, see `ModelVariant.given`.
    series : Series
        With the covariates the variant asks for.
    horizon, train_size, seed
        As in `TrainingWindow` and `BacktestDefinition`.
    n_cutoffs : int
        Cutoffs tried, spread over the part of the series in which all covariates are known.
    fitted : callable
        Called after each fit; there are about `expected_fits`.

    Returns
    -------
    tuple of Finding
        One of each check, in the order of `Finding.check`. If two fits with one seed disagree, the checks that compare
        forecasts say nothing and are left out; if no fit succeeds, all but "fits" and "files".

    Raises
    ------
    NotEnoughDataError
        If the series is too short for a cutoff with `horizon` observations after it.
    """
    bench = _Bench(variant=variant, series=series, horizon=horizon, train_size=train_size, seed=seed, fitted=fitted)
    try:
        return tuple(_findings(bench, _cutoffs(bench, n_cutoffs)))
    finally:
        bench.forget()


def expected_fits(n_cutoffs: int = 3) -> int:
    """Fits of a check that finds nothing."""
    return 4 * n_cutoffs + 5 + (n_cutoffs > 1)


def _cutoffs(bench: _Bench, n_cutoffs: int) -> list[int]:
    """Positions spread from where the windows are full, or a third of the way where they never are, to the end."""
    series = bench.series
    last = len(series.y) - 1 - bench.horizon
    known = np.all([np.isfinite(series.covariates[name]) for name in bench.variant.covariates], axis=0)
    start = int(np.argmax(known)) if np.ndim(known) and known.any() else 0
    if last - start < _SHOWN:
        msg = (
            f"{series.called} has {counted(len(series.y) - start, 'observation')} with all covariates: a check needs "
            f"{bench.horizon} after the last cutoff and at least {_SHOWN + 1} up to it."
        )
        raise NotEnoughDataError(msg)
    full = min(bench.train_size or len(series.y), (last - start) * 2 // 3)
    first = start + max(full, (last - start) // 3)
    return sorted({int(position) for position in np.linspace(last, first, n_cutoffs)})


def _findings(bench: _Bench, cutoffs: list[int]) -> Iterator[Finding]:
    fresh = {position: bench.fit(position) for position in cutoffs}
    failed = [one for one in fresh.values() if one.error is not None]
    fits = {position: one for position, one in fresh.items() if one.error is None}
    compared: list[Finding] = []
    if fits:
        repeat = _repeat(bench, fits)
        compared = [repeat]
        if repeat.passed:
            compared = [_future(bench, fits), _own_data(bench, fits), _past(bench, fits), _stale(bench, fits), repeat]
    if failed:
        yield Finding(check="fits", passed=False, seen=f"fails at the cutoff {failed[0].cutoff}: {failed[0].error}")
    else:
        dates = ", ".join(one.cutoff for one in fresh.values())
        yield Finding(check="fits", passed=True, seen=f"{counted(bench.n_fits, 'fit')}, at the cutoffs {dates}")
    yield from compared
    yield _files(bench)


def _future(bench: _Bench, fits: dict[int, _Outcome]) -> Finding:
    """Nothing that comes after a cutoff may change its window or its forecast."""
    for position, fresh in fits.items():
        whole = bench.series
        cut = bench.window(whole.head(position + 1 + bench.horizon), position)
        if change := _window_change(fresh, cut, exact=False):
            seen = f"{change} when the series ends {bench.horizon} observations after the cutoff {fresh.cutoff}"
            return Finding(check="future", passed=False, seen=seen)
        for factor in FACTORS:
            draw = np.random.default_rng([bench.seed, position])
            other = bench.fit(position, _changed_after(whole, position, factor, draw))
            change = _window_change(fresh, other) or _change(fresh, other)
            if change:
                seen = f"{change} when only what comes after the cutoff {fresh.cutoff} was changed"
                return Finding(check="future", passed=False, seen=seen)
    more = bench.variant.covariates or bench.variant.features
    what = "values, observed covariates and features" if more else "values"
    seen = f"the same to the last bit with other {what} after the cutoff ({2 * len(fits)} times)"
    return Finding(check="future", passed=True, seen=seen)


def _own_data(bench: _Bench, fits: dict[int, _Outcome]) -> Finding:
    """What a model holds by itself of the time after a cutoff may not change its forecast."""
    names: dict[str, None] = {}
    for position, fresh in fits.items():
        bench.forget()
        found = held.holdings(bench.reached, bench.series, position)
        names |= dict.fromkeys(one.called for one in found)
        if not found:
            continue
        if fixed := [one.called for one in found if one.is_fixed]:
            seen = (
                f"holds what comes after the cutoff {fresh.cutoff} in {_some(fixed)}: it cannot be changed in place to "
                "see whether it is used. What is known in advance is given as a known covariate"
            )
            return Finding(check="own data", passed=False, seen=seen)
        with held.changed(found, np.random.default_rng(bench.seed)):
            other = bench.fit(position, kept=True)
        change = _window_change(fresh, other) or _change(fresh, other)
        if change:
            seen = (
                f"{change} when what it holds after the cutoff {fresh.cutoff} was changed: {_some(list(names))}. What "
                "is known in advance is given as a known covariate"
            )
            return Finding(check="own data", passed=False, seen=seen)
    seen = "no frame, array, list or text it holds goes on beyond a cutoff"
    if names:
        seen = f"holds {_some(list(names))}; what is in there after a cutoff changes no forecast"
    return Finding(check="own data", passed=True, seen=seen)


def _past(bench: _Bench, fits: dict[int, _Outcome]) -> Finding:
    """A forecast must move with what comes before its cutoff."""
    smallest = float("inf")
    for position, fresh in fits.items():
        other = bench.fit(position, _changed_before(bench.series, position, np.random.default_rng(bench.seed)))
        if other.error is not None:
            seen = f"fails at the cutoff {fresh.cutoff} once its past is moved by a quarter: {other.error}"
            return Finding(check="past", passed=False, seen=seen)
        level = level_of(bench.series.y[: position + 1])
        moved = float(np.max(np.abs(_values(other)[0] - _values(fresh)[0])))
        if moved <= EQUALITY_TOLERANCE * level:
            seen = (
                f"the forecast from {fresh.cutoff} stays at {_values(fresh)[0, 0]:.6g} when all that comes before is "
                "moved by a quarter: a constant, or the answer of another fit"
            )
            return Finding(check="past", passed=False, seen=seen)
        smallest = min(smallest, moved / level)
    seen = f"moves by {100 * smallest:.2g} % of the level or more when all that comes before is moved by a quarter"
    return Finding(check="past", passed=True, seen=seen)


def _stale(bench: _Bench, fits: dict[int, _Outcome]) -> Finding:
    """What an earlier fit leaves behind may not change a later one: at another cutoff, in either order."""
    first, last = min(fits), max(fits)
    before = last - 1
    early = bench.fit(before)
    orders = [(last, fits[last], bench.fit(last, kept=True))]  # after the one before
    bench.forget()
    if first != last:
        orders.append((first, fits[first], bench.fit(first)))
        orders.append((last, fits[last], bench.fit(last, kept=True)))
    else:
        bench.fit(last)
    orders.append((before, early, bench.fit(before, kept=True)))  # after the later one
    for position, afresh, after in orders:
        if change := _change(afresh, after):
            seen = f"from the cutoff {bench.series.ds[position]} {change} after a fit at another cutoff: a fit is kept"
            return Finding(check="stale", passed=False, seen=seen)
    dates = ", ".join(str(bench.series.ds[position]) for position in dict.fromkeys((first, before, last)))
    seen = f"fits at {dates}, one after the other in both orders, forecast as afresh"
    return Finding(check="stale", passed=True, seen=seen)


def _repeat(bench: _Bench, fits: dict[int, _Outcome]) -> Finding:
    """Two fits with one seed agree, whatever the state of the global generators."""
    position = max(fits)
    again = bench.fit(position, state=1)
    change = _change(fits[position], again)
    if not change:
        seen = f"two fits with seed {bench.seed} agree to the last bit, with other global random states"
        return Finding(check="repeat", passed=True, seen=seen)
    own = _change(fits[position], bench.fit(position))
    why = "it draws at random without window.seed" if own else "it draws from the global generator, not by window.seed"
    seen = f"{change} in a second fit with the seed {bench.seed}: {why}. Nothing else can be told until it repeats"
    return Finding(check="repeat", passed=False, seen=seen)


def _files(bench: _Bench) -> Finding:
    opened = list(bench.opened)
    if opened:
        return Finding(check="files", passed=False, seen=f"while it fits it {_some(opened)}: data it is not given")
    return Finding(
        check="files", passed=True, seen="opens no data file, program or socket through Python while it fits"
    )


def _changed_after(series: Series, position: int, factor: float, draw: np.random.Generator) -> Series:
    """Other values and observed covariates after a cutoff: another level, another sign, and noise."""

    def other(values: NDArray[np.float64]) -> NDArray[np.float64]:
        after = values[position + 1 :]
        noise = level_of(values) * draw.normal(size=after.shape)
        return np.concatenate([values[: position + 1], factor * after + noise])

    covariates = {name: values if name in series.known else other(values) for name, values in series.covariates.items()}
    return replace(series, y=other(series.y), covariates=covariates)


def _changed_before(series: Series, position: int, draw: np.random.Generator) -> Series:
    """Values and covariates up to a cutoff moved up by a quarter of their level and a little noise."""

    def other(values: NDArray[np.float64]) -> NDArray[np.float64]:
        before = values[: position + 1]
        shift = level_of(before) * (0.25 + 0.01 * draw.random(before.shape))
        return np.concatenate([before + shift, values[position + 1 :]])

    return replace(
        series, y=other(series.y), covariates={name: other(values) for name, values in series.covariates.items()}
    )


def _window_change(one: _Outcome, other: _Outcome, *, exact: bool = True) -> str:
    """In words the first difference of what two windows hold, empty if there is none."""
    first, second = one.window, other.window
    if first is None or second is None:
        return _change(one, other)
    if first.covariates != second.covariates:
        return f"the features become {', '.join(second.covariates)}"
    if len(first.ds) != len(second.ds):
        return f"the first date with all features goes from {first.ds[0]} to {second.ds[0]}"
    tolerance = 0.0 if exact else EQUALITY_TOLERANCE
    same = np.isclose(first.x, second.x, rtol=tolerance, atol=tolerance, equal_nan=True)
    if same.all():
        return ""
    row, column = np.argwhere(~same)[0]
    values = f"from {first.x[row, column]:.6g} to {second.x[row, column]:.6g}"
    return f"the feature {first.covariates[column]!r} of {first.ds[row]} goes {values}"


def _change(one: _Outcome, other: _Outcome) -> str:
    """In words how a forecast differs from another of the same window, empty where it is the same to the last bit."""
    if one.error is not None or other.error is not None:
        return "" if one.error == other.error else f"the fit fails ({other.error or one.error})"
    first, second = _values(one), _values(other)
    if first.shape != second.shape:
        return "the forecast has other quantiles"
    if np.array_equal(first, second):
        return ""
    row, step = np.unravel_index(int(np.argmax(np.abs(first - second))), first.shape)
    return f"the forecast of step {step + 1} goes from {first[row, step]:.6g} to {second[row, step]:.6g}"


def _values(outcome: _Outcome) -> NDArray[np.float64]:
    return np.asarray(outcome.values)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@contextmanager
def _global_randomness(state: int) -> Iterator[None]:
    """The global generators in a known state while the block runs; then in the caller's again."""
    own, numpys = random.getstate(), np.random.get_state()
    random.seed(state)
    np.random.seed(state)
    try:
        yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
