"""What is deleted, and what is left of saves and deletions that were interrupted."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_count
from experiments.errors import InvalidInputError
from experiments.services.registry.files import COMING
from experiments.services.registry.formats import FORMATS
from experiments.services.registry.saving import numbers_turn, owns
from experiments.services.registry.versions import check_name, parts_of
from experiments.storage.table import records, select
from experiments.storage.upkeep import remove_models

if TYPE_CHECKING:
    from experiments.services.registry.files import ModelFiles
    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry
    from experiments.storage.engine import Engine


_LONGEST_HOURS = 1_000_000
_COMING = re.compile(rf"/{re.escape(COMING)}[0-9a-f]{{16}}$")
_OURS = re.compile(rf"{_COMING.pattern}|_\d+_\d+_\d+\.({'|'.join(one.ending for one in FORMATS.values())})$")


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep found; with a dry run none of it was removed.

    Attributes
    ----------
    rows : tuple of str
        Versions begun and never finished, or deleted and still in the table, by name and number.
    files : tuple of str
        Files of saves that were interrupted; others are never touched.
    missing : tuple of str
        Versions whose file is gone, by name and number: they stay, as their history may be wanted.
    """

    rows: tuple[str, ...]
    files: tuple[str, ...]
    missing: tuple[str, ...]


def remove(engine: Engine, files: ModelFiles, model_id: int, path: str) -> None:
    """Remove the file and the row of what is no version any more, as far as that is possible now."""
    files.remove(path)
    remove_models(engine, [model_id])


def sweep(registry: ModelRegistry, *, older_than_hours: float = 1.0, dry_run: bool = False) -> Swept:
    """Remove what is left of saves and deletions that were interrupted.

    Parameters
    ----------
    registry : ModelRegistry
    older_than_hours : float
        What was begun since is left alone: somebody may be about to finish it. A save that is swept all the same ends
        in no version, and says so.
    dry_run : bool
        Whether only to look.

    Raises
    ------
    InvalidInputError
        If the time is none.
    EngineError
        If a file or row cannot be removed.
    """
    given: Any = older_than_hours
    if not isinstance(given, int | float) or not 0 <= given <= _LONGEST_HOURS:
        msg = f"older_than_hours is {older_than_hours!r}: give a number from 0 to {_LONGEST_HOURS:,}."
        raise InvalidInputError(msg)
    until = dt.datetime.now(dt.UTC) - dt.timedelta(hours=older_than_hours)
    with nullcontext() if dry_run else numbers_turn(registry.ledger.engine):  # nobody has a file and no row yet
        return _sweep(registry.ledger.engine, registry.files, until, dry_run=dry_run)


def _sweep(engine: Engine, files: ModelFiles, until: dt.datetime, *, dry_run: bool) -> Swept:
    # the files first: what is saved while we look has a row by the time the rows are read
    there = list(files.all())
    left = [row for row in records(select(engine, "unfinished_models")) if row["is_deleted"] or _time(row) <= until]
    rows = records(select(engine, "model_files"))
    known = {_inside(row["file_path"]) for row in rows}
    ours = _COMING if not owns(engine, files) else _OURS  # elsewhere there may be another ledger's
    unknown = [(path, written) for path, written in there if _inside(path) not in known and ours.search(path)]
    lost = [path for path, written in unknown if (written or 0) <= until.timestamp()]
    present = {_inside(path) for path, _ in there}
    going = {int(row["model_id"]) for row in left}
    missing = [
        f"{row['model_name']} {row['version']}"
        for row in rows
        if row["is_saved"] and int(row["model_id"]) not in going and _inside(row["file_path"]) not in present
        if not files.is_there(row["file_path"])
    ]
    if not dry_run:
        for row in left:
            files.remove(row["file_path"])
        for path in lost:
            files.remove(path)
        remove_models(engine, sorted(going))
    return Swept(
        rows=tuple(f"{row['model_name']} {row['version']}" for row in left), files=tuple(lost), missing=tuple(missing)
    )


def clean(
    registry: ModelRegistry,
    model_name: str | None = None,
    *,
    keep_last: int = 5,
    keep_champions: bool = True,
    dry_run: bool = False,
) -> list[ModelVersion]:
    """Delete all but the latest versions of each model; returns those deleted, or that would be.

    Versions that others were made from stay, as long as those stay.

    Parameters
    ----------
    registry : ModelRegistry
    model_name : str, optional
        Only of this model; by default of all.
    keep_last : int
        How many of each model stay, the highest versions.
    keep_champions : bool
        Whether what is deployed stays too, and what was replaced: a rollback leads there.
    dry_run : bool
        Whether only to tell.

    Raises
    ------
    InvalidInputError
        If `keep_last` is less than 1.
    """
    check_count("keep_last", keep_last)
    name = None if model_name is None else check_name("model_name", model_name)
    versions = registry.versions(model_name=name)
    by_name: dict[str, list[ModelVersion]] = {}
    for one in sorted(versions, key=lambda one: parts_of(one.version), reverse=True):
        by_name.setdefault(one.model_name, []).append(one)
    going = [
        one
        for of in by_name.values()
        for one in of[keep_last:]
        if not (keep_champions and one.deployment_status in ("deployed", "replaced"))
    ]
    while kept := _needed(going, versions):
        going = [one for one in going if one.model_id not in kept]
    if not dry_run:
        for one in sorted(going, key=lambda one: one.model_id, reverse=True):  # what was made from others first
            registry.delete_model(one.model_id, force=not keep_champions, reason=f"clean, keeping the last {keep_last}")
    return going


def _needed(going: list[ModelVersion], versions: list[ModelVersion]) -> set[int]:
    """Which of those that would go are parents of some that stay."""
    gone = {one.model_id for one in going}
    staying = [one for one in versions if one.model_id not in gone]
    return {parent for one in staying for parent in one.parents} & gone


def _inside(path: str) -> str:
    """A path from the folder of its model on: a registry may have been moved."""
    return "/".join(str(path).rsplit("/", 2)[-2:])


def _time(row: dict[str, object]) -> dt.datetime:
    when: dt.datetime = row["created_at"].to_pydatetime()  # type: ignore[attr-defined]
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when
