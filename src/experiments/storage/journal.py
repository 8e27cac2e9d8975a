"""The journal of a process: what was logged survives its death, whatever became of the tables meanwhile.

A journal is a folder of its own. `records` has a line for each thing that happens now and then, its CRC-32 before its
JSON. `points-N` are slots of equal size for the points of metrics, written through a memory map, which costs a
fraction of a system call: a slot is in the kernel's hands when the call returns, and so survives SIGKILL. A flipped bit
costs one slot or one line; those without which others mean nothing are written twice. `lock` is held by the process
that writes, or by the one that recovers: no process id is ever looked at.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import re
import shutil
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError

if TYPE_CHECKING:
    import numpy as np

NOTHING = -(2**63)
"""Stands in a slot for a step, episode or epoch that was not given."""

SLOTS = 65_536
"""Points in one file."""

_BODY = struct.Struct("<IIdqqqq")
_CRC_BYTES = 4
SLOT_BYTES = _CRC_BYTES + _BODY.size
_LIMIT = SLOTS * SLOT_BYTES

SLOT = [
    ("crc", "<u4"),
    ("run", "<u4"),
    ("name", "<u4"),
    ("value", "<f8"),
    ("time", "<i8"),
    ("step", "<i8"),
    ("episode", "<i8"),
    ("epoch", "<i8"),
]
"""A slot as numpy reads it: run and name by their numbers among the words, the time in microseconds since 1970."""

_AT_ONCE = 2**25  # bytes of records
_HEAD = 9  # bytes of the CRC and the blank after it
_as_json = json.JSONEncoder(separators=(",", ":")).encode
_BEGINNING = re.compile(rb"[0-9a-f]{8} \{\"kind\"")

_PATIENCE_SECONDS, _LOOK_SECONDS = 60, 0.05

_LOCK, _RECORDS, _COMMITTED, _RECOVERING = "lock", "records", "committed", "recovering"
_mine: weakref.WeakSet[Journal] = weakref.WeakSet()


@dataclass(frozen=True, kw_only=True)
class Place:
    """How far a journal has been read: bytes of its records, and points."""

    records: int = 0
    points: int = 0


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What of a journal could not be read: lines and slots that are not as they were written.

    A last line that was never finished, and so never acknowledged, is not among them.
    """

    records: int = 0
    points: int = 0

    def __bool__(self) -> bool:
        return bool(self.records or self.points)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Part of a journal.

    Attributes
    ----------
    records : list of dict
        In order; each has its "kind", its "time" in microseconds since 1970 and the byte it is "at".
    points : array of `SLOT`, [n]
    positions : array of int64, [n]
        The place of each point in the journal.
    upto : Place
        Where the next batch begins.
    damage : Damage
    """

    records: list[dict[str, Any]]
    points: np.ndarray[Any, Any]
    positions: np.ndarray[Any, Any]
    upto: Place
    damage: Damage = field(default_factory=Damage)


class Journal:
    """The journal this process writes; a forked child goes on in one of its own.

    Parameters
    ----------
    home : Path
        The folder in which journals lie.
    name : str
        Its name, which no other journal ever has; a child's has another.

    Raises
    ------
    EngineError
        If it cannot be written there.
    """

    def __init__(self, home: Path, name: str) -> None:
        self._home, self._lock = home, threading.Lock()
        self._open(name)
        _mine.add(self)

    def _open(self, name: str) -> None:
        self.name, self.folder = name, self._home / name
        self.forked = False
        self._words: dict[str, int] = {}
        self._map: mmap.mmap | None = None
        self._points_file = -1
        self._full: list[int] = []
        self._segment, self._offset = -1, _LIMIT
        self._records_size = 0
        self._time = 0
        making = self._home / f".{name}"  # nobody may take it for one whose process has died
        try:
            making.mkdir(parents=True)
            self._lock_file = _locked(making / _LOCK, make=True)
            self._records_file = os.open(making / _RECORDS, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            making.rename(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EngineError:
        return EngineError(
            f"the journal in {self._home} cannot be written: {error.strerror}. What this call was to log is not kept; "
            "EXPERIMENTS_JOURNAL names another folder."
        )

    def point(self, experiment_id: str, name: str, value: float, step: int, episode: int, epoch: int) -> None:
        """Append one point of a metric; it survives the death of this process once this returns.

        Parameters
        ----------
        experiment_id, name : str
        value : float
        step, episode, epoch : int
            `NOTHING` for none.

        Raises
        ------
        EngineError
            If it cannot be written.
        struct.error
            If a number does not fit 64 bits.
        """
        run = self._words.get(experiment_id) or self._number(experiment_id)
        word = self._words.get(name) or self._number(name)
        now = self._time = max(self._time, time.time_ns() // 1000)  # a clock that jumps back changes no order
        body = _BODY.pack(run, word, value, now, step, episode, epoch)
        slot = zlib.crc32(body).to_bytes(_CRC_BYTES, "little") + body
        with self._lock:
            offset = self._offset
            if offset == _LIMIT:
                offset = self._next_segment()
            self._map[offset : offset + SLOT_BYTES] = slot  # type: ignore[index]
            self._offset = offset + SLOT_BYTES

    def record(self, kind: str, content: dict[str, Any], *, copies: int = 1) -> None:
        """Append a record; it survives the death of this process once this returns.

        Parameters
        ----------
        kind : str
        content : dict
            What JSON can hold.
        copies : int
            How many times to write it; two where others mean nothing without it.

        Raises
        ------
        EngineError
            If it cannot be written; then nothing of it is.
        """
        line = self._line(kind, content)
        with self._lock:
            self._append(line * copies)

    def begin(self, experiment_id: str, content: dict[str, Any]) -> None:
        """Append the record of a run that begins: as `record`, twice, and the number its points will bear with it."""
        with self._lock:
            number = len(self._words) + 1
            self._append(self._line("run", content) * 2 + self._word(experiment_id, number))
            self._words[experiment_id] = number

    def _append(self, lines: bytes) -> None:
        if self.forked:
            self._open(f"{self.name}-{os.getpid()}-{time.time_ns():x}")
        try:
            written = os.write(self._records_file, lines)
        except OSError as error:
            raise self._unwritable(error) from error
        if written < len(lines):  # the next line must not begin in the middle of this one
            os.ftruncate(self._records_file, self._records_size)
            raise self._unwritable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._records_size += len(lines)

    def _line(self, kind: str, content: dict[str, Any]) -> bytes:
        now = self._time = max(self._time, time.time_ns() // 1000)
        text = _as_json({"kind": kind, "time": now, **content}).encode()
        return b"%08x %s\n" % (zlib.crc32(text), text)

    def _word(self, text: str, number: int) -> bytes:
        return self._line("word", {"text": text, "number": number}) * 2

    def _number(self, word: str) -> int:
        """Number a run or a name, for points to bear."""
        with self._lock:
            if word not in self._words:
                number = len(self._words) + 1  # 0 is a slot nobody wrote
                self._append(self._word(word, number))
                self._words[word] = number
            return self._words[word]

    def _next_segment(self) -> int:
        """Begin a file of points, its space reserved: a full disk is an error here and never a crash later."""
        try:
            file = os.open(_segment(self.folder, self._segment + 1), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                os.posix_fallocate(file, 0, _LIMIT)
                mapped = mmap.mmap(file, _LIMIT)
            except BaseException:
                os.close(file)
                _segment(self.folder, self._segment + 1).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._unwritable(error) from error
        self._close_segment()
        self._map, self._points_file = mapped, file
        self._segment += 1
        self._offset = 0
        return 0

    def _close_segment(self) -> None:
        if self._map is not None:
            self._map.close()
            self._map = None
            self._full.append(self._points_file)

    @property
    def end(self) -> Place:
        """Where the next record and the next point go."""
        with self._lock:
            n_points = self._segment * SLOTS + self._offset // SLOT_BYTES if self._segment >= 0 else 0
            return Place(records=self._records_size, points=n_points)

    def sync(self) -> None:
        """Bring what was logged so far onto the disk, so that it survives the end of the machine too."""
        with self._lock:
            if self.forked:
                return
            files, self._full = [os.dup(self._records_file), *self._full], []
            if self._map is not None:
                files.append(os.dup(self._points_file))
        for file in files:  # outside the lock: nobody who logs waits for the disk
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def close(self, *, remove: bool) -> None:
        """End it; with `remove`, because all of it is in the tables, delete it too."""
        _mine.discard(self)
        if self.forked:  # the files are the parent's
            return
        self.sync()
        with self._lock:
            self._close_segment()
            if remove:
                shutil.rmtree(self.folder, ignore_errors=True)
            for file in (*self._full, self._records_file, self._lock_file):  # until here nobody else may touch it
                os.close(file)
            self._full, self._offset = [], _LIMIT

    def leave_to_parent(self) -> None:
        """In a forked child: leave the parent's files alone; what is logged from here on goes to one of its own."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        if not self.forked:
            os.close(self._lock_file)  # the lock stays with the parent, and with it only
        self.forked, self._map, self._words, self._offset = True, None, {}, _LIMIT


