"""Where content lies under the name of its SHA-256: a folder of this machine, or a location fsspec knows."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from experiments.errors import EngineError, InvalidInputError, NotFoundError, first_line
from experiments.services.tracking.reading import CHUNK


def chunks_of(content: bytes) -> Iterator[bytes]:
    """Bytes in pieces."""
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


class Folder:
    """A folder of this machine; a file appears in it whole, on disk, or not at all."""

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder

    def where(self, sha256: str) -> str:
        """The path of content."""
        return str(self._folder / sha256[:2] / sha256)

    def size(self, sha256: str) -> int | None:
        """Bytes of content, None where there is none."""
        try:
            return os.stat(self.where(sha256)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.where(sha256), error) from error

    def put(self, content: Iterable[bytes]) -> tuple[str, int]:
        """Keep content; returns its SHA-256 and size in bytes."""
        with _writing(self.location):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._new() as (path, file):
                sha256, size = _copy(content, file)
                target = Path(self.where(sha256))
                target.parent.mkdir(exist_ok=True)
                path.replace(target)  # also over equal content: it may have been damaged
            _flush(target.parent)
            _flush(self._folder)
        return sha256, size

    def write(self, target: Path, content: Iterable[bytes]) -> None:
        """Write a file of this folder."""
        with _writing(str(target)), self._new() as (path, file):
            _copy(content, file)
            path.replace(target)

    def verified(self, sha256: str) -> BinaryIO:
        """The content as a file to read, found to be what its name says."""
        path = self.where(sha256)
        try:
            file = open(path, "rb")  # noqa: SIM115  the caller closes it
        except FileNotFoundError as error:
            raise _missing(sha256, self.location) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            _check(hashlib.file_digest(file, "sha256").hexdigest(), sha256, path)
            file.seek(0)
        except OSError as error:
            file.close()
            raise _unreadable(path, error) from error
        except EngineError:
            file.close()
            raise
        return file

    @contextmanager
    def _new(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A file of a name nobody has; gone afterwards if it is still there."""
        path = self._folder / f".new-{secrets.token_hex(8)}"
        try:
            with open(path, "xb") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)


class Remote:
    """A location fsspec knows; content is collected here before it is sent there."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            msg = f"{url} is reached by a package that is missing: pip install fsspec."
            raise EngineError(msg) from error
        scheme, _, rest = url.partition("://")
        self.location = f"{scheme}://{rest.rstrip('/')}"  # "memory:" alone would be a folder of this machine
        try:
            self._system, self._root = fsspec.core.url_to_fs(self.location)
        except ImportError as error:
            msg = f"{url} is reached by a package that is missing: {first_line(error)}"
            raise EngineError(msg) from error
        except ValueError as error:
            msg = f"the location {url!r} is of no kind that is known: {first_line(error)}"
            raise InvalidInputError(msg) from error
        except Exception as error:
            raise _unreadable(url, error) from error

    def where(self, sha256: str) -> str:
        """The URL of content."""
        return f"{self.location}/{sha256[:2]}/{sha256}"

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def size(self, sha256: str) -> int | None:
        """Bytes of content, None where there is none."""
        try:
            return int(self._system.info(self._path(sha256))["size"])
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _unreadable(self.where(sha256), error) from error

    def put(self, content: Iterable[bytes]) -> tuple[str, int]:
        """Keep content; returns its SHA-256 and size in bytes."""
        with _writing(self.location), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            with path.open("wb") as file:
                sha256, size = _copy(content, file)
            if not self._has(sha256, size):
                self._send(path, self._path(sha256))
        return sha256, size

    def _has(self, sha256: str, size: int) -> bool:
        """Whether what is there under this name is its content: it may have been damaged, at the same size."""
        if self.size(sha256) != size:
            return False
        try:
            self.verified(sha256).close()
        except (EngineError, NotFoundError):
            return False
        return True

    def _send(self, path: Path, target: str) -> None:
        # nowhere but in an object store does a name appear with all of its content
        coming = f"{target}.new-{secrets.token_hex(8)}"
        try:
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(path), coming)
            self._system.mv(coming, target)
        except Exception as error:
            with suppress(Exception):
                self._system.rm_file(coming)
            raise OSError(first_line(error)) from error

    def verified(self, sha256: str) -> BinaryIO:
        """The content as a file to read, found to be what its name says."""
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115  the caller closes it
        try:
            with self._system.open(self._path(sha256), "rb") as source:
                found, _ = _copy(iter(lambda: source.read(CHUNK), b""), file)
            _check(found, sha256, self.where(sha256))
        except FileNotFoundError as error:
            file.close()
            raise _missing(sha256, self.location) from error
        except EngineError:
            file.close()
            raise
        except Exception as error:
            file.close()
            raise _unreadable(self.where(sha256), error) from error
        file.seek(0)
        return file


def _copy(content: Iterable[bytes], file: Any) -> tuple[str, int]:
    """Write content to disk; its SHA-256 and size."""
    sha256, size = hashlib.sha256(), 0
    for piece in content:
        sha256.update(piece)
        size += len(piece)
        file.write(piece)
    file.flush()
    os.fsync(file.fileno())
    return sha256.hexdigest(), size


def _flush(folder: Path) -> None:
    """The names in a folder, on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        msg = f"nothing can be written to {where}: {why}. Nothing was kept; make room or choose another place."
        raise EngineError(msg) from error


def _check(found: str, expected: str, where: str) -> None:
    if found != expected:
        msg = (
            f"{where} is damaged: its SHA-256 is {found}. Put a copy in its place from a backup, or keep the artifact "
            "again."
        )
        raise EngineError(msg)


def _missing(sha256: str, location: str) -> NotFoundError:
    return NotFoundError(f"there is no artifact {sha256} in {location}: it was kept elsewhere, or removed.")


def _unreadable(where: str, error: Exception) -> EngineError:
    return EngineError(f"{where} cannot be read: {getattr(error, 'strerror', None) or first_line(error)}.")
