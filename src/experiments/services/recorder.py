"""Recording: windows as they come, evaluations when they are whole, reported figures as they are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import ConflictError, ExperimentsError
from experiments.identity import digest, time_of
from experiments.science.forecasting import WindowForecast
from experiments.science.window import QUANTILE_LEVELS
from experiments.services.evaluation import Evaluation
from experiments.services.logged import EvaluationConfig, Window
from experiments.services.provenance import Provenance, capture, check_settings
from experiments.services.rows import Row, as_mapping, as_timestamp, bare_run, convert, reported_run, same_value
from experiments.storage.table import check_rows, merge_new, records, rows_with_key, select, select_among

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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

RESUMED_FOR = dt.timedelta(days=21)
"""How long an interrupted evaluation is gone on with under its own id; maintenance sweeps what is left later."""


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
            evaluation = Evaluation(model_name=model_name, config=checked, started_at=_now())
        evaluation.add(window)
        _ = evaluation.definition  # what cannot be a backtest is refused with the first window, not with the last
        self._open[key] = evaluation
        return self._record([key])[0] if evaluation.is_complete else evaluation.experiment_id

    def begin(
        self, model_name: str, config: EvaluationConfig, cutoffs: Sequence[dt.date], *, known_as: str | None
    ) -> Evaluation:
        """Begin an evaluation whose windows are all known, or go on with one that was interrupted.

        Its windows are written by `store`, not one by one as those that are logged.

        Parameters
        ----------
        model_name : str
        config : EvaluationConfig
        cutoffs : sequence of date
            Those of all its windows.
        known_as : str or None
            The id under which it was begun, see `unfinished`.
        """
        evaluation = Evaluation(
            model_name=model_name,
            config=config,
            started_at=_now() if known_as is None else time_of(known_as),
            cutoffs=tuple(cutoffs),
            experiment_id=known_as or "",
        )
        self._open[evaluation.evaluation_key] = evaluation
        return evaluation

    def store(self) -> dict[str, str]:
        """Write what has come in, in one commit a table: evaluations that are whole, and of the others their windows.

        Returns
        -------
        dict of str to str
            By key, the ids under which the ledger now has the whole ones.
        """
        whole = [key for key, evaluation in self._open.items() if evaluation.is_complete]
        begun = [evaluation for evaluation in self._open.values() if evaluation.cutoffs and not evaluation.is_complete]
        return dict(zip(whole, self._record(whole, begun), strict=True))

    @property
    def n_unwritten(self) -> int:
        """Windows that have come in and that `store` could not write yet, for want of one before them."""
        return sum(len(one.windows.keys() - one.written) for one in self._open.values() if one.cutoffs)

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
                ids += self._record([key])
            except ExperimentsError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return ids

    def discard(self, experiment_ids: Collection[str]) -> None:
        """Forget these evaluations where they are still open."""
        self._open = {key: item for key, item in self._open.items() if item.experiment_id not in experiment_ids}

    def recorded(self, commodity: str, evaluation_keys: Sequence[str]) -> dict[str, str]:
        """By key, the ids of those evaluations of a commodity that are in the ledger already."""
        return self._ids("recorded_runs", commodity, evaluation_keys)

    def unfinished(self, commodity: str, evaluation_keys: Sequence[str]) -> dict[str, str]:
        """By key, the ids under which windows of these evaluations were stored before they were interrupted.

        One that began too long ago begins anew, with the forecasts that are there.
        """
        found = self._ids("begun_runs", commodity, evaluation_keys)
        return {key: begun for key, begun in found.items() if time_of(begun) > _now() - RESUMED_FOR}

    def _ids(self, name: str, commodity: str, evaluation_keys: Sequence[str]) -> dict[str, str]:
        if not evaluation_keys:
            return {}
        found = records(select_among(self._engine, name, "evaluation_key", evaluation_keys, commodity=commodity))
        return {row["evaluation_key"]: str(row["experiment_id"]) for row in found}

    def _recorded(self, evaluations: Sequence[Evaluation]) -> dict[str, str]:
        by_commodity: dict[str, list[str]] = {}
        for one in evaluations:
            by_commodity.setdefault(one.config.commodity, []).append(one.evaluation_key)
        return {
            key: id_ for commodity, keys in by_commodity.items() for key, id_ in self.recorded(commodity, keys).items()
        }

    def known_forecasts(self, window_keys: Sequence[str]) -> dict[str, WindowForecast]:
        """What is recorded of windows with these keys: their forecasts need no second fit."""
        if not window_keys:
            return {}
        rows = records(select_among(self._engine, "known_forecasts", "window_key", window_keys))
        by_step: dict[str, dict[int, dict[str, Any]]] = {}
        for row in rows:
            by_step.setdefault(row["window_key"], {})[row["step"]] = row
        steps = {key: [cell for _, cell in sorted(cells.items())] for key, cells in by_step.items()}
        return {
            row["window_key"]: WindowForecast(
                y_hat=np.array([cell["y_hat"] for cell in steps[row["window_key"]]]),
                quantiles=_own_quantiles(steps[row["window_key"]]),
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

    def _record(self, keys: Sequence[str], begun: Sequence[Evaluation] = ()) -> list[str]:
        """Write open evaluations as they are, and the windows so far of others; returns the ids of the first."""
        open_ = [self._open[key] for key in keys]
        recorded = self._recorded(open_)
        for key, evaluation in zip(keys, open_, strict=True):
            if evaluation.evaluation_key in recorded:
                del self._open[key]
                self._check_same_forecasts(evaluation, recorded[evaluation.evaluation_key])
        provenance, now = capture(self._engine.cluster), dt.datetime.now(dt.UTC)
        new = [evaluation for evaluation in open_ if evaluation.evaluation_key not in recorded]
        written = [evaluation.rows(provenance, now=now) for evaluation in new]
        written += [evaluation.rows_so_far() for evaluation in begun]
        inserted = 0
        for table in KEYS:
            inserted = self._merge(table, [row for rows in written for row in rows.get(table, ())])
        for evaluation, rows in zip([*new, *begun], written, strict=True):
            evaluation.written |= {row["cutoff"] for row in rows["run_windows"]}
        for key in keys:
            self._open.pop(key, None)
        if inserted < len(new):  # another process recorded one meanwhile
            recorded |= self._recorded(new)
        return [recorded.get(one.evaluation_key, one.experiment_id) for one in open_]

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
        stored = {(row["cutoff"], row["step"]): (row["y"], row["y_hat"]) for row in records(frame)}
        given = evaluation.cells
        if differing := sorted(cell for cell in stored.keys() | given.keys() if stored.get(cell) != given.get(cell)):
            msg = (
                f"{evaluation.model_name} {evaluation.config.model_version} is recorded as {recorded} with other "
                f"actuals or forecasts at {differing[0][0]}; nothing was changed. Give these a new model_version, "
                "or the new data a data_version."
            )
            raise ConflictError(msg)


def _own_quantiles(cells: list[dict[str, Any]]) -> dict[float, np.ndarray[Any, np.dtype[np.float64]]]:
    """The quantiles a model gave itself, from the stored cells of a window."""
    if cells[0]["interval_method"] != "model":
        return {}
    return {level: np.array([dict(cell["quantiles"])[str(level)] for cell in cells]) for level in QUANTILE_LEVELS}


def _now() -> dt.datetime:
    return as_timestamp("now", dt.datetime.now(dt.UTC))


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
