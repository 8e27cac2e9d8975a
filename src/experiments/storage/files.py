"""A table's files on this machine: writers take turns at them, and compact them when many have piled up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from experiments.errors import EngineError, first_line

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from deltalake import DeltaTable

COMPACT_EVERY = 25
"""Commits after which a writer compacts a table and checkpoints its log."""


_MANY_ROWS = 10_000
_LEFT_SECONDS = 86_400

_ASKED_BY = {"metrics": "experiment_id"}
"""Tables of millions of rows, and the column whose few values a question names."""


@dataclass(frozen=True, kw_only=True)
class Tended:
    """What was done, or would be, to the files of a table.

    Attributes
    ----------
    files_before, files_after : int or None
        Files the table consists of; of a dry run there is none after.
    n_removed : int
        Files removed that no version needs.
    bytes_freed : int or None
        Their size; None where the engine does not tell.
    """

    files_before: int
    files_after: int | None
    n_removed: int
    bytes_freed: int | None


@contextmanager
def turn(folder: Path | None, name: str = "_writer.lock", *, wait: bool = True) -> Iterator[bool]:
    """Wait until no other writer of this machine is at the table: cheaper than to lose the race and start again.

    The lock goes with the process that holds it, however it ends. Writers of other machines are met by `commit`.
    Yields whether it is one's turn: without `wait` it may not be.
    """
    import fcntl

    if folder is None:
        yield True
        return
    try:
        lock = (folder / name).open("w")
    except OSError as error:
        msg = f"{folder} cannot be written: {error.strerror}."
        raise EngineError(msg) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def staged(location: Path | None, name: str, rows: pa.Table) -> Iterator[Path | None]:
    """A file with rows for an engine to read, where they are many and it reads files of this machine; else None.

    Sail keeps what is sent to it until it stops, and takes more than twice as long for it.
    """
    if location is None or rows.num_rows < _MANY_ROWS:
        yield None
        return
    import pyarrow.parquet as pq

    folder = location / "staged"
    file = folder / f"{name}.parquet"
    try:
        folder.mkdir(exist_ok=True)
        for left in folder.iterdir():  # by processes that died
            if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                left.unlink(missing_ok=True)
        pq.write_table(rows, file)
        yield file
    finally:
        file.unlink(missing_ok=True)


def newest_version(folder: Path | None) -> int:
    """The newest version in a table's log; -1 where there is none on this machine."""
    if folder is None or not (log := folder / "_delta_log").is_dir():
        return -1
    hint = log / "_last_checkpoint"
    # a checkpoint says where to begin to look: a log may have thousands of entries
    version = -1
    with suppress(OSError, ValueError, KeyError):  # there is none yet, or it is just being written
        version = json.loads(hint.read_text())["version"]
    while (log / f"{version + 1:020}.json").exists():
        version += 1
    return int(version)


def compact(folder: Path) -> None:
    """Rewrite many small files as few and checkpoint the log.

    delta-rs 1.6 does not notice that another compaction removed the same files, and doubles their rows: so one at a
    time, each from a fresh look at the table.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError, DeltaError
    except ImportError:  # somebody's own Spark: they look after their files
        return
    # what fails is done by the next writer over the mark
    with turn(folder), suppress(CommitFailedError, DeltaError):
        _rewrite(folder, DeltaTable(str(folder)))


def tend(folder: Path, *, retain_hours: int, dry_run: bool) -> Tended:
    """Compact a table, checkpoint its log and remove the files nobody needs any more.

    A file goes when no version in the log lists it and it was written more than `retain_hours` ago, also one that a
    writer left behind when it died. The log of a table on this machine reaches back ten minutes at least (see
    `catalog`), and so does time travel. Two at once take turns; killed on the way, the next one ends the same.

    Parameters
    ----------
    folder : Path
        Of the table.
    retain_hours : int
        How old such a file must be.
    dry_run : bool
        Whether to change nothing and only look what would be removed.

    Raises
    ------
    EngineError
        If the packages are not installed, or the files cannot be read or written.
    """
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        msg = "the files of a ledger are looked after with deltalake: pip install 'experiment-ledger[local]'."
        raise EngineError(msg) from error
    try:
        with turn(None if dry_run else folder):
            table = DeltaTable(str(folder))
            before = len(table.file_uris())
            if not dry_run:
                _rewrite(folder, table)
                table = DeltaTable(str(folder))
            # not enforced: a table made elsewhere may say a week, and nobody looks back further than its log
            going = table.vacuum(retain_hours, dry_run=True, full=True, enforce_retention_duration=False)
            freed = sum(_size(folder, path) for path in going)
            if going and not dry_run:
                table.vacuum(retain_hours, dry_run=False, full=True, enforce_retention_duration=False)
            after = None if dry_run else len(table.file_uris())
    except (DeltaError, OSError) as error:
        msg = f"the files of the table at {folder} cannot be looked after: {first_line(error)}"
        raise EngineError(msg) from error
    return Tended(files_before=before, files_after=after, n_removed=len(going), bytes_freed=freed)


def last_written(folder: Path) -> dict[tuple[str, ...], int]:
    """When a file was last added to each partition of a table, in milliseconds since 1970, by its values in order."""
    from deltalake import DeltaTable

    table = DeltaTable(str(folder))
    found = table.get_add_actions(flatten=True)
    columns = [f"partition.{name}" for name in table.metadata().partition_columns]
    values = {name: found[name].to_pylist() for name in (*columns, "modification_time")}
    newest: dict[tuple[str, ...], int] = {}
    for *place, written in zip(*values.values(), strict=True):
        newest[tuple(place)] = max(written, newest.get(tuple(place), 0))
    return newest


def _rewrite(folder: Path, table: DeltaTable) -> None:
    """Compact a table that was just looked at, in one's turn.

    Compaction mixes the rows of files: a table that is asked for few keys gets small groups of rows with a filter that
    tells which keys are not in them.
    """
    from deltalake import BloomFilterProperties, ColumnProperties, WriterProperties

    key = _ASKED_BY.get(folder.name)
    if key is None:
        table.optimize.compact()
    else:
        filtered = BloomFilterProperties(set_bloom_filter_enabled=True, fpp=0.01, ndv=2000)
        found_by = {key: ColumnProperties(bloom_filter_properties=filtered)}
        written = WriterProperties(max_row_group_size=100_000, compression="ZSTD", column_properties=found_by)
        table.optimize.compact(writer_properties=written)
    table.create_checkpoint()  # and with it goes what has expired of the log
    _drop_checksums(folder / "_delta_log")


def _size(folder: Path, path: str) -> int:
    """The size of a file of a table; 0 where it has gone meanwhile."""
    for name in (path, unquote(path)):
        with suppress(OSError):
            return (folder / name).stat().st_size
    return 0


def _drop_checksums(log: Path) -> None:
    """Remove the checksums of versions that have gone: delta-rs leaves Sail's."""
    oldest = min((entry.name for entry in log.glob("*.json")), default="")
    for entry in log.glob("*.crc"):
        if entry.stem < oldest[:20]:
            entry.unlink(missing_ok=True)
