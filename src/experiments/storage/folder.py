"""Delta tables that are a folder of the user's, outside every catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.errors import EngineError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from pyarrow.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A version of a Delta table that is a folder.

    Attributes
    ----------
    version : int
    rows : pyarrow.dataset.Dataset
        Its rows, read when they are asked for.
    """

    version: int
    rows: Dataset


def read_folder(folder: Path, version: int | None = None) -> tuple[pd.DataFrame, int]:
    """A version of a Delta table, the newest by default, and its number.

    Raises
    ------
    NotFoundError
        If there is no such folder or version.
    InvalidInputError
        If the folder is no Delta table that can be read.
    EngineError
        If the package that reads it is not installed.
    """
    found = open_folder(folder, version)
    try:
        return found.rows.to_table().to_pandas(ignore_metadata=True), found.version
    except (OSError, ValueError) as error:
        raise _unreadable(folder, version, error) from error


def open_folder(folder: Path, version: int | None = None) -> Folder:
    """As `read_folder`, its rows not read yet.

    Raises
    ------
    NotFoundError, InvalidInputError, EngineError
        As `read_folder`.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        msg = f"the folder {folder} is read by a package that is missing: pip install 'experiment-ledger[local]'."
        raise EngineError(msg) from error
    if not folder.is_dir():
        asked = "" if version is None else f", nor a version {version} of it"
        msg = f"there is no folder {folder}{asked}: it was removed or renamed, or is elsewhere."
        raise NotFoundError(msg)
    if not (folder / "_delta_log").is_dir():
        msg = f"{folder} is a folder without a Delta log: give the folder of a Delta table, or a file."
        raise InvalidInputError(msg)
    try:
        newest = DeltaTable(str(folder)).version()
        if version is not None and version > newest:
            msg = f"{folder} has no version {version}; its newest is @v{newest}, the oldest there can be @v0."
            raise NotFoundError(msg)
        table = DeltaTable(str(folder), version=version)
        return Folder(version=table.version(), rows=table.to_pyarrow_dataset())
    except (DeltaError, OSError, ValueError) as error:
        raise _unreadable(folder, version, error) from error


def _unreadable(folder: Path, version: int | None, error: Exception) -> InvalidInputError:
    reason = str(error).partition("\n")[0]
    at = "" if version is None else f" at version {version}"
    return InvalidInputError(f"the Delta table {folder} cannot be read{at}: {reason}.")
