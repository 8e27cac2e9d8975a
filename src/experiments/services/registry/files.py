"""Where the files of registered models lie: a folder of this machine, or a location fsspec knows."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError, InvalidInputError, NotFoundError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

COMING = ".new-"
"""How the name of a file begins that is being written."""


@dataclass(frozen=True, kw_only=True)
class Coming:
    """A file that is written and has no name yet.

    Attributes
    ----------
    folder : str
        Of its model.
    file : str
        Where it is.
    content : bytes
    """

    folder: str
    file: str
    content: bytes

    def take(self, path: str) -> bool:
        """Give it the name in a path, if no file has it; of several who try at once one gets it."""
        target = f"{self.folder}/{path.rpartition('/')[2]}"
        os.makedirs(self.folder, exist_ok=True)  # a sweep may have found it empty
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        if not os.path.exists(self.file):  # it had a name before, and lost it
            _write_down(self.file, self.content)
        _rename(self.file, target)
        return True


class ModelFiles:
    """The files of models, each in the folder of its model.

    Parameters
    ----------
    location : str or Path
        A folder, or a URL such as "s3://bucket/models" or "memory://models".

    Raises
    ------
    InvalidInputError
        If it is no location, or of a kind that is not known.
    EngineError
        If the package that reaches it is not installed.
    """

    def __init__(self, location: str | Path) -> None:
        self.location, self._system, self._root = _opened(location)
        self.is_local = "local" in _protocols(self._system)

    def path(self, model_name: str, file: str) -> str:
        """Where the file of a model is, or would be."""
        return f"{self.location}/{model_name}/{file}"

    def write(self, model_name: str, file: str, content: bytes) -> None:
        """Write a file: under its name there is all of it, or nothing.

        Raises
        ------
        EngineError
            If it cannot be written.
        """
        folder = f"{self._root}/{model_name}"
        target, coming = f"{folder}/{file}", f"{folder}/{COMING}{secrets.token_hex(8)}"
        try:
            self._system.makedirs(folder, exist_ok=True)
            try:
                if self.is_local:
                    _write_through(coming, target, content)
                else:
                    self._system.pipe_file(coming, content)
                    self._system.mv(coming, target)
            except BaseException:
                with suppress(Exception):
                    self._system.rm_file(coming)
                raise
        except Exception as error:
            why = getattr(error, "strerror", None) or first_line(error)
            msg = f"the model cannot be written to {self.location}/{model_name}: {why}. Nothing was saved."
            raise EngineError(msg) from error

    @contextmanager
    def coming(self, model_name: str, content: bytes) -> Iterator[Coming]:
        """A file of this machine that is written and has no name yet; one that gets none is gone after the block.

        Raises
        ------
        EngineError
            If it cannot be written.
        """
        folder = f"{self._root}/{model_name}"
        coming = Coming(folder=folder, file=f"{folder}/{COMING}{secrets.token_hex(8)}", content=content)
        try:
            self._system.makedirs(folder, exist_ok=True)
            _write_down(coming.file, content)
            yield coming
        except OSError as error:
            msg = f"the model cannot be written to {self.location}/{model_name}: {error.strerror}. Nothing was saved."
            raise EngineError(msg) from error
        finally:
            with suppress(OSError):
                os.remove(coming.file)

    def read(self, path: str, sha256: str) -> bytes:
        """The content of a file, found to have the SHA-256 that was recorded.

        It is looked for in the folder of its model here, then where it was written: a registry may have been moved.

        Raises
        ------
        NotFoundError
            If there is no such file.
        EngineError
            If it has another SHA-256, or cannot be read.
        """
        for place in dict.fromkeys((self._here(path), path)):
            content = self._content(place)
            if content is None:
                continue
            found = hashlib.sha256(content).hexdigest()
            if found != sha256:
                msg = f"{place} is not the file that was saved: its SHA-256 is {found}, and {sha256} was recorded."
                raise EngineError(msg)
            return content
        msg = f"there is no file {path}: it was moved or removed."
        raise NotFoundError(msg)

    def is_there(self, path: str) -> bool:
        """Whether there is a file; it is not read."""
        return _exists(self.place_of(path))

    def place_of(self, path: str) -> str:
        """Where a file is: in the folder of its model here, or where it was written."""
        here = self._here(path)
        return here if here == path or _exists(here) else path

    def is_in(self, folder: Path) -> bool:
        """Whether this location is within a folder of this machine."""
        return self.is_local and Path(self.location).is_relative_to(folder.absolute())

    def remove(self, path: str) -> None:
        """Remove a file, here or where it was written, if it is there.

        Raises
        ------
        EngineError
            If it cannot be removed.
        """
        place = self.place_of(path)
        system, inside = _system_of(place)
        try:
            system.rm_file(inside)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except Exception as error:
            why = getattr(error, "strerror", None) or first_line(error)
            msg = f"the file {place} cannot be removed: {why}."
            raise EngineError(msg) from error
        if "local" in _protocols(system):
            with suppress(OSError):  # there are others in it
                os.rmdir(os.path.dirname(inside))

    def all(self) -> Iterator[tuple[str, float | None]]:
        """Every file, also one that is being written: its path, and when it was written in seconds since 1970.

        Of a location that does not tell when, that is None.
        """
        if not self._system.exists(self._root):
            return
        for path, about in self._system.find(self._root, detail=True).items():
            inside = path.removeprefix(self._root).strip("/")
            if inside.count("/") == 1:  # in the folder of a model
                yield f"{self.location}/{inside}", _written(about)

    def _here(self, path: str) -> str:
        model_name, file = str(path).rsplit("/", 2)[-2:]
        return self.path(model_name, file)

    @staticmethod
    def _content(path: str) -> bytes | None:
        try:
            system, inside = _system_of(path)
            content: bytes = system.cat_file(inside)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:
            why = getattr(error, "strerror", None) or first_line(error)
            msg = f"{path} cannot be read: {why}."
            raise EngineError(msg) from error
        return content


def _opened(location: object) -> tuple[str, Any, str]:
    """A location as it is shown, the file system it is of, and its path there."""
    text = str(location).removeprefix("file://") if isinstance(location, str | os.PathLike) else ""
    if not text.strip() or "\0" in text:
        msg = f"the location of the models is {location!r}: give a folder, or a URL such as s3://bucket/models."
        raise InvalidInputError(msg)
    scheme, separator, rest = text.partition("://")
    shown = f"{scheme}://{rest.rstrip('/')}" if separator else str(Path(text).absolute())
    system, root = _system_of(shown)
    return shown, system, root.rstrip("/")


def _system_of(place: str) -> tuple[Any, str]:
    try:
        import fsspec

        return fsspec.core.url_to_fs(place)  # type: ignore[no-any-return]
    except ImportError as error:
        msg = f"{place} is reached by a package that is missing: {first_line(error)}"
        raise EngineError(msg) from error
    except ValueError as error:
        msg = f"the location {place!r} is of no kind that is known: {first_line(error)}"
        raise InvalidInputError(msg) from error


def _exists(place: str) -> bool:
    system, inside = _system_of(place)
    return bool(system.exists(inside))


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


def _write_through(coming: str, target: str, content: bytes) -> None:
    """Write a file of this machine, on disk with its name when this returns."""
    _write_down(coming, content)
    _rename(coming, target)


def _write_down(file: str, content: bytes) -> None:
    with open(file, "xb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _rename(coming: str, target: str) -> None:
    os.replace(coming, target)
    handle = os.open(os.path.dirname(target), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written(about: dict[str, Any]) -> float | None:
    when = next((about[name] for name in ("mtime", "LastModified", "last_modified", "created") if name in about), None)
    return when.timestamp() if isinstance(when, dt.datetime) else when
