"""What a caller says of a dataset: its name, what its columns are for, its splits and metadata."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text, storable
from experiments.errors import InvalidInputError, unknown
from experiments.services.datasets import splits
from experiments.services.tracking.values import plainer

if TYPE_CHECKING:
    from experiments.services.datasets.content import Content


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What is said of data, beside what is in it; see `DatasetManager.register_dataset`."""

    name: str
    time_column: str | None
    feature_columns: Sequence[str] | None
    target_columns: Sequence[str] | None
    splits: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None

    def check(self, columns: Sequence[str]) -> None:
        """See that all of it can be said of data with these columns.

        Raises
        ------
        InvalidInputError
            If the name is no text, a role no list of names, or the metadata nothing JSON can hold.
        NotFoundError
            If a column is not there.
        """
        check_text("the name of a dataset", self.name)
        named = [] if self.time_column is None else [self.time_column]
        for what, names in (("feature_columns", self.feature_columns), ("target_columns", self.target_columns)):
            if isinstance(names, str) or not (names is None or all(isinstance(one, str) for one in names)):
                msg = f"{what} is {names!r}: give a list of names of columns."
                raise InvalidInputError(msg)
            named += names or ()
        for column in named:
            if column not in columns:
                what = "column"
                raise unknown(what, column, columns)
        _as_json_gives_back(self.metadata)

    def of(self, content: Content) -> dict[str, Any]:
        """What is recorded of it with this content.

        Raises
        ------
        InvalidInputError
            If the splits are none, see `splits.split`.
        """
        parts = None
        if self.splits is not None:
            parts = splits.split(self.splits, n_rows=content.n_rows, order=content.order, time_column=self.time_column)
        return {
            "name": self.name,
            "time_column": self.time_column,
            "feature_columns": None if self.feature_columns is None else tuple(self.feature_columns),
            "target_columns": None if self.target_columns is None else tuple(self.target_columns),
            "splits": parts,
            "metadata": _as_json_gives_back(self.metadata),
        }


def _as_json_gives_back(metadata: Mapping[str, Any] | None) -> Any:
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        msg = f"the metadata is {metadata!r}: give a dict."
        raise InvalidInputError(msg)
    for key, value in metadata.items():
        try:
            _as_json({key: value})
        except (TypeError, ValueError, RecursionError) as error:
            msg = (
                f"the metadata cannot be kept as JSON: {reprlib.repr(key)} is {reprlib.repr(value)}; give finite "
                "numbers, texts, truth values, None, dates, paths, and lists and dictionaries of these, under texts."
            )
            raise InvalidInputError(msg) from error
    return json.loads(storable("the metadata", _as_json(dict(metadata))))


_as_json = json.JSONEncoder(default=plainer, allow_nan=False, ensure_ascii=False).encode
