"""A dataset as the ledger knows it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import known

if TYPE_CHECKING:
    from experiments.services.rows import Row


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One version of a dataset; nothing of it ever changes.

    Attributes
    ----------
    dataset_id : str
        Digest of name, content, roles, splits and metadata.
    name : str
    content_sha256 : str
        Digest of the values, see `content.Content`.
    created_at : datetime
        UTC.
    created_by : str
    source : str
        File, table or frame it was made from.
    format : str
        "parquet" for content that is kept, "delta" for a table at a version.
    location : str
        Where the content is kept; of a table its name or folder.
    table_version : int or None
    file_sha256 : str or None
        Of the kept file; None for a table.
    size_bytes : int or None
        Of the kept file; None for a table.
    n_rows : int
    column_types : mapping of str to str
    minimums, maximums : mapping of str to str
        As text, of columns that have an order.
    missing : mapping of str to int
    time_column : str or None
    feature_columns, target_columns : tuple of str, or None
    splits : mapping of str to mapping, or None
        Of each its `n_rows`, and its `first` and `last` time or rows from `start` to before `stop`.
    metadata : mapping, or None
        What the caller said of it.
    """

    dataset_id: str
    name: str
    content_sha256: str
    created_at: dt.datetime
    created_by: str
    source: str
    format: str
    location: str
    table_version: int | None
    file_sha256: str | None
    size_bytes: int | None
    n_rows: int
    column_types: Mapping[str, str]
    minimums: Mapping[str, str]
    maximums: Mapping[str, str]
    missing: Mapping[str, int]
    time_column: str | None
    feature_columns: tuple[str, ...] | None
    target_columns: tuple[str, ...] | None
    splits: Mapping[str, Mapping[str, Any]] | None
    metadata: Mapping[str, Any] | None

    @property
    def n_columns(self) -> int:
        """How many columns it has."""
        return len(self.column_types)


def from_row(row: Mapping[str, Any]) -> Dataset:
    """A dataset from its row of the table."""
    stored = {name: row[name] for name in ("dataset_id", "name", "content_sha256", "created_by", "source", "format")}
    return Dataset(
        **stored,
        location=row["location"],
        created_at=row["created_at"].to_pydatetime().replace(tzinfo=dt.UTC),
        table_version=_whole(row["table_version"]),
        file_sha256=known(row["file_sha256"]),
        size_bytes=_whole(row["size_bytes"]),
        n_rows=int(row["n_rows"]),
        column_types=dict(row["column_types"]),
        minimums=dict(row["minimums"]),
        maximums=dict(row["maximums"]),
        missing={name: int(count) for name, count in dict(row["missing"]).items()},
        time_column=known(row["time_column"]),
        feature_columns=_names(row["feature_columns"]),
        target_columns=_names(row["target_columns"]),
        splits=_parsed(row["splits"]),
        metadata=_parsed(row["metadata"]),
    )


def to_row(dataset: Dataset) -> Row:
    """A dataset as a row of the table."""
    row = {name: value for name, value in vars(dataset).items() if value is not None}
    return row | {
        "n_columns": dataset.n_columns,
        "missing": {name: float(count) for name, count in dataset.missing.items()},
        "feature_columns": None if dataset.feature_columns is None else list(dataset.feature_columns),
        "target_columns": None if dataset.target_columns is None else list(dataset.target_columns),
        "splits": None if dataset.splits is None else json.dumps(dataset.splits),
        "metadata": None if dataset.metadata is None else json.dumps(dataset.metadata, ensure_ascii=False),
    }


def _whole(value: Any) -> int | None:
    return None if known(value) is None else int(value)


def _names(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(str(name) for name in value)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else None
