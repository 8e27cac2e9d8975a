"""What a run of the ledger has and MLflow has no place for: carried along in one tag, as JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.identity import time_of
from experiments.services.exchange.texts import typed
from experiments.services.tracking.runs import COUNTED_BY

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    "experiment_type",
    "status",
    "random_seed",
    "git_dirty",
    "python_version",
    "working_folder",
    "parent_id",
    "command",
    "seeded",
)
_TYPES: Mapping[str, type] = {
    "random_seed": int,
    "git_dirty": bool,
    "command": list,
    "seeded": list,
}


def carried(row: Mapping[str, Any], settings: pd.DataFrame, points: pd.DataFrame) -> str:
    """The text of the tag: columns of the run, its exact times, params that are texts, and what counts its metrics."""
    texts = [
        name
        for name, value, kind in zip(settings["name"], settings["value"], settings["value_type"], strict=True)
        if kind == "str" and typed(json.loads(value)).value_type != "str"
    ]
    content = {name: row[name] for name in _COLUMNS} | {"texts": texts, "counted_by": counters(points)}
    content |= {name: None if row[name] is None else row[name].isoformat() for name in ("started_at", "ended_at")}
    return json.dumps({name: value for name, value in content.items() if value not in (None, [], {})})


def places(logged: pd.DataFrame) -> tuple[list[int], list[str]]:
    """MLflow's step of each point, and what it is: the step, else the episode, else the epoch, else 0 for nothing."""
    place = logged["step"].fillna(logged["episode"]).fillna(logged["epoch"]).fillna(0)
    column = logged["epoch"].notna().map({True: "epoch", False: ""})
    for name in ("episode", "step"):
        column = column.mask(logged[name].notna(), name)
    return [int(one) for one in place], column.tolist()


def counters(logged: pd.DataFrame) -> dict[str, str]:
    """What MLflow's step is of each metric that is not counted by step: "episode", "epoch", or "" for nothing."""
    used: dict[str, set[str]] = {}
    for name, column in zip(logged["name"], places(logged)[1], strict=True):
        used.setdefault(str(name), set()).add(column)
    return {name: column for name, (column, *others) in used.items() if column != "step" and not others}


def read_carried(text: str | None) -> dict[str, Any]:
    """What a tag of ours says; what is not as we write it is left out, since anyone may write a tag."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    read = {name: content[name] for name in _COLUMNS if isinstance(content.get(name), _TYPES.get(name, str))}
    for name in ("command", "seeded"):
        if not all(isinstance(one, str) for one in read.get(name, ())):
            del read[name]
    for name in ("started_at", "ended_at"):
        try:
            read[name] = dt.datetime.fromisoformat(content[name]).astimezone(dt.UTC)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    texts, by = content.get("texts"), content.get("counted_by")
    read["texts"] = {*filter(_is_text, texts)} if isinstance(texts, list) else set()
    read["counted_by"] = {
        name: column for name, column in (by.items() if isinstance(by, dict) else ()) if column in ("", *COUNTED_BY)
    }
    return read


def own_id(identifier: str | None, milliseconds: int) -> str | None:
    """The id a tag of ours names, if it is one of a run that started then."""
    try:
        same = identifier is not None and time_of(identifier) == moment(milliseconds)
    except (ValueError, OverflowError):
        return None
    return identifier if same else None


def moment(milliseconds: int) -> dt.datetime:
    """MLflow's times, milliseconds since 1970."""
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def milliseconds_of(when: Any) -> int:
    """A time as MLflow has it; what is finer than a millisecond is lost."""
    when = when.to_pydatetime() if hasattr(when, "to_pydatetime") else when
    when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when
    return int((when - moment(0)) // dt.timedelta(milliseconds=1))


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a frame with None for NULL, lists for arrays and aware times."""
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return value
    value = known(value)
    if value is None or type(value).__name__ == "NaTType":
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_text(value: object) -> bool:
    return isinstance(value, str)
