"""What a caller logs: the `config` of an evaluation and the `results` of a window, checked before anything is kept."""

from __future__ import annotations

import datetime as dt
import itertools
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from experiments.definitions import check_commodity
from experiments.errors import InvalidInputError
from experiments.science.metrics import scale_and_level
from experiments.science.window import QUANTILE_LEVELS
from experiments.services.rows import as_mapping, convert
from experiments.storage.sql_files import columns

_CONFIG_KINDS = {column.name: column.type for column in columns("model_runs")} | {
    "covariates": "map<string, string>",
    "grid_origin": "date",
    "step_size": "int",
    "tags": "array<string>",
    "train_size": "int",
}
_WINDOW_KINDS = {column.name: column.type for column in columns("run_windows")} | {
    "ds": "array<date>",
    "y": "array<double>",
    "y_hat": "array<double>",
    "quantiles": "map<string, array<double>>",
    "y_train": "array<double>",
}


def _known(cls: type, what: str, given: Mapping[str, Any], *, kinds: Mapping[str, str]) -> dict[str, Any]:
    """A caller's dictionary with its keys checked against a class's fields, and its values made their kinds."""
    known = [item.name for item in fields(cls)] + (["y_train"] if "y_train" in kinds else [])
    given = as_mapping(what, given)
    if unknown := [name for name in given if name not in known]:
        msg = f"{what} has the unknown key {unknown[0]!r}; it takes {', '.join(known)}."
        raise InvalidInputError(msg)
    return {
        name: _quantiles(value) if name == "quantiles" else convert(kinds[name], name, value)
        for name, value in given.items()
        if value is not None
    }


def _quantiles(value: Any) -> dict[float, list[float]]:
    """Quantile forecasts by level, each a list [H]."""
    levels = dict(value) if isinstance(value, Mapping) else {}
    if levels and set(levels) != set(QUANTILE_LEVELS):
        levels = {}
    if not levels and value != {}:
        msg = f"quantiles is {reprlib.repr(value)}: give a list for each level, {{0.1: [...], 0.5: [...], 0.9: [...]}}."
        raise InvalidInputError(msg)
    return {level: convert("array<double>", f"quantiles[{level}]", levels[level]) for level in levels}


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
    data_notes: str | None = None
    dataset_version: str | None = None
    random_seed: int | None = None
    code_fingerprint: str | None = None
    run_by: str | None = None
    notes: str | None = None
    model_path: str | None = None
    dashboard_url: str | None = None
    tags: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> EvaluationConfig:
        """Check a caller's dictionary.

        Raises
        ------
        InvalidInputError
            If a key is unknown or missing, or a value is of the wrong kind.
        """
        given = _known(cls, "config", config, kinds=_CONFIG_KINDS)
        if missing := [name for name in ("commodity", "model_type") if name not in given]:
            msg = f"config lacks {missing[0]!r}; give it as in {{'commodity': 'Coffee', 'model_type': 'SARIMAX'}}."
            raise InvalidInputError(msg)
        check_commodity(given["commodity"])
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One evaluated window: the `results` of `log_experiment`.

    Either forecasts (`ds`, `y`, `y_hat`, arrays [H], and `quantiles`, arrays [H] by level, where the model gives them)
    or the `error` that prevented them.
    """

    cutoff: dt.date
    day0: float
    ds: list[dt.date] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    y_hat: list[float] = field(default_factory=list)
    quantiles: dict[float, list[float]] = field(default_factory=dict)
    scale: float | None = None
    level: float | None = None
    training_start_date: dt.date | None = None
    window_key: str | None = None
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
            If a key is unknown or missing, a value is of the wrong kind, the arrays differ in length or are
            empty, a number is not finite, or a date does not lie after the cutoff in order.
        """
        given = _known(cls, "results", results, kinds=_WINDOW_KINDS)
        needed = ("cutoff", "day0") if "error" in given else ("cutoff", "day0", "ds", "y", "y_hat")
        if missing := [name for name in needed if name not in given]:
            msg = f"results lacks {missing[0]!r}; a window needs {', '.join(needed)}."
            raise InvalidInputError(msg)
        if "y_train" in given:
            y_train = given.pop("y_train")
            if not y_train:
                msg = "y_train is empty: give the series up to the cutoff, or leave it out."
                raise InvalidInputError(msg)
            given["scale"], given["level"] = scale_and_level(np.array(y_train))
        if "error" in given:
            given = {name: value for name, value in given.items() if name not in ("ds", "y", "y_hat", "quantiles")}
        window = cls(**given)
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
        given = [len(self.ds), len(self.y), len(self.y_hat), *map(len, self.quantiles.values())]
        if not self.failed and (len(set(given)) > 1 or not self.y):
            what = "ds, y, y_hat and quantiles" if self.quantiles else "ds, y and y_hat"
            msg = f"{what} of the window at {self.cutoff} have lengths {given}: give one of each a step."
            raise InvalidInputError(msg)
        for name in ("scale", "level", "n_training", "fit_seconds", "predict_seconds"):
            if (getattr(self, name) or 0) < 0:
                msg = f"{name} of the window at {self.cutoff} is {getattr(self, name)}: it cannot be negative."
                raise InvalidInputError(msg)
        dates = (self.cutoff, *self.ds)
        if any(later <= earlier for earlier, later in itertools.pairwise(dates)):
            msg = f"ds of the window at {self.cutoff} must lie after the cutoff, in order of time, each date once."
            raise InvalidInputError(msg)
