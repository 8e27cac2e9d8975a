"""A version of a registered model, as it is recorded."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.storage.table import records

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.registry.standing import Standings


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A row of the view `registered_models`; its columns are told in `sql/tables/models.sql`.

    Attributes
    ----------
    model_id : int
    alias : str or None
        "champion" or "challenger", where it is deployed as one.
    deployment_status : str
        "saved" (never deployed), "deployed", "replaced" (by another version) or "rolled back".
    metrics : dict of str to float
    hyperparameters : dict or None
    input_schema : dict of str to str, or None
        Types of the features by their names, in order.
    parents : tuple of int
        The versions it was made from; `parentage` says how.
    """

    model_id: int
    model_name: str
    model_type: str
    version: str
    metrics: dict[str, float]
    hyperparameters: dict[str, Any] | None
    file_path: str
    created_at: dt.datetime
    description: str | None
    alias: str | None
    deployment_status: str
    deployed_at: dt.datetime | None
    file_format: str
    sha256: str
    size_bytes: int
    created_by: str
    intended_use: str | None
    limitations: str | None
    input_schema: dict[str, str] | None
    experiment_id: str | None
    parents: tuple[int, ...]
    parentage: str | None
    git_commit: str | None
    git_dirty: bool | None
    environment_id: str

    @property
    def label(self) -> str:
        """The version as people call it."""
        return f"{self.model_name} {self.version}"

    @property
    def info(self) -> dict[str, Any]:
        """All of it as a dictionary, times as ISO text in UTC: what `ModelRegistry.list_models` gives."""
        return {
            name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in vars(self).items()
        }


def versions_in(frame: pd.DataFrame, standings: Standings | None = None) -> list[ModelVersion]:
    """The versions in a frame: rows of `registered_models`, or of `models` with what was decided on them."""
    rows = records(frame)
    if standings is None:
        return [_version(row) for row in rows]
    there = [row for row in rows if (row["model_name"], row["version"]) not in standings.deleted]
    return [_version(row | vars(standings.of(row["model_name"], row["version"]))) for row in there]


def _version(row: Mapping[str, Any]) -> ModelVersion:
    fields = ModelVersion.__dataclass_fields__
    given = {name: row[name] for name in fields if name not in _READ}
    return ModelVersion(
        **{name: _plain(value) for name, value in given.items()},
        **{name: read(row[name]) for name, read in _READ.items()},
    )


def _plain(value: Any) -> Any:
    value = known(value)
    return bool(value) if type(value).__name__ == "bool_" else value


def _time(value: Any) -> dt.datetime | None:
    if known(value) is None:
        return None
    when: dt.datetime = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when


def _pairs(value: Any) -> dict[str, float]:
    """A map as an engine gives it: a dictionary, or pairs."""
    return {str(name): float(number) for name, number in (value.items() if isinstance(value, Mapping) else value)}


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else None


def _numbers(value: Any) -> tuple[int, ...]:
    return () if value is None or isinstance(value, float) else tuple(int(one) for one in value)


_READ: dict[str, Any] = {
    "model_id": int,
    "size_bytes": int,
    "created_at": _time,
    "deployed_at": _time,
    "metrics": _pairs,
    "hyperparameters": _json,
    "input_schema": _json,
    "parents": _numbers,
}
