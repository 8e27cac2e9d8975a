"""One evaluation: the windows that have come in, and the rows they become."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import BacktestDefinition
from experiments.errors import ConflictError, InvalidInputError
from experiments.identity import digest, uuid7
from experiments.science.grid import observed_overlap, overlap
from experiments.science.intervals import conformal_quantiles, coverage, pinball_loss
from experiments.science.metrics import Floats, score, window_scores
from experiments.science.window import QUANTILE_LEVELS
from experiments.services.links import configured_links

if TYPE_CHECKING:
    import datetime as dt

    from experiments.services.logged import EvaluationConfig, Window
    from experiments.services.provenance import Provenance
    from experiments.services.rows import Row


@dataclass(kw_only=True)
class Evaluation:
    """An evaluation whose windows are coming in."""

    model_name: str
    config: EvaluationConfig
    started_at: dt.datetime
    cutoffs: tuple[dt.date, ...] | None = None
    """Those of all windows to come, where they are known beforehand."""
    experiment_id: str = ""
    windows: dict[dt.date, Window] = field(default_factory=dict)
    written: set[dt.date] = field(default_factory=set)
    """Cutoffs of the windows whose rows are in the ledger already."""

    def __post_init__(self) -> None:
        self.experiment_id = self.experiment_id or uuid7(self.started_at)

    def add(self, window: Window) -> None:
        """Take in a window; the same window again changes nothing.

        Raises
        ------
        ConflictError
            If another window with this cutoff is in already.
        InvalidInputError
            If the first training date is not known or lies after the cutoff, or the horizon differs from the others'.
        """
        start = window.training_start_date or self.config.training_start_date
        if start is None:
            msg = "training_start_date is not known: give it in config, or in the results of each window."
            raise InvalidInputError(msg)
        if start > window.cutoff:
            msg = f"training_start_date is {start}, after the cutoff {window.cutoff}: training comes before."
            raise InvalidInputError(msg)
        known = self.windows.get(window.cutoff)
        if known is not None:
            if known.y_hat != window.y_hat or known.y != window.y:
                msg = f"{self.model_name} already has another window at {window.cutoff}: one forecast a cutoff."
                raise ConflictError(msg)
            return
        if not window.failed and self.horizon is not None and len(window.y_hat) != self.horizon:
            msg = (
                f"the window at {window.cutoff} has {len(window.y_hat)} steps, forecast_horizon_days is {self.horizon}."
            )
            raise InvalidInputError(msg)
        self.windows[window.cutoff] = window

    @property
    def horizon(self) -> int | None:
        """Steps a window has: announced, or read off the windows that are in."""
        if self.config.forecast_horizon_days is not None:
            return self.config.forecast_horizon_days
        return next((len(window.y_hat) for window in self.windows.values() if not window.failed), None)

    def _closest_step(self, horizon: int) -> int:
        """Observations between the two closest cutoffs, where their windows overlap; else the horizon."""
        cutoffs = set(self.windows)
        steps = [step for window in self.windows.values() for step, ds in enumerate(window.ds, 1) if ds in cutoffs]
        return min([*steps, horizon])

    @property
    def is_complete(self) -> bool:
        """Whether the announced number of windows is in."""
        return self.config.n_windows is not None and len(self.windows) >= self.config.n_windows

    @property
    def definition(self) -> BacktestDefinition:
        """The backtest this is an evaluation of."""
        horizon = self.horizon
        if horizon is None:
            msg = f"no window of {self.model_name} succeeded and config lacks forecast_horizon_days: give it."
            raise InvalidInputError(msg)
        config = self.config
        return BacktestDefinition(
            commodity=config.commodity,
            frequency=config.frequency,
            horizon=horizon,
            step_size=self._closest_step(horizon) if config.step_size is None else config.step_size,
            n_windows=len(self.windows) if config.n_windows is None else config.n_windows,
            train_size=config.train_size,
            grid_origin=config.grid_origin,
            covariates=config.covariates,
        )

    @property
    def cells(self) -> dict[tuple[dt.date, int], tuple[float, float]]:
        """Actual and forecast of every cutoff and step."""
        return {
            (window.cutoff, step): cell
            for window in self.windows.values()
            for step, cell in enumerate(zip(window.y, window.y_hat, strict=True), 1)
        }

    @property
    def evaluation_key(self) -> str:
        """Digest of what makes two evaluations the same."""
        return evaluation_key(self.model_name, self.config, self.definition, self.cutoffs or list(self.windows))

    @property
    def links(self) -> dict[str, str]:
        """`dashboard_url` and `model_path` where the environment has a template for them."""
        names = {"experiment_id": self.experiment_id, "model_name": self.model_name}
        return configured_links(
            names | {"commodity": self.config.commodity, "backtest_id": self.definition.backtest_id}
        )

    def rows(self, provenance: Provenance, *, now: dt.datetime) -> dict[str, list[Row]]:
        """The rows of every table, `model_runs` last; windows that are written already have none."""
        ordered = [self.windows[cutoff] for cutoff in sorted(self.windows)]
        intervals = _intervals(ordered)
        run = self._run_row(ordered, intervals, provenance)
        definition = asdict(self.definition) | {"backtest_id": self.definition.backtest_id, "created_at": now}
        return {
            "environments": [provenance.environment | {"captured_at": now}],
            "backtests": [definition],
            "experiments": [self._experiment_row(run["status"], provenance, ended_at=now)],
            **self._window_rows(ordered, intervals),
            "model_runs": [run],
        }

    def rows_so_far(self) -> dict[str, list[Row]]:
        """The rows of the windows before the first that is missing: what comes later does not change them."""
        ordered = [self.windows[cutoff] for cutoff in takewhile(self.windows.__contains__, sorted(self.cutoffs or ()))]
        return self._window_rows(ordered, _intervals(ordered))

    def _window_rows(self, ordered: list[Window], intervals: list[Floats | None]) -> dict[str, list[Row]]:
        """Rows of `run_windows` and `forecasts`, of windows in order from the first on."""
        stamp = {
            "experiment_id": self.experiment_id,
            "commodity": self.config.commodity,
            "unique_id": self.config.unique_id or self.config.commodity,
            "run_month": f"{self.started_at:%Y-%m}",
        }
        rows: dict[str, list[Row]] = {"run_windows": [], "forecasts": []}
        key = {"evaluation_key": self.evaluation_key}
        for window, interval in zip(ordered, intervals, strict=True):
            if window.cutoff not in self.written:
                rows["run_windows"].append(stamp | key | _window_row(window, interval))
                rows["forecasts"] += [stamp | row for row in _forecast_rows(window, interval)]
        return rows

    def _experiment_row(self, status: str, provenance: Provenance, *, ended_at: dt.datetime) -> Row:
        return {
            "experiment_id": self.experiment_id,
            "name": self.model_name,
            "experiment_type": "backtest",
            "status": status,
            "tags": self.config.tags,
            "started_at": self.started_at,
            "ended_at": max(ended_at, self.started_at),
            "random_seed": self.config.random_seed,
            "git_commit": provenance.git_commit,
            "git_branch": provenance.git_branch,
            "git_dirty": provenance.git_dirty,
            "python_version": provenance.python_version,
            "environment_id": provenance.environment_id,
            "run_by": self.config.run_by or provenance.run_by,
            "notes": self.config.notes,
        }

    def _run_row(self, ordered: list[Window], intervals: list[Floats | None], provenance: Provenance) -> Row:
        config, definition, links = self.config, self.definition, self.links
        seconds = _total_seconds(ordered)
        good = [window for window in ordered if not window.failed]
        status = "failed" if not good else "completed"
        if good and config.n_windows is not None and len(ordered) < config.n_windows:
            status = "incomplete"
        return {
            "experiment_id": self.experiment_id,
            "evaluation_key": self.evaluation_key,
            "model_name": self.model_name,
            "model_version": config.model_version,
            "run_timestamp": self.started_at,
            "model_type": config.model_type,
            "hyperparameters": config.hyperparameters,
            "feature_config": config.feature_config,
            "data_version": config.data_version,
            "training_start_date": ordered[0].training_start_date or config.training_start_date,
            "training_end_date": ordered[-1].cutoff,
            "forecast_horizon_days": definition.horizon,
            "commodity": config.commodity,
            "execution_time_seconds": seconds,
            "cost_estimate_usd": provenance.cost(seconds),
            "hardware_config": provenance.hardware_config,
            "databricks_cluster_id": provenance.databricks_cluster_id,
            "model_path": config.model_path or links.get("model_path"),
            "dashboard_url": config.dashboard_url or links.get("dashboard_url"),
            "run_by": config.run_by or provenance.run_by,
            "notes": config.notes,
            "data_notes": config.data_notes,
            "is_production": False,
            "unique_id": config.unique_id or config.commodity,
            "status": status,
            "metrics_source": "computed",
            "backtest_id": definition.backtest_id,
            "data_as_of": config.data_as_of or max((date for window in good for date in window.ds), default=None),
            "frequency": config.frequency,
            "n_windows": len(ordered),
            "n_failed_windows": len(ordered) - len(good),
            "dataset_version": config.dataset_version,
            "git_commit": provenance.git_commit,
            "git_dirty": provenance.git_dirty,
            "random_seed": config.random_seed,
            "environment_id": provenance.environment_id,
            "code_fingerprint": config.code_fingerprint,
            **_scores(good, definition),
            **_interval_scores(ordered, intervals),
        }


def evaluation_key(
    model_name: str, config: EvaluationConfig, definition: BacktestDefinition, cutoffs: Sequence[dt.date]
) -> str:
    """Digest of what makes two evaluations the same: definition, model, parameters, data, code, seed and cutoffs."""
    return digest(
        {
            "backtest_id": definition.backtest_id,
            "unique_id": config.unique_id or config.commodity,
            "model": [model_name, config.model_version, config.model_type],
            "hyperparameters": config.hyperparameters,
            "feature_config": config.feature_config,
            # equal data are the same whatever they are called
            "data": [config.dataset_version or config.data_version, config.dataset_version, config.data_as_of],
            "random_seed": config.random_seed,
            "code_fingerprint": config.code_fingerprint,
            "cutoffs": sorted(map(str, cutoffs)),
        }
    )


def _scores(good: list[Window], definition: BacktestDefinition) -> Row:
    step_overlap = overlap(definition.horizon, definition.step_size)
    if good:
        cutoffs = np.array([window.cutoff for window in good], dtype="datetime64[D]")
        ends = np.array([window.ds[-1] for window in good], dtype="datetime64[D]")
        step_overlap = max(step_overlap, observed_overlap(cutoffs, ends))
    result = score(
        y=np.array([window.y for window in good]),
        y_hat=np.array([window.y_hat for window in good]),
        day0=np.array([window.day0 for window in good]),
        scale=np.array([math.nan if window.scale is None else window.scale for window in good]),
        level=np.array([window.known_level for window in good]),
        step_overlap=step_overlap,
    )
    return asdict(result)


def _intervals(ordered: list[Window]) -> list[Floats | None]:
    """The quantiles [H, 3] of each window: the model's own, else conformal from the windows before it, else None."""
    good = [window for window in ordered if not window.failed]
    if not good:
        return [None] * len(ordered)
    conformal = conformal_quantiles(
        np.array([window.y for window in good]),
        np.array([window.y_hat for window in good]),
        cutoffs=np.array([window.cutoff for window in good], dtype="datetime64[D]"),
        ds=np.array([window.ds for window in good], dtype="datetime64[D]"),
    )
    found = {window.cutoff: _own_or(window, derived) for window, derived in zip(good, conformal, strict=True)}
    return [found.get(window.cutoff) for window in ordered]


