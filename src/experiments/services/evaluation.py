"""One evaluation as it is logged: its configuration, its windows, and the rows they become."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definitions import BacktestDefinition, check_commodity
from experiments.errors import ConflictError, InvalidInputError
from experiments.identity import digest, uuid7
from experiments.science.grid import observed_overlap, overlap
from experiments.science.metrics import scale_and_level, score, window_scores
from experiments.services.rows import Row, as_date, as_flags, as_number, as_texts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from experiments.services.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """The `config` of `log_experiment`: what is evaluated and how, under the names of `model_runs`.

    Only `commodity` and `model_type` have no default. `n_windows` announces how many windows will
    come: the evaluation is recorded when the last one is in. `training_start_date` is the first
    training date of the first window, unless the windows say their own.
    """

    commodity: str
    model_type: str
    model_version: str = "v1"
    unique_id: str | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    feature_config: Mapping[str, bool] = field(default_factory=dict)
    forecast_horizon_days: int | None = None
    frequency: str = "trading day"
    n_windows: int | None = None
    step_size: int | None = None
    train_size: int | None = None
    grid_origin: dt.date | None = None
    covariates: Mapping[str, str] = field(default_factory=dict)
    training_start_date: dt.date | None = None
    data_as_of: dt.date | None = None
    data_version: str | None = None
    dataset_version: str | None = None
    random_seed: int | None = None
    code_fingerprint: str | None = None
    run_by: str | None = None
    notes: str | None = None
    model_path: str | None = None
    dashboard_url: str | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> EvaluationConfig:
        """Check a caller's dictionary.

        Raises
        ------
        InvalidInputError
            If a key is unknown or missing, or a value is of the wrong kind.
        """
        known = [item.name for item in fields(cls)]
        if unknown := sorted(set(config) - set(known)):
            msg = f"config has the unknown key {unknown[0]!r}; it takes {', '.join(known)}."
            raise InvalidInputError(msg)
        if missing := [name for name in ("commodity", "model_type") if not config.get(name)]:
            msg = f"config lacks {missing[0]!r}; give it as in {{'commodity': 'Coffee', 'model_type': 'SARIMAX'}}."
            raise InvalidInputError(msg)
        values = dict(config) | {"commodity": check_commodity(config["commodity"])}
        for name in ("training_start_date", "data_as_of", "grid_origin"):
            values[name] = as_date(name, values.get(name))
        values["hyperparameters"] = as_texts("hyperparameters", values.get("hyperparameters"))
        values["feature_config"] = as_flags("feature_config", values.get("feature_config"))
        values["tags"] = tuple(values.get("tags") or ())
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One evaluated window: the `results` of `log_experiment`.

    Either forecasts (`ds`, `y`, `y_hat`, arrays [H]) or the `error` that prevented them.
    """

    cutoff: dt.date
    day0: float
    ds: tuple[dt.date, ...] = ()
    y: tuple[float, ...] = ()
    y_hat: tuple[float, ...] = ()
    scale: float | None = None
    level: float | None = None
    training_start_date: dt.date | None = None
    n_training: int | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    error: str | None = None
    warning: str | None = None

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> Window:
        """Check a caller's dictionary; `y_train`, the series up to the cutoff, may stand in for `scale` and `level`.

        Raises
        ------
        InvalidInputError
            If a key is unknown or missing, the arrays differ in length, a number is not finite, or
            a date does not lie after the cutoff in order.
        """
        values = dict(results)
        y_train = values.pop("y_train", None)
        known = [item.name for item in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            msg = f"results has the unknown key {unknown[0]!r}; it takes {', '.join(known)}, y_train."
            raise InvalidInputError(msg)
        needed = ("cutoff", "day0") if values.get("error") else ("cutoff", "day0", "ds", "y", "y_hat")
        if missing := [name for name in needed if values.get(name) is None]:
            msg = f"results lacks {missing[0]!r}; a window needs {', '.join(needed)}."
            raise InvalidInputError(msg)
        for name in ("cutoff", "training_start_date"):
            values[name] = as_date(name, values.get(name))
        values["ds"] = tuple(as_date("ds", value) for value in _list(values.get("ds")))
        for name in ("y", "y_hat"):
            values[name] = tuple(as_number(name, value) for value in _list(values.get(name)))
        for name in ("day0", "scale", "level", "fit_seconds", "predict_seconds"):
            values[name] = as_number(name, values.get(name))
        if y_train is not None:
            values["scale"], values["level"] = scale_and_level(np.asarray(y_train, dtype=float))
        window = cls(**values)
        window._check()
        return window

    @property
    def failed(self) -> bool:
        """Whether there is no forecast to score."""
        return self.error is not None

    @property
    def known_level(self) -> float:
        """`level`, else the mean absolute value of what the window itself shows."""
        if self.level is not None:
            return self.level
        return float(np.abs([self.day0, *self.y]).mean())

    def _check(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ("ds", "y", "y_hat")}
        if not self.failed and (len(set(lengths.values())) > 1 or lengths["y"] == 0):
            given = list(lengths.values())
            msg = f"ds, y and y_hat of the window at {self.cutoff} have lengths {given}: give one of each a step."
            raise InvalidInputError(msg)
        dates = (self.cutoff, *self.ds)
        if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
            msg = f"ds of the window at {self.cutoff} must lie after the cutoff, in order of time, each date once."
            raise InvalidInputError(msg)


@dataclass(kw_only=True)
class Evaluation:
    """An evaluation whose windows are coming in."""

    model_name: str
    config: EvaluationConfig
    started_at: dt.datetime
    windows: dict[dt.date, Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.experiment_id = uuid7(self.started_at)

    def add(self, window: Window) -> None:
        """Take in a window; the same window again changes nothing.

        Raises
        ------
        ConflictError
            If another window with this cutoff is in already.
        InvalidInputError
            If its horizon differs from the others', or more windows come than announced.
        """
        known = self.windows.get(window.cutoff)
        if known is not None:
            if known.y_hat != window.y_hat or known.y != window.y:
                msg = f"{self.model_name} already has another window at {window.cutoff}: one forecast a cutoff."
                raise ConflictError(msg)
            return
        if not window.failed and self.horizon is not None and len(window.y_hat) != self.horizon:
            msg = f"the window at {window.cutoff} has {len(window.y_hat)} steps, {self.model_name} has {self.horizon}."
            raise InvalidInputError(msg)
        self.windows[window.cutoff] = window

    @property
    def horizon(self) -> int | None:
        """Steps a window has: announced, or read off the windows that are in."""
        if self.config.forecast_horizon_days is not None:
            return self.config.forecast_horizon_days
        return next((len(window.y_hat) for window in self.windows.values() if not window.failed), None)

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
            step_size=config.step_size or horizon,
            n_windows=config.n_windows or len(self.windows),
            train_size=config.train_size,
            grid_origin=config.grid_origin,
            covariates=config.covariates,
        )

    @property
    def evaluation_key(self) -> str:
        """Digest of what makes two evaluations the same."""
        return evaluation_key(self.model_name, self.config, self.definition, list(self.windows))

    def rows(self, provenance: Provenance, *, now: dt.datetime) -> dict[str, list[Row]]:
        """The rows of every table, `model_runs` last.

        Raises
        ------
        InvalidInputError
            If the first training date is not known.
        """
        ordered = [self.windows[cutoff] for cutoff in sorted(self.windows)]
        stamp = {
            "experiment_id": self.experiment_id,
            "commodity": self.config.commodity,
            "unique_id": self.config.unique_id or self.config.commodity,
            "run_month": f"{self.started_at:%Y-%m}",
        }
        run = self._run_row(ordered, provenance)
        definition = asdict(self.definition) | {"backtest_id": self.definition.backtest_id, "created_at": now}
        return {
            "environments": [provenance.environment | {"captured_at": now}],
            "backtests": [definition],
            "experiments": [self._experiment_row(run["status"], provenance, ended_at=now)],
            "run_windows": _window_rows(ordered, stamp),
            "forecasts": [
                stamp | {"cutoff": window.cutoff, "step": step, "ds": ds, "y": y, "y_hat": y_hat}
                for window in ordered
                for step, (ds, y, y_hat) in enumerate(zip(window.ds, window.y, window.y_hat, strict=True), 1)
                if not window.failed
            ],
            "model_runs": [run],
        }

    def _experiment_row(self, status: str, provenance: Provenance, *, ended_at: dt.datetime) -> Row:
        return {
            "experiment_id": self.experiment_id,
            "name": self.model_name,
            "experiment_type": "backtest",
            "status": status,
            "tags": list(self.config.tags),
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

    def _run_row(self, ordered: list[Window], provenance: Provenance) -> Row:
        config, definition = self.config, self.definition
        good = [window for window in ordered if not window.failed]
        first_training = ordered[0].training_start_date or config.training_start_date
        if first_training is None:
            msg = (
                f"the first training date of {self.model_name} is not known: give training_start_date in config, "
                "or in the results of each window."
            )
            raise InvalidInputError(msg)
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
            "training_start_date": first_training,
            "training_end_date": ordered[-1].cutoff,
            "forecast_horizon_days": definition.horizon,
            "commodity": config.commodity,
            "execution_time_seconds": _total_seconds(ordered),
            "hardware_config": provenance.hardware_config,
            "databricks_cluster_id": provenance.databricks_cluster_id,
            "model_path": config.model_path,
            "dashboard_url": config.dashboard_url,
            "run_by": config.run_by or provenance.run_by,
            "notes": config.notes,
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
        }


def evaluation_key(
    model_name: str, config: EvaluationConfig, definition: BacktestDefinition, cutoffs: list[dt.date]
) -> str:
    """Digest of what makes two evaluations the same: definition, model, parameters, data, code, seed and cutoffs."""
    return digest(
        {
            "backtest_id": definition.backtest_id,
            "unique_id": config.unique_id or config.commodity,
            "model": [model_name, config.model_version, config.model_type],
            "hyperparameters": config.hyperparameters,
            "feature_config": config.feature_config,
            "data": [config.data_version, config.dataset_version, config.data_as_of],
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


def _window_rows(ordered: list[Window], stamp: Row) -> list[Row]:
    rows = []
    for window in ordered:
        row = stamp | {
            "cutoff": window.cutoff,
            "training_start_date": window.training_start_date,
            "n_training": window.n_training,
            "day0": window.day0,
            "scale": None if window.scale is None or math.isnan(window.scale) else window.scale,
            "level": window.known_level,
            "status": "failed" if window.failed else "ok",
            "error": window.error,
            "warning": window.warning,
            "fit_seconds": window.fit_seconds,
            "predict_seconds": window.predict_seconds,
        }
        if not window.failed:
            scores = window_scores(
                y=np.array([window.y]),
                y_hat=np.array([window.y_hat]),
                day0=np.array([window.day0]),
                level=np.array([window.known_level]),
            )
            row |= {name: getattr(scores, name)[0].item() for name in scores.__dataclass_fields__}
        rows.append(row)
    return rows


def _total_seconds(windows: list[Window]) -> float | None:
    spent = [part for window in windows for part in (window.fit_seconds, window.predict_seconds) if part is not None]
    return sum(spent) if spent else None


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)
