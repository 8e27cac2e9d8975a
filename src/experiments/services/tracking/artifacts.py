"""The store of artifacts: content under the name of its SHA-256, in a folder or at a location fsspec knows."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.identity import plain
from experiments.services.tracking.names import checked_name, relative
from experiments.services.tracking.places import Folder, Remote, chunks_of
from experiments.services.tracking.reading import files_below, read_stable

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

LOCATION = "EXPERIMENTS_ARTIFACTS"
"""Environment variable with the location of the store; by default the folder `artifacts` of the ledger."""

_ENDINGS = {
    "plot": ("png", "svg", "pdf", "jpg"),
    "log": ("log", "txt"),
    "config": ("json", "toml", "yaml", "yml", "ini"),
    "report": ("html", "md", "pptx"),
    "model": ("pkl", "joblib", "pt", "pth", "onnx", "cbm", "ubj"),
    "data": ("csv", "parquet"),
    "code": ("py", "diff", "patch"),
}
TYPES = (*_ENDINGS, "other")
"""What an artifact may be."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PICTURES = ("png", "svg", "pdf", "jpg")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An artifact the store holds.

    Attributes
    ----------
    name : str
        A relative path.
    artifact_type : str
        One of `TYPES`.
    sha256 : str
        Of the content; of a folder, of the list of its files.
    size_bytes : int
        Of all its files.
    n_files : int
        1, or those of the folder.
    is_folder : bool
    location : str
        Where the content is.
    """

    name: str
    artifact_type: str
    sha256: str
    size_bytes: int
    n_files: int
    is_folder: bool
    location: str


class ArtifactStore:
    """Files and folders by the SHA-256 of their content; equal content is kept once.

    Parameters
    ----------
    location : str or Path
        A folder, or a URL that fsspec knows, such as "s3://bucket/artifacts" or "memory://artifacts".

    Raises
    ------
    InvalidInputError
        If it is no location, or of a kind that is not known.
    EngineError
        If the package that reaches it is not installed.

    Examples
    --------
    >>> import tempfile
    >>> store = ArtifactStore(tempfile.mkdtemp())
    >>> kept = store.keep({"alpha": 0.1}, "settings.json")
    >>> with store.open(kept.sha256) as content:
    ...     kept.artifact_type, json.load(content)
    ('config', {'alpha': 0.1})
    """

    def __init__(self, location: str | Path) -> None:
        text = _checked_location(location)
        self._place: Folder | Remote = Remote(text) if "://" in text else Folder(Path(text).absolute())
        self.location = self._place.location

    def keep(self, thing: Any, name: str | None = None, artifact_type: str | None = None) -> Kept:
        """Keep a file, a folder or an object; when this returns, its content is on disk.

        Parameters
        ----------
        thing : str, Path, bytes, dict, list, DataFrame or matplotlib figure
            A str or Path is the path of a file or folder. Links inside a folder are followed where they stay in it.
        name : str, optional
            A relative path, as `names.checked_name` has it; by default the file's own name, or for an object one made
            of its kind and content. The ending of a figure's says its format.
        artifact_type : str, optional
            One of `TYPES`; by default told by the ending of the name.

        Raises
        ------
        NotFoundError
            If there is no such file or folder.
        InvalidInputError
            If it is none of these, has no or an impossible name, or cannot be read as a whole: it
            changes meanwhile, is a device, or links lead in circles or out of the folder.
        EngineError
            If it cannot be written, for want of space or leave; nothing is left under the name of its content.
        """
        if artifact_type is not None and artifact_type not in TYPES:
            msg = f"the artifact_type is {artifact_type!r}: give one of {', '.join(TYPES)}."
            raise InvalidInputError(msg)
        if name is not None:
            name = checked_name(name)
        if not isinstance(thing, str | os.PathLike):
            content, suggested = _in_bytes(thing, name)
            sha256, size = self._place.put(chunks_of(content))
            name = name or checked_name(suggested.format(sha256[:8]))
            return self._kept(name, artifact_type, sha256, size)
        path = _existing(thing)
        name = name or checked_name(path.name or path.absolute().resolve().name)
        if not path.is_dir():
            return self._kept(name, artifact_type, *read_stable(path, self._place.put))
        entries = [
            (inside, *read_stable(file, self._place.put)) for inside, file in files_below(path)
        ]  # before its list: a list is there only with all its files
        sha256, _ = self._place.put(chunks_of(json.dumps(entries, separators=(",", ":")).encode()))
        return Kept(
            name=name,
            artifact_type=artifact_type or "other",
            sha256=sha256,
            size_bytes=sum(size for _, _, size in entries),
            n_files=len(entries),
            is_folder=True,
            location=self._place.where(sha256),
        )

    def holds(self, sha256: str) -> bool:
        """Whether there is content of this SHA-256; it is not read."""
        return self._place.size(_checked_digest(sha256)) is not None

    def intact(self, sha256: str) -> bool:
        """Whether there is content of this SHA-256 and it can be read: it is, as a whole."""
        try:
            self.open(sha256).close()
        except (NotFoundError, EngineError):
            return False
        return True

    def open(self, sha256: str) -> BinaryIO:
        """The content of a SHA-256, read as a whole and found to have it, as a file to read.

        Raises
        ------
        NotFoundError
            If the store has none.
        EngineError
            If what it has is something else by now, or cannot be read.
        """
        return self._place.verified(_checked_digest(sha256))

    def fetch(self, sha256: str, to: str | Path, is_folder: bool = False) -> Path:
        """Write the content of a SHA-256 to a file or folder, checked before it is there.

        Parameters
        ----------
        sha256 : str
        to : str or Path
            The file; of a folder the folder, made where it is not there. Files in it of the same names are replaced.
        is_folder : bool
            Whether it is the SHA-256 of a folder.

        Raises
        ------
        NotFoundError
            If the store lacks it, or a file of the folder.
        EngineError
            If the content is something else by now, or `to` cannot be written.
        InvalidInputError
            If `to` is a folder and the content a file, or a file of the folder would be outside of `to`.
        """
        target = Path(to)
        if not is_folder:
            self._write(sha256, target)
            return target
        files = self.files(sha256)
        self._make(target)
        top = target.resolve()
        for inside, digest, _ in files:
            file = target / inside
            if not file.parent.resolve().is_relative_to(top):
                msg = f"{inside!r} would be outside of {target}, by a link in it: fetch to an empty folder."
                raise InvalidInputError(msg)
            self._write(digest, file)
        return target

    def files(self, sha256: str) -> list[tuple[str, str, int]]:
        """The files of a folder: path in it, SHA-256 and size in bytes.

        Raises
        ------
        NotFoundError, EngineError
            As `open`.
        InvalidInputError
            If it is not the SHA-256 of a folder, or a path in it leads out of it.
        """
        with self.open(sha256) as content:
            try:
                listed = json.load(content)
                return [(relative(path), _checked_digest(digest), int(size)) for path, digest, size in listed]
            except (TypeError, ValueError) as error:
                if isinstance(error, InvalidInputError):
                    raise
                msg = f"the artifact {sha256} is no folder: fetch it as a file."
                raise InvalidInputError(msg) from error

    def _write(self, sha256: str, target: Path) -> None:
        if target.is_dir():
            msg = f"{target} is a folder: give the path of the file to write."
            raise InvalidInputError(msg)
        self._make(target.parent)
        with self.open(sha256) as content:
            Folder(target.parent).write(target, iter(lambda: content.read(1 << 20), b""))

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"the folder {folder} cannot be made: {error.strerror}."
            raise EngineError(msg) from error

    def _kept(self, name: str, artifact_type: str | None, sha256: str, size: int) -> Kept:
        return Kept(
            name=name,
            artifact_type=artifact_type or type_of(name),
            sha256=sha256,
            size_bytes=size,
            n_files=1,
            is_folder=False,
            location=self._place.where(sha256),
        )


def type_of(name: str) -> str:
    """What an artifact of this name is taken to be.

    Examples
    --------
    >>> type_of("loss.png"), type_of("weights.pt"), type_of("LICENSE")
    ('plot', 'model', 'other')
    """
    ending = PurePosixPath(name).suffix[1:].casefold()
    return next((kind for kind, endings in _ENDINGS.items() if ending in endings), "other")


def store_of(ledger: Ledger) -> ArtifactStore:
    """The store a ledger's artifacts go to: EXPERIMENTS_ARTIFACTS, else the folder `artifacts` in the ledger's.

    Raises
    ------
    InvalidInputError
        If the ledger has no folder, as on Databricks, and the variable is not set.
    """
    location = os.environ.get(LOCATION)
    if location:
        return ArtifactStore(location)
    if ledger.path is None:
        msg = (
            f"the ledger {ledger.where} has no folder to keep artifacts in: set {LOCATION} to one, such as "
            "/Volumes/catalog/schema/volume/artifacts, or to a URL such as s3://bucket/artifacts."
        )
        raise InvalidInputError(msg)
    return ArtifactStore(ledger.path / "artifacts")


def holder_of(ledger: Ledger, sha256: str, location: str) -> ArtifactStore:
    """The store to read an artifact from: the ledger's where it holds it, else the one it was kept in.

    A ledger's folder may have been moved since, or EXPERIMENTS_ARTIFACTS been set to another place.
    """
    try:
        own = store_of(ledger)
        if own.holds(sha256):
            return own
    except InvalidInputError:  # it has none
        pass
    head, name, _ = location.rpartition(f"/{sha256[:2]}/{sha256}")
    return ArtifactStore(head if name else location)


def _checked_location(location: object) -> str:
    text = str(location).removeprefix("file://") if isinstance(location, str | os.PathLike) else ""
    if not text.strip() or "\0" in text:
        msg = f"the location of the artifacts is {location!r}: give a folder, or a URL such as s3://bucket/folder."
        raise InvalidInputError(msg)
    return text


def _checked_digest(sha256: object) -> str:
    if not isinstance(sha256, str) or not _DIGEST.fullmatch(sha256):
        msg = f"the SHA-256 of an artifact is {sha256!r}: give its 64 hexadecimal digits, as the ledger has them."
        raise InvalidInputError(msg)
    return sha256


def _existing(thing: str | os.PathLike[str]) -> Path:
    """The path of something that is there; what it is comes to light when it is read."""
    if not str(thing) or "\0" in str(thing):
        msg = f"the artifact is {thing!r}: give the path of a file or folder."
        raise InvalidInputError(msg)
    path = Path(thing)
    try:
        path.stat()
    except FileNotFoundError as error:
        msg = f"there is no file {str(path)!r} to keep as an artifact; bytes are kept as such, under a name."
        raise NotFoundError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be kept as an artifact: {error.strerror}."
        raise InvalidInputError(msg) from error
    return path


def _in_bytes(thing: Any, name: str | None) -> tuple[bytes, str]:
    """An object as the content of a file, and a name for it."""
    if isinstance(thing, bytes | bytearray | memoryview):
        if name is None:
            msg = "bytes are kept under a name of their own: give name, such as 'weights.pt'."
            raise InvalidInputError(msg)
        return bytes(thing), ""
    if hasattr(thing, "savefig"):
        return _drawn(thing, name), "figure-{}.png"
    if hasattr(thing, "to_parquet"):
        _only(name, ("parquet",), "a DataFrame")
        try:
            return thing.to_parquet(), "frame-{}.parquet"
        except Exception as error:
            msg = f"the DataFrame cannot be kept as Parquet: {error}"
            raise InvalidInputError(msg) from error
    if isinstance(thing, dict | list):
        _only(name, ("json",), "a dict or list")
        try:
            return json.dumps(thing, indent=2, ensure_ascii=False, default=plain).encode(), "content-{}.json"
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"the {type(thing).__name__} cannot be kept as JSON: {error}."
            raise InvalidInputError(msg) from error
    msg = (
        f"an artifact is a {type(thing).__name__}: give the path of a file or folder, a matplotlib figure, a "
        "DataFrame, a dict or list, or bytes."
    )
    raise InvalidInputError(msg)


def _drawn(figure: Any, name: str | None) -> bytes:
    from io import BytesIO

    _only(name, _PICTURES, "a figure")
    ending = "png" if name is None else PurePosixPath(name).suffix[1:].casefold()
    # dates and versions in a file would make equal pictures differ
    without = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    picture = BytesIO()
    figure.savefig(picture, format=ending, metadata=without.get(ending))
    return picture.getvalue()


def _only(name: str | None, endings: Iterable[str], what: str) -> None:
    if name is not None and PurePosixPath(name).suffix[1:].casefold() not in endings:
        listed = " or ".join(f".{ending}" for ending in endings)
        msg = f"{what} is kept under a name that ends in {listed}, and not as {name!r}."
        raise InvalidInputError(msg)
