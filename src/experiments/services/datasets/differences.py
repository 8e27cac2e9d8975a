"""What differs between two versions of data: columns, ranges, roles, splits and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.errors import ExperimentsError
from experiments.services.datasets import values
from experiments.services.datasets.splits import told

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.services.datasets.manager import DatasetManager
    from experiments.services.datasets.record import Dataset

_ABOUT = {
    "smallest value": "minimums",
    "largest value": "maximums",
    "missing values": "missing",
}
_SAID = {
    "time column": "time_column",
    "feature columns": "feature_columns",
    "target columns": "target_columns",
    "metadata": "metadata",
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs.

    Attributes
    ----------
    what : str
        "column added", "column removed", "type", "rows", "smallest value", "time column", "split" ...
    name : str
        The column or split; empty where it is of the whole.
    before, after : str
        In the first and in the second dataset; empty where there is none.
    """

    what: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How the rows differ.

    Attributes
    ----------
    by : str
        The column by whose values rows are taken to be the same one; empty where a row is known only by all its values.
    n_same, n_new, n_gone, n_changed : int
        Of the rows; without such a column none counts as changed: it is gone, and another is new.
    """

    by: str
    n_same: int
    n_new: int
    n_gone: int
    n_changed: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs between two datasets.

    Attributes
    ----------
    before, after : Dataset
    same_content : bool
        Whether their values are the same, whatever is said of them.
    changes : tuple of Change
    rows : Rows or None
        None where the content of one cannot be read any more.
    reason : str
        Why there are no `rows`; empty where there are.
    """

    before: Dataset
    after: Dataset
    same_content: bool
    changes: tuple[Change, ...]
    rows: Rows | None
    reason: str


def difference(datasets: DatasetManager, before: str, after: str) -> Difference:
    """What is another in a second dataset than in a first.

    Parameters
    ----------
    datasets : DatasetManager
    before, after : str
        Ids, or their first characters.

    Raises
    ------
    NotFoundError
        If there is no such dataset.
    """
    first, second = datasets.get_dataset(before), datasets.get_dataset(after)
    rows, reason = None, ""
    if first.content_sha256 == second.content_sha256:
        rows = Rows(by=_key(first, second), n_same=first.n_rows, n_new=0, n_gone=0, n_changed=0)
    else:
        try:
            rows = compare_rows(datasets.read(first), datasets.read(second), _key(first, second))
        except ExperimentsError as error:
            reason = str(error)
    return Difference(
        before=first,
        after=second,
        same_content=first.content_sha256 == second.content_sha256,
        changes=tuple(_changes(first, second)),
        rows=rows,
        reason=reason,
    )


def compare_rows(before: pa.Table, after: pa.Table, key: str = "") -> Rows:
    """How many rows are new, gone, changed and the same, by the values of the columns both have.

    Parameters
    ----------
    before, after : pyarrow.Table
    key : str
        A column that tells rows apart; where its values stand twice, rows are compared by all their values.
    """
    shared = [name for name in sorted(before.column_names) if name in after.column_names]
    old, new = _digests(before, shared), _digests(after, shared)
    if key in shared:
        first, second = _digests(before, [key]), _digests(after, [key])
        if all(len(np.unique(keys)) == len(keys) for keys in (first, second)):
            _, at_first, at_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
            n_same = int((old[at_first] == new[at_second]).sum())
            n_shared = len(at_first)
            return Rows(
                by=key,
                n_same=n_same,
                n_new=len(second) - n_shared,
                n_gone=len(first) - n_shared,
                n_changed=n_shared - n_same,
            )
    first, n_first = np.unique(old, return_counts=True)
    second, n_second = np.unique(new, return_counts=True)
    _, at_first, at_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    n_same = int(np.minimum(n_first[at_first], n_second[at_second]).sum())
    return Rows(by="", n_same=n_same, n_new=after.num_rows - n_same, n_gone=before.num_rows - n_same, n_changed=0)


def _digests(table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """64 bits of each row, of its values in these columns."""
    found = np.zeros(table.num_rows, "u8")
    for name in names:
        column = values.plain_column(table.column(name)).combine_chunks()
        if values.is_fixed(column.type):
            cells = values.records(column)
            found = _mixed(_mixed(found ^ cells["value"]) ^ cells["tag"])
        else:
            found = _mixed(found ^ _of_texts(column))
    return found


def _of_texts(column: pa.Array) -> npt.NDArray[np.uint64]:
    import pandas as pd

    kind = values.kind_of(column.type)
    cells = column.to_pylist() if kind in (values.TEXT, values.BYTES) else values.others(column)
    return pd.util.hash_array(np.array(cells, dtype=object))


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every bit of the result depends on every bit of the input: the end of SplitMix64 (Steele, Lea and Flood 2014).

    doi 10.1145/2660193.2660195
    """
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _key(before: Dataset, after: Dataset) -> str:
    """The time column, where both have the same."""
    return before.time_column or "" if before.time_column == after.time_column else ""


def _changes(before: Dataset, after: Dataset) -> list[Change]:
    found = []
    for name in dict.fromkeys([*before.column_types, *after.column_types]):
        old, new = before.column_types.get(name, ""), after.column_types.get(name, "")
        if old != new:
            what = "type" if old and new else "column removed" if old else "column added"
            found.append(Change(what=what, name=name, before=old, after=new))
    if before.n_rows != after.n_rows:
        found.append(Change(what="rows", name="", before=f"{before.n_rows:,}", after=f"{after.n_rows:,}"))
    shared = [name for name in before.column_types if name in after.column_types]
    for what, of in _ABOUT.items():
        old, new = getattr(before, of), getattr(after, of)
        found += _of_each(what, {name: old.get(name) for name in shared}, {name: new.get(name) for name in shared})
    for what, of in _SAID.items():
        old, new = getattr(before, of), getattr(after, of)
        if old != new:
            found.append(Change(what=what, name="", before=_shown(old), after=_shown(new)))
    parts = [{name: told(part) for name, part in (one.splits or {}).items()} for one in (before, after)]
    return found + _of_each("split", *parts)


def _of_each(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(what=what, name=name, before=_shown(before.get(name)), after=_shown(after.get(name)))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, tuple) else str(value)
