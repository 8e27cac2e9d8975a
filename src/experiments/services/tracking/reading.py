"""Files of a user's, read as a whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

from experiments.errors import InvalidInputError

CHUNK = 1 << 20
"""Bytes read at once."""

_TRIES = 5
_PAUSE_SECONDS = 0.05
_CLOCK_SECONDS = 2.0
"""The coarsest clock a file system stamps its files with: a younger file may have changed under the same stamp."""


class _ChangedError(Exception):
    """The file is not what it was when reading began."""


def read_stable(path: Path, put: Callable[[Iterator[bytes]], tuple[str, int]]) -> tuple[str, int]:
    """Pass a file's content on, again where it changed meanwhile.

    Parameters
    ----------
    path : Path
    put : callable
        Takes the content in pieces; returns SHA-256 and size of what it kept. If the pieces end in an error, it is to
        keep nothing.

    Raises
    ------
    InvalidInputError
        If it is no regular file, cannot be read, or keeps changing.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        try:
            return put(_pieces(path))
        except _ChangedError:
            continue
    msg = f"{path} changes while it is read: keep it once whatever writes it is done."
    raise InvalidInputError(msg)


def files_below(folder: Path) -> list[tuple[str, Path]]:
    """Every file of a folder, by its path in it with slashes; links are followed where they stay inside.

    Raises
    ------
    InvalidInputError
        If a link leads out of the folder, to nothing or in circles, or something is neither file nor folder.
    """
    return sorted(_walk(folder, "", folder.resolve(), (folder.resolve(),)))


def _walk(folder: Path, inside: str, top: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        msg = f"the folder {folder} cannot be read: {error.strerror}."
        raise InvalidInputError(msg) from error
    for entry in entries:
        path, name = Path(entry.path), f"{inside}{entry.name}"
        if entry.is_symlink():
            _check_link(path, top)
        if path.is_dir():
            real = path.resolve()
            if real in above:
                msg = f"the link {path} leads in a circle: remove it, or keep the files one by one."
                raise InvalidInputError(msg)
            yield from _walk(path, f"{name}/", top, (*above, real))
        else:
            _check_regular(path)
            yield name, path


def _check_link(path: Path, top: Path) -> None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        circle = isinstance(error, RuntimeError) or error.errno == errno.ELOOP
        why = "leads in a circle" if circle else "leads to nothing"
        msg = f"the link {path} {why}: remove it, or keep the files one by one."
        raise InvalidInputError(msg) from error
    if not real.is_relative_to(top):
        msg = f"the link {path} leads out of the folder, to {real}: only what is inside is kept; copy it there."
        raise InvalidInputError(msg)


def _check_regular(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise InvalidInputError(msg) from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
        msg = f"{path} is {kinds.get(stat.S_IFMT(mode), 'a device')}: only files and folders are kept."
        raise InvalidInputError(msg)


def _pieces(path: Path) -> Iterator[bytes]:
    """The content of a file; at its end it is seen whether it is still the file that was opened."""
    _check_regular(path)  # a pipe would be waited for
    try:
        with path.open("rb") as file:
            before, size, sha256 = _stamp(os.fstat(file.fileno())), 0, hashlib.sha256()
            while piece := file.read(CHUNK):
                size += len(piece)
                sha256.update(piece)
                yield piece
            if before != _stamp(path.stat()) or size != before[-1]:
                raise _ChangedError
            if time.time() - before[0] / 1e9 < _CLOCK_SECONDS and sha256.digest() != _digest(file):
                raise _ChangedError
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise InvalidInputError(msg) from error


def _stamp(of: os.stat_result) -> tuple[int, int, int, int]:
    return of.st_mtime_ns, of.st_dev, of.st_ino, of.st_size


def _digest(file: BufferedReader) -> bytes:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()
