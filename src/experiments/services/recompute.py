"""Any metric at any step, recomputed from stored forecasts without a fit; and whether the recorded figures follow."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, check_count, known, series_name
from experiments.errors import InvalidInputError, unknown
from experiments.science.cells import cells_of
from experiments.science.intervals import coverage, pinball_loss
from experiments.science.metrics import StepScores, metrics_at, score, window_scores
from experiments.services.evidence import check_reach
from experiments.storage.table import select_among

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from experiments.science.cells import Cells
    from experiments.services.evidence import Candidates
    from experiments.storage.engine import Engine

STEP_METRICS = tuple(one.name for one in fields(StepScores) if one.name not in ("n_windows", "evidence_note"))
"""What is recomputed at a step, and can be sorted by."""

_BEST = {"bias": 0.0, "directional_accuracy": 1.0, "coverage_80": 0.8}
"""The best value of the metrics that are not the better the smaller."""

_AGREEMENT = 1e-12
"""Recorded figures differ by less, as a share of themselves, where they follow from the rows: rounding, no more."""

_UNITLESS = ("dm_test_vs_naive", "dm_pvalue", "pt_pvalue")
"""Figures that differences enter: their rounding is a share of 1, not of themselves."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A recorded figure that does not follow from the stored windows and forecasts.

    Attributes
    ----------
    series, model : str
        As people call them; the model as the leaderboard does.
    name : str
        Column of `model_runs`, or of `run_windows` where there is a `cutoff`; "every figure" where the stored rows
        cannot be scored.
    cutoff : date or None
    recorded, recomputed : object
        None for NULL.
    reason : str or None
        Why the rows cannot be scored.
    """

    series: str
    model: str
    name: str
    cutoff: dt.date | None = None
    recorded: Any = None
    recomputed: Any = None
    reason: str | None = None

    @property
    def in_words(self) -> str:
        """The difference in one line."""
        where = f"{self.model} on {self.series}" + ("" if self.cutoff is None else f", window at {self.cutoff}")
        if self.reason is not None:
            return f"{where}: cannot be recomputed, {self.reason}"
        recorded, recomputed = ("NULL" if value is None else value for value in (self.recorded, self.recomputed))
        return f"{where}: {self.name} is recorded as {recorded}, and {recomputed} from the stored rows"


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """What the stored forecasts of one backtest say.

    Attributes
    ----------
    commodity, backtest_id, frequency : str
    horizon : int
        Steps of the windows, H.
    step : int
        The step the figures are of, h.
    figures : DataFrame
        One row a model and series, best first: `unique_id`, `model`, `experiment_id` (None for a naive forecast that
        nobody logged), `data_as_of`, `n_windows`, `n_failed_windows` and `STEP_METRICS` with `evidence_note`, each
        on the model's own windows.
    n_recorded : int
        Recorded figures that were recomputed: of evaluations and of their windows.
    differences : tuple of Difference
        Those that do not follow from the stored rows; empty unless somebody changed some.
    """

    commodity: str
    backtest_id: str
    frequency: str
    horizon: int
    step: int
    figures: pd.DataFrame
    n_recorded: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """One evaluation: which it is, its stored windows with their forecasts, and what is recorded of it."""

    of: Candidates
    run: pd.Series[Any]
    label: str
    windows: pd.DataFrame
    forecasts: pd.DataFrame
    recorded: pd.Series[Any]

    @property
    def n_failed(self) -> int:
        return int((self.windows["status"] != "ok").sum())

    def differs(self, name: str, **how: Any) -> Difference:
        """A recorded figure of it that does not follow."""
        series = series_name(self.of.commodity, self.of.unique_id)
        return Difference(series=series, model=self.label, name=name, **how)

    def compared(
        self, name: str, recorded: Any, recomputed: Any, *, cutoff: dt.date | None = None
    ) -> Difference | None:
        """How a recorded figure differs from the one recomputed; None where it does not."""
        recorded, recomputed = known(recorded), known(recomputed)
        within = _AGREEMENT if name in _UNITLESS else 0.0
        if None in (recorded, recomputed):
            equal = recorded is recomputed
        else:
            equal = math.isclose(recorded, recomputed, rel_tol=_AGREEMENT, abs_tol=within)
        return None if equal else self.differs(name, cutoff=cutoff, recorded=recorded, recomputed=recomputed)


def recompute(
    engine: Engine,
    found: Sequence[Candidates],
    model: str | None = None,
    *,
    horizon: int | None = None,
    metric: str = "mae_path",
) -> Recomputed:
    """Recompute the metrics of the evaluations of one backtest at one step, and check what is recorded of them.

    Parameters
    ----------
    engine : Engine
    found : sequence of Candidates
        The series of one backtest.
    model : str, optional
        Only this one, as the leaderboard names it; by default all. The last observed value stands beside it, on the
        same windows.
    horizon : int, optional
        The step, from 1 to the horizon of the backtest, which is the default.
    metric : str
        What the rows are sorted by, one of `STEP_METRICS`.

    Raises
    ------
    NotFoundError
        If there is no such metric, or no such model in the backtest.
    InvalidInputError
        If `horizon` is not a whole number of at least 1, or beyond the windows.
    """
    if metric not in STEP_METRICS:
        raise unknown("metric", metric, STEP_METRICS)
    first = found[0]
    step = first.horizon if horizon is None else check_count("horizon", horizon)
    check_reach(found, step)
    rows: list[dict[str, Any]] = []
    checked: list[Difference | None] = []
    widest: dict[str, tuple[_Evaluation, Cells]] = {}
    for one in _evaluations(engine, found, model):
        try:
            cells = cells_of(one.forecasts, one.windows)
        except InvalidInputError as error:
            checked.append(one.differs("every figure", reason=str(error).rstrip(".")))
            continue
        rows.append(_row(one, cells, step))
        checked += _checked(one, cells)
        if len(cells.y) >= len(widest.get(one.of.unique_id, (one, cells))[1].y):
            widest[one.of.unique_id] = one, cells
    with_naive = {row["unique_id"] for row in rows if row["model"].split(" ")[0] == BASELINE}
    rows += [_naive_row(*both, step) for unique_id, both in widest.items() if unique_id not in with_naive]
    return Recomputed(
        commodity=first.commodity,
        backtest_id=first.backtest_id,
        frequency=first.frequency,
        horizon=first.horizon,
        step=step,
        figures=_sorted(rows, metric),
        n_recorded=len(checked),
        differences=tuple(one for one in checked if one is not None),
    )


def _evaluations(engine: Engine, found: Sequence[Candidates], model: str | None) -> Iterator[_Evaluation]:
    """The evaluations asked for, read by two queries whatever their number."""
    import pandas as pd

    labels = {experiment_id: (of, label) for of in found for experiment_id, label in of.labels.items()}
    asked = {one: both for one, both in labels.items() if model in (None, both[1])}
    commodity = found[0].commodity
    if not asked:
        raise unknown(f"model of the backtest of {commodity}", model, {label for _, label in labels.values()})
    stored, figures = (
        select_among(engine, name, "experiment_id", [*asked], commodity=commodity)
        for name in ("stored_cells", "recorded_figures")
    )
    stored = stored.assign(cutoff=pd.to_datetime(stored["cutoff"]), ds=pd.to_datetime(stored["ds"]))
    recorded = {str(row["experiment_id"]): row for _, row in figures.astype(object).iterrows()}
    rows = dict(iter(stored.groupby("experiment_id")))
    for experiment_id, (of, label) in asked.items():
        own = rows.get(experiment_id, stored.iloc[:0])
        yield _Evaluation(
            of=of,
            run=of.runs[of.runs["experiment_id"] == experiment_id].iloc[0],
            label=label,
            windows=own.drop_duplicates("cutoff"),
            forecasts=own,
            recorded=recorded[experiment_id],
        )


def _row(one: _Evaluation, cells: Cells, step: int) -> dict[str, Any]:
    return {
        "unique_id": one.of.unique_id,
        "model": one.label,
        "experiment_id": one.run["experiment_id"],
        "data_as_of": known(one.run["data_as_of"]),
        "n_failed_windows": one.n_failed,
        **asdict(metrics_at(cells, step, step_size=one.of.step_size)),
    }


def _naive_row(one: _Evaluation, cells: Cells, step: int) -> dict[str, Any]:
    """The last observed value on the windows of an evaluation."""
    return _row(one, cells.naive(), step) | {"model": BASELINE, "experiment_id": None, "n_failed_windows": 0}


def _sorted(rows: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    """Series by series, the best first; without a figure last."""
    import pandas as pd

    head = ("unique_id", "model", "experiment_id", "data_as_of", "n_windows", "n_failed_windows")
    frame = pd.DataFrame(rows, columns=[*head, *STEP_METRICS, "evidence_note"])
    frame = frame.astype(dict.fromkeys(STEP_METRICS, float))
    badness = (frame[metric] - _BEST[metric]).abs() if metric in _BEST else frame[metric]
    order = frame.assign(badness=badness).sort_values(["unique_id", "badness", "model"], na_position="last")
    return order.drop(columns="badness").reset_index(drop=True)


def _checked(one: _Evaluation, cells: Cells) -> Iterator[Difference | None]:
    """Every recorded figure once: how it differs from the one recomputed, or None."""
    anew = {"n_windows": len(one.windows), "n_failed_windows": one.n_failed} | _figures(one, cells)
    for name, recorded in one.recorded.drop("experiment_id").items():
        yield one.compared(str(name), recorded, anew[str(name)])
    if not len(cells.y):
        return
    scores = asdict(window_scores(y=cells.y, y_hat=cells.y_hat, day0=cells.day0, level=cells.level))
    good = one.windows[one.windows["status"] == "ok"].sort_values("cutoff")
    for name, values in scores.items():
        for cutoff, recorded, value in zip(cells.cutoffs.tolist(), good[name].tolist(), values.tolist(), strict=True):
            yield one.compared(name, recorded, value, cutoff=cutoff)


def _figures(one: _Evaluation, cells: Cells) -> dict[str, Any]:
    """The columns of `model_runs` that follow from the windows and forecasts."""
    scores = score(
        y=cells.y,
        y_hat=cells.y_hat,
        day0=cells.day0,
        scale=cells.scale,
        level=cells.level,
        step_overlap=cells.overlap(one.of.horizon, one.of.step_size) if len(cells.y) else 1,
    )
    lower, upper = cells.quantiles[..., 0], cells.quantiles[..., -1]
    return asdict(scores) | {
        "coverage_80": coverage(cells.y, lower, upper),
        "pinball_loss": pinball_loss(cells.y, cells.quantiles),
    }