def _after_fork() -> None:
    for journal in list(_mine):
        journal.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)


def read(folder: Path, start: Place, *, limit: int, verify: bool, end: Place | None = None) -> Batch:
    """A part of a journal.

    Parameters
    ----------
    folder : Path
    start : Place
        Where to begin.
    limit : int
        Points at most.
    verify : bool
        Whether to hold every slot against its CRC: not needed by the process that wrote it.
    end : Place, optional
        Where to stop; by default where it ends.
    """
    import numpy as np

    with (folder / _RECORDS).open("rb") as file:
        file.seek(start.records)
        text = file.read(_AT_ONCE if end is None else min(_AT_ONCE, end.records - start.records))
    records, bad_records, size = _lines(text, start.records)
    if len(text) == _AT_ONCE:
        limit = 0  # what the points belong to may be in the records still to come
    last = _end_of_points(folder) if end is None else end.points
    stop = min(last, start.points + limit)
    slots = _slots(folder, start.points, stop)
    written = slots["run"] > 0
    bad_points = 0
    if verify:
        good = slots["crc"] == _crcs(slots)
        bad_points = int(((written | (slots["crc"] > 0)) & ~good).sum())  # a bit of the run may have flipped too
        written &= good
    return Batch(
        records=records,
        points=slots[written],
        positions=(start.points + np.flatnonzero(written)).astype("int64"),
        upto=Place(records=start.records + size, points=stop),
        damage=Damage(records=bad_records, points=bad_points),
    )


