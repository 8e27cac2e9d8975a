"""Check that a model does not look ahead, on the example's prices or one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import InvalidInputError
from experiments.science.lookahead.checks import Finding, check_lookahead, expected_fits
from experiments.science.models.registry import lack_of, variant
from experiments.science.series import Series, prepare
from experiments.services.models import load_model_files
from experiments.services.progress import progress_bar
from experiments.services.sources import read_covariates, read_prices

if TYPE_CHECKING:
    from experiments.science.window import ModelVariant

EXAMPLE, EXAMPLE_COVARIATE = "example:wti", "example:vix"

_PATIENCE = 2.0
"""Seconds after which a progress bar appears."""


@dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """What the checks of one model found, and on what they were run.

    Parameters
    ----------
    model, source : str
    frequency : str
        Of the series: the length of one step.
    horizon : int
    covariates : tuple of str
        Those the model was given.
    findings : tuple of Finding
    notes : tuple of str
        What the model was given that is not in the sources, in words.
    seconds : float
    """

    model: str
    source: str
    frequency: str
    horizon: int
    covariates: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(finding.passed for finding in self.findings)


def check_model(  # noqa: PLR0913  what a backtest of one model is given
    name: str,
    source: str = EXAMPLE,
    *,
    model_files: Sequence[str] = (),
    covariates: Sequence[str] = (),
    known_covariates: Sequence[str] = (),
    horizon: int = 14,
    train_size: int | None = 1000,
    date_column: str = "ds",
    value_column: str = "y",
    seed: int = 42,
    progress: bool = True,
) -> ModelCheck:
    """Check that a model's forecasts depend only on what is given to it up to the cutoff, and do depend on that.

    Parameters
    ----------
    name : str
        Of the model, shipped, registered or in a model file.
    source, covariates, known_covariates, date_column, value_column
        As in `services.sources`. The example of WTI comes with that of VIX; a covariate the model asks for and is not
        given is a random walk, which a note says. Of several series the first is taken.
    model_files : sequence of str
        A Python file that registers models.
    horizon, train_size, seed
        As in `backtest`.
    progress : bool
        Whether to show a bar once it has taken two seconds.

    Raises
    ------
    NotFoundError
        If there is no such model, file or table.
    InvalidInputError
        If a source or the model's file cannot be used, the package the model needs is not installed, or the series is
        too short.
    """
    started = time.perf_counter()
    load_model_files(model_files)
    asked = variant(name)
    prices = read_prices(source, ledger=None, date_column=date_column, value_column=value_column)
    if source == EXAMPLE and not covariates and not known_covariates and asked.given(["vix"]).covariates:
        covariates = [EXAMPLE_COVARIATE]
    found = prepare(
        prices.frame,
        commodity=source,
        covariates=read_covariates(covariates, ledger=None, date_column=date_column),
        known_covariates=read_covariates(known_covariates, ledger=None, date_column=date_column),
    )
    notes = [f"of {len(found)} series only {found[0].called} is checked"] if len(found) > 1 else []
    series, made = _with_made_up(found[0], asked, seed)
    if made:
        how = "is made up: a random walk" if len(made) == 1 else "are made up: random walks"
        notes.append(f"{', '.join(made)} {how}, as {name} asks for {'it' if len(made) == 1 else 'them'}")
    if lack := lack_of(asked, list(series.covariates)):
        msg = f"{name} needs {lack}."
        raise InvalidInputError(msg)
    running = asked.given(series.covariates)
    with ExitStack() as stack:
        findings = check_lookahead(
            running,
            series,
            horizon=horizon,
            train_size=train_size,
            seed=seed,
            fitted=_late_bar(stack, f"checking {name}", enabled=progress),
        )
    return ModelCheck(
        model=name,
        source=prices.version,
        frequency=series.frequency,
        horizon=horizon,
        covariates=running.covariates,
        findings=findings,
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


def _with_made_up(series: Series, asked: ModelVariant, seed: int) -> tuple[Series, list[str]]:
    """The series with a random walk for each name or pattern of the variant that no covariate matches."""
    lacking = [
        pattern for pattern in asked.covariates if not any(fnmatchcase(name, pattern) for name in series.covariates)
    ]
    names = [pattern.replace("*", "a") for pattern in lacking]
    walks = {
        name: 100 + np.random.default_rng([seed, *name.encode()]).normal(size=len(series.y)).cumsum() for name in names
    }
    return replace(series, covariates={**series.covariates, **walks}), names


def _late_bar(stack: ExitStack, what: str, *, enabled: bool) -> Callable[[], None]:
    """What to call after each fit: it shows a bar of those still to come once patience is at its end."""
    started, fits = time.perf_counter(), 0
    advance: Callable[[str], None] | None = None

    def fitted() -> None:
        nonlocal advance, fits
        fits += 1
        if advance is not None:
            advance("")
        elif time.perf_counter() - started > _PATIENCE:
            rest = max(1, expected_fits() - fits)
            advance = stack.enter_context(progress_bar(what, total=rest, enabled=enabled))

    return fitted
