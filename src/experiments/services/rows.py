"""From a caller's dictionary to a row: every value checked and made the type of its column."""

from __future__ import annotations

import datetime as dt
import json
import math
import numbers
import reprlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_commodity, known, storable
from experiments.errors import InvalidInputError
from experiments.identity import digest, uuid7
from experiments.services.links import configured_links
from experiments.storage.sql_files import columns

if TYPE_CHECKING:
    from experiments.services.provenance import Provenance

Row = dict[str, Any]

EARLIEST_YEAR, LATEST_YEAR = 1970, 2261
"""Times outside cannot be read back into pandas, which counts in nanoseconds."""

LARGEST_INTEGER = 2**31 - 1

SET_BY_LEDGER = ("evaluation_key", "metrics_source", "is_production", "run_month")
"""Columns of `model_runs` a caller does not write."""

BARE_METRICS = {"mae": "mae_14day", "rmse": "rmse_14day", "mape": "mape_14day"}
"""Names the specification's sketch of the hook uses, and the columns they mean."""

NOT_IN_MODEL_RUNS = ("step_size", "train_size", "grid_origin", "covariates", "tags")
"""Keys of the hook's config that describe a backtest, which bare figures have none of."""


def as_date(name: str, value: Any) -> dt.date | None:
    """A date from a date, a timestamp or ISO text.

    Raises
    ------
    InvalidInputError
        If it is none of these.
    """
    if value is None:
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    elif type(value).__module__ == "numpy":
        value = str(value.astype("datetime64[D]"))
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.fromisoformat(value).date()
    except (TypeError, ValueError) as error:
        msg = f"{name} is {value!r}: give a date such as '2024-12-31'."
        raise InvalidInputError(msg) from error


def as_timestamp(name: str, value: Any) -> dt.datetime:
    """An aware time in UTC, to the millisecond; a time without a zone is taken as local.

    Raises
    ------
    InvalidInputError
        If it is neither a datetime nor ISO text.
    """
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError as error:
            msg = f"{name} is {value!r}: give a time such as '2024-12-31T09:30:00+00:00'."
            raise InvalidInputError(msg) from error
    if not isinstance(value, dt.datetime):
        msg = f"{name} is {value!r}: give a datetime or a time such as '2024-12-31T09:30:00+00:00'."
        raise InvalidInputError(msg)
    aware: dt.datetime = value.astimezone(dt.UTC)
    if not EARLIEST_YEAR <= aware.year <= LATEST_YEAR:
        msg = f"{name} is {value}: give a time between {EARLIEST_YEAR} and {LATEST_YEAR}."
        raise InvalidInputError(msg)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)


def as_number(name: str, value: Any) -> float | None:
    """A finite float.

    Raises
    ------
    InvalidInputError
        If it is not a number, or not finite.
    """
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        msg = f"{name} is {reprlib.repr(value)}: give a finite number, or leave it out."
        raise InvalidInputError(msg)
    return number


def as_integer(name: str, value: Any) -> int:
    """A whole number.

    Raises
    ------
    InvalidInputError
        If it is not one.
    """
    number = as_number(name, value)
    if number is None or not number.is_integer() or abs(number) > LARGEST_INTEGER:
        msg = f"{name} is {reprlib.repr(value)}: give a whole number of at most {LARGEST_INTEGER}."
        raise InvalidInputError(msg)
    return int(number)


def as_flag(name: str, value: Any) -> bool:
    """A truth value.

    Raises
    ------
    InvalidInputError
        If it is not one.
    """
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    msg = f"{name} is {value!r}: give True or False."
    raise InvalidInputError(msg)


def as_texts(name: str, value: Any) -> dict[str, str]:
    """A map of texts: strings stay as they are, other values become JSON text.

    Raises
    ------
    InvalidInputError
        If it is not a mapping.
    """
    return {
        storable(name, key): storable(name, item) if isinstance(item, str) else json.dumps(item, default=str)
        for key, item in as_mapping(name, value).items()
    }


def as_flags(name: str, value: Any) -> dict[str, bool]:
    """A map of truth values.

    Raises
    ------
    InvalidInputError
        If it is not a mapping, or holds something else.
    """
    return {storable(name, key): as_flag(f"{name}[{key!r}]", item) for key, item in as_mapping(name, value).items()}