def _lines(text: bytes, start: int) -> tuple[list[dict[str, Any]], int, int]:
    """The records in a text, how many lines of it are damaged, and the bytes up to its last whole line."""
    whole = text.rfind(b"\n") + 1 or len(text) // _AT_ONCE * _AT_ONCE
    records, bad, before, at = [], 0, b"", start
    for line in text[:whole].split(b"\n")[:-1]:
        for piece in _pieces(line):
            if not _is_whole(piece):
                bad += 1
            elif piece != before:  # the second copy says nothing new
                records.append({**json.loads(piece[_HEAD:]), "at": at})
            before = piece
        at += len(line) + 1
    return records, bad, whole


def _is_whole(line: bytes) -> bool:
    return line[:_HEAD] == b"%08x " % zlib.crc32(line[_HEAD:])


def _pieces(line: bytes) -> list[bytes]:
    """The lines in one: two where the bit that flipped was of the end of the first."""
    found = None if _is_whole(line) else _BEGINNING.search(line, 1)
    return [line] if found is None else [line[: found.start() - 1], *_pieces(line[found.start() :])]


def _slots(folder: Path, start: int, stop: int) -> np.ndarray[Any, Any]:
    """The slots from one place to another; a file that is not there has none that were written."""
    import numpy as np

    kind = np.dtype(SLOT)
    parts = []
    while start < stop:
        number, first = divmod(start, SLOTS)
        count = min(SLOTS - first, stop - start)
        found = np.zeros(count, dtype=kind)
        with suppress(FileNotFoundError):
            there = np.fromfile(_segment(folder, number), dtype=kind, count=count, offset=first * SLOT_BYTES)
            found[: len(there)] = there
        parts.append(found)
        start += count
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)


