"""Recording: windows as they come, evaluations when they are whole, reported figures as they are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import ConflictError, ExperimentsError
from experiments.identity import digest
from experiments.science.forecasting import WindowForecast
from experiments.services.evaluation import Evaluation
from experiments.services.logged import EvaluationConfig, Window
from experiments.services.provenance import Provenance, capture, check_settings
from experiments.services.rows import Row, as_mapping, as_timestamp, bare_run, convert, reported_run, same_value
from experiments.storage.table import check_rows, merge_new, rows_with_key, select, select_among

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from experiments.storage.engine import Engine

KEYS = {
    "environments": ("environment_id",),
    "backtests": ("backtest_id",),
    "experiments": ("experiment_id",),
    "run_windows": ("experiment_id", "cutoff"),
    "forecasts": ("experiment_id", "cutoff", "step"),
    "model_runs": ("evaluation_key",),
}
"""The key of each table, in the order in which an evaluation's rows are written: `model_runs` last."""

PINS = {
    "environments": (),
    "backtests": ("commodity",),
    "experiments": ("experiment_type",),
    "run_windows": ("commodity", "run_month"),
    "forecasts": ("commodity", "run_month"),
    "model_runs": ("commodity",),
}
"""Partition columns a row's key determines."""


class Recorder:
    """Turns what is logged into rows; holds the evaluations that are not finished yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: dict[str, Evaluation] = {}
        self._written: set[tuple[str, Any]] = set()

    def log(self, model_name: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
        """Take in one window, or bare figures; see `experiments.log_experiment`."""
        convert("string", "model_name", model_name)
        if not {"y_hat", "error"} & set(as_mapping("results", results)):
            return self.write([bare_run(model_name, results, config)])[0]
        checked, window = EvaluationConfig.of(config), Window.of(results)
        key = digest([model_name, vars(checked)])
        evaluation = self._open.get(key)
        if evaluation is None:
            check_settings()
            now = as_timestamp("now", dt.datetime.now(dt.UTC))
            evaluation = Evaluation(model_name=model_name, config=checked, started_at=now)
        evaluation.add(window)
        _ = evaluation.definition  # what cannot be a backtest is refused with the first window, not with the last
        self._open[key] = evaluation
        return self._finish(key) if evaluation.is_complete else evaluation.experiment_id

    def finish(self) -> list[str]:
        """Record every evaluation that is still open, with the windows it has; returns their ids.

        Raises
        ------
        ConflictError
            If one cannot be recorded; the others are.
        """
        ids, refused = [], []
        for key in list(self._open):
            try:
                ids.append(self._finish(key))
            except ExperimentsError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return ids

    def discard(self, experiment_ids: Collection[str]) -> None:
        """Forget these evaluations where they are still open."""
        self._open = {key: item for key, item in self._open.items() if item.experiment_id not in experiment_ids}

    def recorded(self, commodity: str, evaluation_key: str) -> str | None:
        """The id under which an evaluation is in the ledger already."""
        found = select(self._engine, "recorded_run", commodity=commodity, evaluation_key=evaluation_key)
        return None if found.empty else str(found["experiment_id"].iloc[0])

    def known_forecasts(self, window_keys: Sequence[str]) -> dict[str, WindowForecast]:
        """What is recorded of windows with these keys: their forecasts need no second fit."""
        if not window_keys:
            return {}
        rows = _records(select_among(self._engine, "known_forecasts", "window_key", window_keys))
        steps: dict[str, dict[int, float]] = {}
        for row in rows:
            steps.setdefault(row["window_key"], {})[row["step"]] = row["y_hat"]
        return {
            row["window_key"]: WindowForecast(
                y_hat=np.array([y_hat for _, y_hat in sorted(steps[row["window_key"]].items())]),
                error=None,
                warning=row["warning"],
                fit_seconds=row["fit_seconds"],
                predict_seconds=row["predict_seconds"],
            )
            for row in rows
        }

    def write(self, experiments: Sequence[Mapping[str, Any]]) -> list[str]:
        """Record figures computed elsewhere, in one commit a table: all of them or, on a bad one, none.

        Raises
        ------
        InvalidInputError
            If an experiment cannot be used.
        ConflictError
            If the ledger, or another experiment here, holds other figures under one of the ids.
        """
        provenance = capture(self._engine.cluster)
        rows = [reported_run(experiment, provenance) for experiment in experiments]
        stored = self._stored(rows)
        for row, experiment in zip(rows, experiments, strict=True):
            known = stored.setdefault(row["evaluation_key"], row)
            # the same experiment logged at another time is still the same experiment
            figures = [name for name in experiment if name != "run_timestamp"]
            if differing := [name for name in figures if not same_value(known.get(name), row.get(name))]:
                msg = (
                    f"experiment {known['experiment_id']} is recorded with {differing[0]} "
                    f"{known.get(differing[0])!r}, not {row[differing[0]]!r}: give the new figures a new experiment_id."
                )
                raise ConflictError(msg)
        new = [row for row in rows if stored[row["evaluation_key"]] is row]
        check_rows(self._engine, "model_runs", new)
        if new:
            self._merge("environments", [provenance.environment | {"captured_at": dt.datetime.now(dt.UTC)}])
        self._merge("experiments", [_experiment_of(row, provenance) for row in new])
        outside = [row for row in new if row["evaluation_key"] == row["experiment_id"]]
        merge_new(self._engine, "model_runs", outside, key=("experiment_id",))
        self._merge("model_runs", [row for row in new if row["evaluation_key"] != row["experiment_id"]])
        return [str(stored[row["evaluation_key"]]["experiment_id"]) for row in rows]

    def _stored(self, rows: Sequence[Row]) -> dict[str, Row]:
        """What the ledger holds under the keys of reported rows."""
        found: dict[str, Row] = {}
        outside = [row["experiment_id"] for row in rows if row["evaluation_key"] == row["experiment_id"]]
        ours = [row["evaluation_key"] for row in rows if row["evaluation_key"] != row["experiment_id"]]
        for name, values in (("experiment_id", outside), ("evaluation_key", ours)):
            if values:
                found |= {row[name]: row for row in rows_with_key(self._engine, "model_runs", name, values)}
        return found

    def _finish(self, key: str) -> str:
        evaluation = self._open[key]
        recorded = self.recorded(evaluation.config.commodity, evaluation.evaluation_key)
        if recorded is not None:
            del self._open[key]
            self._check_same_forecasts(evaluation, recorded)
            return recorded
        rows = evaluation.rows(capture(self._engine.cluster), now=dt.datetime.now(dt.UTC))
        inserted = [self._merge(table, rows[table]) for table in KEYS]
        del self._open[key]
        if inserted[-1] == 0:  # another process recorded the same evaluation meanwhile
            return self.recorded(evaluation.config.commodity, evaluation.evaluation_key) or evaluation.experiment_id
        return evaluation.experiment_id

    def _merge(self, table: str, rows: Sequence[Row]) -> int:
        """Merge on the table's key; what this process has written once under a shared key is not written again."""
        if table in ("environments", "backtests"):
            rows = [row for row in rows if (table, row[KEYS[table][0]]) not in self._written]
        inserted = merge_new(self._engine, table, rows, key=KEYS[table], pins=PINS[table])
        if table in ("environments", "backtests"):
            self._written |= {(table, row[KEYS[table][0]]) for row in rows}
        return inserted

    def _check_same_forecasts(self, evaluation: Evaluation, recorded: str) -> None:
        frame = select(self._engine, "stored_forecasts", experiment_id=recorded)
        stored = {(row["cutoff"], row["step"]): (row["y"], row["y_hat"]) for row in _records(frame)}
        given = evaluation.cells
        if differing := sorted(cell for cell in stored.keys() | given.keys() if stored.get(cell) != given.get(cell)):
            msg = (
                f"{evaluation.model_name} {evaluation.config.model_version} is recorded as {recorded} with other "
                f"actuals or forecasts at {differing[0][0]}; nothing was changed. Give these a new model_version, "
                "or the new data a data_version."
            )
            raise ConflictError(msg)


def _experiment_of(run: Row, provenance: Provenance) -> Row:
    """The row of `experiments` that goes with a reported row of `model_runs`."""
    return {
        "experiment_id": run["experiment_id"],
        "name": run["model_name"],
        "experiment_type": "backtest",
        "status": run["status"],
        "started_at": run["run_timestamp"],
        "random_seed": run.get("random_seed"),
        "git_commit": run["git_commit"],
        "git_branch": provenance.git_branch,
        "git_dirty": run["git_dirty"],
        "environment_id": run["environment_id"],
        "python_version": provenance.python_version,
        "run_by": run["run_by"],
        "notes": run.get("notes"),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