def as_text(name: str, value: Any) -> str:
    """A text that is not empty and can be stored.

    Raises
    ------
    InvalidInputError
        If it is not one.
    """
    if not isinstance(value, (str, uuid.UUID)) or not str(value).strip():
        msg = f"{name} is {value!r}: give a text that is not empty."
        raise InvalidInputError(msg)
    return storable(name, str(value))


def convert(kind: str, name: str, value: Any) -> Any:
    """A value that is not None as a column of this type takes it: "double", "map<string, string>", "array<date>" ...

    Raises
    ------
    InvalidInputError
        If it cannot be one.
    """
    if kind.startswith("array<"):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            msg = f"{name} is {value!r}: give a list."
            raise InvalidInputError(msg)
        return [convert(kind[6:-1], name, item) for item in value]
    converted = _CONVERSIONS[kind](name, value)
    if converted is None:
        msg = f"{name} holds None: give a value, or leave it out."
        raise InvalidInputError(msg)
    return converted


def bare_run(model_name: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Bare figures of the hook, as in the specification's sketch, as one experiment: `mae` means `mae_14day`."""
    if not results:
        msg = "results is empty: give a window (cutoff, day0, ds, y, y_hat) or figures such as mae, rmse."
        raise InvalidInputError(msg)
    figures = {BARE_METRICS.get(name, name): value for name, value in results.items()}
    settings = {name: value for name, value in as_mapping("config", config).items() if name not in NOT_IN_MODEL_RUNS}
    return settings | figures | {"model_name": model_name}


def same_value(stored: Any, given: Any) -> bool:
    """Whether a stored cell holds what a caller gives again; maps are compared by content, NaN is NULL."""
    if isinstance(given, Mapping):
        stored = dict(stored or {})
    return bool(stored == given) or (given is None and known(stored) is None)


def reported_run(experiment: Mapping[str, Any], provenance: Provenance) -> dict[str, Any]:
    """A row of `model_runs` from figures a caller computed himself.

    Parameters
    ----------
    experiment : mapping
        Columns of `model_runs`; those without a value may be left out.
    provenance : Provenance
        Code, machine and user of this process: used where the caller does not say.

    Raises
    ------
    InvalidInputError
        If a key is no column a caller writes, a required one is missing, or a value is of the wrong kind.
    """
    known = {column.name: column for column in columns("model_runs") if column.name not in SET_BY_LEDGER}
    experiment = as_mapping("the experiment", experiment)
    if unknown := sorted(set(experiment) - set(known)):
        msg = f"an experiment has no field {unknown[0]!r}; it takes {', '.join(known)}."
        raise InvalidInputError(msg)
    given = {name: convert(known[name].type, name, value) for name, value in experiment.items() if value is not None}
    when = given.get("run_timestamp") or as_timestamp("run_timestamp", dt.datetime.now(dt.UTC))
    key = given.get("experiment_id") or digest(given)
    defaults = {
        "experiment_id": given.get("experiment_id") or uuid7(when),
        "model_version": "v1",
        "run_timestamp": when,
        "run_by": provenance.run_by,
        "hardware_config": provenance.hardware_config,
        "databricks_cluster_id": provenance.databricks_cluster_id,
        "git_commit": provenance.git_commit,
        "git_dirty": provenance.git_dirty,
        "environment_id": provenance.environment_id,
        "unique_id": given.get("commodity"),
        "status": "completed",
    }
    row = defaults | given | {"evaluation_key": key, "metrics_source": "reported", "is_production": False}
    if missing := [name for name, column in known.items() if column.required and row.get(name) is None]:
        msg = f"the experiment of {row.get('model_name', 'an unnamed model')!r} lacks {', '.join(missing)}."
        raise InvalidInputError(msg)
    check_commodity(row["commodity"])
    return configured_links(row) | row


def as_mapping(name: str, value: Any) -> Mapping[str, Any]:
    """A mapping with text keys; None is an empty one.

    Raises
    ------
    InvalidInputError
        If it is not one.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        msg = f"{name} is {value!r}: give a dictionary with text keys."
        raise InvalidInputError(msg)
    return value


_CONVERSIONS: Mapping[str, Callable[[str, Any], Any]] = {
    "boolean": as_flag,
    "date": as_date,
    "double": as_number,
    "int": as_integer,
    "map<string, boolean>": as_flags,
    "map<string, string>": as_texts,
    "string": as_text,
    "timestamp": as_timestamp,
}