def _crcs(slots: np.ndarray[Any, Any]) -> list[int]:
    """What the CRC of each slot should be."""
    raw = memoryview(slots.tobytes())
    return [zlib.crc32(raw[start + _CRC_BYTES : start + SLOT_BYTES]) for start in range(0, len(raw), SLOT_BYTES)]


def _end_of_points(folder: Path) -> int:
    numbers = [int(path.name.removeprefix("points-")) for path in folder.glob("points-*")]
    return (max(numbers) + 1) * SLOTS if numbers else 0


def _segment(folder: Path, number: int) -> Path:
    return folder / f"points-{number:08}"


def note_committed(folder: Path, place: Place) -> None:
    """Note how much of a journal is in the tables: that need not be merged again, and whole files of it go."""
    fresh = folder / f"{_COMMITTED}.new"
    fresh.write_text(json.dumps([place.records, place.points]))
    fresh.replace(folder / _COMMITTED)
    for path in folder.glob("points-*"):
        if (int(path.name.removeprefix("points-")) + 1) * SLOTS <= place.points:
            path.unlink(missing_ok=True)


def committed(folder: Path) -> Place:
    """How much of a journal was noted to be in the tables."""
    with suppress(OSError, ValueError):
        records, points = json.loads((folder / _COMMITTED).read_text())
        return Place(records=records, points=points)
    return Place()


def records_of(folder: Path, upto: int | None = None) -> list[dict[str, Any]]:
    """The records of a journal, up to a place in bytes."""
    with suppress(OSError), (folder / _RECORDS).open("rb") as file:
        return _lines(file.read(-1 if upto is None else upto), 0)[0]
    return []


def journals(home: Path) -> list[Path]:
    """The journals in a folder, whoever writes them, the oldest first."""
    with suppress(OSError):
        return sorted(path.parent for path in home.glob(f"[!.]*/{_LOCK}"))
    return []


def claim_dead(home: Path) -> Iterator[Path]:
    """The journals nobody writes any more, each held while it is the caller's turn; what is in use is passed over.

    Of two processes that recover at once, one waits for the other, so that both see all of it afterwards.
    """
    own = {journal.folder for journal in list(_mine)}
    for folder in journals(home):
        if folder in own:  # a lock of one's own is no hindrance, and would be lost
            continue
        lock = _claimed(folder)
        if lock is None:
            continue
        try:
            if (folder / _LOCK).exists():
                (folder / _RECOVERING).touch()
                yield folder
        finally:
            os.close(lock)


def _claimed(folder: Path) -> int | None:
    """The lock of a journal nobody writes, once whoever recovers it is done; None where it is in use or gone."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return _locked(folder / _LOCK)
        except FileNotFoundError:  # it was recovered meanwhile
            return None
        except OSError:
            if not (folder / _RECOVERING).exists() or time.monotonic() > until:
                return None
        time.sleep(_LOOK_SECONDS)


def finish(folder: Path, *, damaged: bool) -> None:
    """Be done with a journal that was claimed: it goes, and is put aside where a part of it could not be read."""
    if damaged:
        aside = folder.parent / "damaged"
        with suppress(OSError):
            aside.mkdir(exist_ok=True)
            (folder / _LOCK).unlink()
            folder.rename(aside / folder.name)
        return
    shutil.rmtree(folder, ignore_errors=True)


def _locked(path: Path, *, make: bool = False) -> int:
    """A lock that goes with this process, whoever else opens the file; a forked child closes its copy of it.

    A POSIX record lock would be lost as soon as this process closes the file once, after copying it for instance.
    """
    file = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(file)
        raise
    return file