def _own_or(window: Window, conformal: Floats) -> Floats | None:
    if window.quantiles:
        return np.array([window.quantiles[level] for level in QUANTILE_LEVELS]).T
    return conformal if np.isfinite(conformal).any() else None


def _interval_scores(windows: list[Window], intervals: list[Floats | None]) -> Row:
    """`coverage_80` and `pinball_loss` over the cells that have quantiles."""
    scored = [
        (window, quantiles) for window, quantiles in zip(windows, intervals, strict=True) if quantiles is not None
    ]
    if not scored:
        return {}
    y, quantiles = np.array([window.y for window, _ in scored]), np.array([found for _, found in scored])
    return {
        "coverage_80": coverage(y, quantiles[..., 0], quantiles[..., -1]),
        "pinball_loss": pinball_loss(y, quantiles, QUANTILE_LEVELS),
    }


def _forecast_rows(window: Window, interval: Floats | None) -> Iterator[Row]:
    for step, (ds, y, y_hat) in enumerate(zip(window.ds, window.y, window.y_hat, strict=True), 1):
        row: Row = {"cutoff": window.cutoff, "step": step, "ds": ds, "y": y, "y_hat": y_hat}
        if interval is not None and np.isfinite(interval[step - 1]).all():
            row["quantiles"] = dict(zip(map(str, QUANTILE_LEVELS), interval[step - 1].tolist(), strict=True))
        yield row


def _window_row(window: Window, interval: Floats | None) -> Row:
    row = {
        "cutoff": window.cutoff,
        "training_start_date": window.training_start_date,
        "window_key": window.window_key,
        "n_training": window.n_training,
        "day0": window.day0,
        "scale": None if window.scale is None or math.isnan(window.scale) else window.scale,
        "level": window.known_level,
        "status": "failed" if window.failed else "ok",
        "error": window.error,
        "warning": window.warning,
        "fit_seconds": window.fit_seconds,
        "predict_seconds": window.predict_seconds,
        "interval_method": None if interval is None else "model" if window.quantiles else "conformal",
    }
    if not window.failed:
        scores = window_scores(
            y=np.array([window.y]),
            y_hat=np.array([window.y_hat]),
            day0=np.array([window.day0]),
            level=np.array([window.known_level]),
        )
        row |= {name: getattr(scores, name)[0].item() for name in scores.__dataclass_fields__}
    return row


def _total_seconds(windows: list[Window]) -> float | None:
    spent = [part for window in windows for part in (window.fit_seconds, window.predict_seconds) if part is not None]
    return sum(spent) if spent else None
