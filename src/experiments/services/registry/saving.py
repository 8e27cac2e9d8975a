"""A version put in place: its file and its row, under numbers nobody has.

In the ledger's own folder the file comes first, under a name that only one can give it, and then the row, in one
commit: until then the file is no version's, and the next sweep's if the process dies. Elsewhere, where a name can be
given twice, the row comes first without `saved_at`, so that nobody else takes its numbers; views leave it out until the
file is there.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from experiments.errors import ConflictError, EngineError, InvalidInputError
from experiments.services.registry.versions import file_name, next_version
from experiments.storage.files import turn
from experiments.storage.table import fill, merge_new, select
from experiments.storage.upkeep import remove_models

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from experiments.services.registry.files import ModelFiles
    from experiments.storage.engine import Engine

_TRIES = 50


def numbers_turn(engine: Engine) -> AbstractContextManager[bool]:
    """Wait until nobody else of this machine gives numbers, or sweeps."""
    return turn(None if engine.location is None else engine.location / "models", "_numbers.lock")


def owns(engine: Engine, files: ModelFiles) -> bool:
    """Whether the files lie in the ledger's own folder, where nobody else writes."""
    return engine.location is not None and files.is_in(engine.location.parent)


def put(
    engine: Engine, files: ModelFiles, row: dict[str, Any], content: bytes, *, wanted: str | None, ending: str
) -> int:
    """Save a version; returns its `model_id`.

    Parameters
    ----------
    engine : Engine
    files : ModelFiles
    row : dict
        Of `models`, but for its numbers, path and times.
    content : bytes
        Of the file.
    wanted : str or None
        The version; by default the next.
    ending : str
        Of the file's name.

    Raises
    ------
    InvalidInputError
        If the version is taken.
    ConflictError
        If no number could be had, or a sweep removed what was being saved.
    EngineError
        If the file or the row cannot be written.
    """
    if owns(engine, files):
        return _file_first(engine, files, row, content, wanted, ending)
    return _row_first(engine, files, row, content, wanted, ending)


def _file_first(
    engine: Engine, files: ModelFiles, row: dict[str, Any], content: bytes, wanted: str | None, ending: str
) -> int:
    name = row["model_name"]
    with files.coming(name, content) as coming:
        for _ in range(_TRIES):
            with numbers_turn(engine):
                made = _numbered(engine, files, row, wanted, ending)
                while not coming.take(made["file_path"]):  # of a save that was killed, and not swept yet
                    if wanted is not None:
                        msg = f"a save of {name} {wanted} was interrupted: give another version, or sweep the registry."
                        raise InvalidInputError(msg)
                    made |= _at(files, row, next_version([made["version"]]), ending)
                if _recorded(engine, files, made | {"saved_at": made["created_at"]}):
                    return int(made["model_id"])
    raise _no_number(name)


def _recorded(engine: Engine, files: ModelFiles, made: dict[str, Any]) -> bool:
    """Add the row whose file is in place, or take the file away; whether it was added."""
    try:
        if merge_new(engine, "models", [made], key=("model_id",), ranges=("model_id",)):
            return True
    except BaseException:
        # it may be there all the same. Where the engine does not tell, the file stays: if no version's, for the sweep
        if not _is_there(engine, made):
            files.remove(made["file_path"])
            raise
        return True
    if _is_there(engine, made):
        return True
    files.remove(made["file_path"])
    return False


def _is_there(engine: Engine, made: dict[str, Any]) -> bool:
    """Whether the row is this one."""
    rows = select(engine, "model_files")
    return bool(((rows["model_id"] == made["model_id"]) & (rows["file_path"] == made["file_path"])).any())


def _row_first(
    engine: Engine, files: ModelFiles, row: dict[str, Any], content: bytes, wanted: str | None, ending: str
) -> int:
    name = row["model_name"]
    for _ in range(_TRIES):
        with numbers_turn(engine):
            made = _numbered(engine, files, row, wanted, ending)
            if files.is_there(made["file_path"]):
                other = f"{made['file_path']} is there, and not this ledger's"
                msg = f"{other}: give the registry a location of its own. Nothing was saved."
                raise EngineError(msg)
            if merge_new(engine, "models", [made], key=("model_id",), ranges=("model_id",)):
                break
    else:
        raise _no_number(name)
    saved = {"model_id": made["model_id"], "saved_at": dt.datetime.now(dt.UTC)}
    try:
        files.write(name, made["file_path"].rpartition("/")[2], content)
        if not fill(engine, "models", "saved_at", saved, key="model_id"):
            msg = f"{name} {made['version']} was swept while it was saved. Nothing was saved: save it again."
            raise ConflictError(msg)
    except BaseException:
        with suppress(Exception):  # what cannot be removed now is no version, and the next sweep's
            files.remove(made["file_path"])
            remove_models(engine, [made["model_id"]])
        raise
    return int(made["model_id"])


def _numbered(
    engine: Engine, files: ModelFiles, row: dict[str, Any], wanted: str | None, ending: str
) -> dict[str, Any]:
    """The row with numbers that nobody has."""
    taken = select(engine, "models_taken", model_name=row["model_name"], version=wanted or "").iloc[0]
    if wanted is not None and taken["n_same"]:
        msg = f"{row['model_name']} has a version {wanted}, or had one: give another, or none for the next."
        raise InvalidInputError(msg)
    version = wanted or next_version(_highest(taken["highest_version"]))
    numbers = {"model_id": int(taken["highest_id"]) + 1, "created_at": dt.datetime.now(dt.UTC)}
    return row | numbers | _at(files, row, version, ending)


def _at(files: ModelFiles, row: dict[str, Any], version: str, ending: str) -> dict[str, str]:
    path = files.path(row["model_name"], file_name(row["model_type"], version, ending))
    return {"version": version, "file_path": path}


def _highest(sortable: object) -> list[str]:
    """The highest version, from its parts filled up with zeros."""
    return [".".join(str(int(part)) for part in sortable.split("."))] if isinstance(sortable, str) else []


def _no_number(name: str) -> ConflictError:
    return ConflictError(f"no number could be had for {name}: others were faster {_TRIES} times. Save it again.")
