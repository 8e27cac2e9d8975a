"""A table's files on this machine: writers take turns at them, and compact them when many have piled up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from experiments.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

COMPACT_EVERY = 25
"""Commits after which a writer compacts a table and checkpoints its log."""


@contextmanager
def turn(folder: Path | None) -> Iterator[None]:
    """Wait until no other writer of this machine is at the table: cheaper than to lose the race and start again.

    The lock goes with the process that holds it, however it ends. Writers of other machines are met by `commit`.
    """
    import fcntl

    if folder is None:
        yield
        return
    try:
        lock = (folder / "_writer.lock").open("w")
    except OSError as error:
        msg = f"the table at {folder} cannot be written: {error.strerror}."
        raise EngineError(msg) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
        table = DeltaTable(str(folder))
        table.optimize.compact()
        table.create_checkpoint()  # and with it goes what has expired of the log
        _drop_checksums(folder / "_delta_log")


def _drop_checksums(log: Path) -> None:
    """Remove the checksums of versions that have gone: delta-rs leaves Sail's."""
    oldest = min((entry.name for entry in log.glob("*.json")), default="")
    for entry in log.glob("*.crc"):
        if entry.stem < oldest[:20]:
            entry.unlink(missing_ok=True)
