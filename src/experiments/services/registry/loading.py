"""Models loaded from MLflow's registry, from here where that is away, or from a file: if they are what was saved."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import EngineError, InvalidInputError, NotFoundError, unknown
from experiments.services.ledger import connect, open_ledger_at, opened_last
from experiments.services.registry.card import ModelCard, card_of
from experiments.services.registry.formats import loaded
from experiments.services.registry.mlflow_registry import (
    CARD,
    Origin,
    Place,
    holds,
    opened,
    origin_in,
    there,
    versions_of,
)
from experiments.services.registry.record import ModelVersion, versions_in
from experiments.services.registry.registry import DEFAULT_PATH, FILES, ModelRegistry
from experiments.services.registry.versions import CHAMPION
from experiments.storage.table import select

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as TheirVersion

_NUMBERED = re.compile(r"_(\d+)_(\d+)_(\d+)\.[^.]+")
_CATALOG_SCHEMA_MODEL = 3

log = logging.getLogger("experiments")


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """What MLflow has of a version: nothing of it was read as a model."""

    label: str
    origin: Origin
    content: bytes
    card: str


def load_model_with_fallback(
    name: str, *, uri: str | None = None, registry: ModelRegistry | None = None
) -> tuple[Any, ModelCard]:
    """Load a model from MLflow's registry: its champion there, else its highest version.

    Where MLflow is not installed, cannot be reached or has no such model, the champion of the registry here is loaded,
    else its highest version, with a warning that says so and why.

    Parameters
    ----------
    name : str
        What MLflow calls the model; of catalog.schema.model, the registry here may know the last part.
    uri : str, optional
        As in `publish`; by default the registry MLflow uses.
    registry : ModelRegistry, optional
        The registry here; by default that of the ledger opened last, else of EXPERIMENTS_PATH, else
        "data/models/registry", if there is one.

    Returns
    -------
    tuple
        The model, and its `ModelCard`.

    Raises
    ------
    NotFoundError
        If the model is in neither.
    InvalidInputError
        If the version in MLflow was not published from a ledger.
    EngineError
        If its file is not what was saved, there or here, or cannot be read. Nothing of it was loaded.
    """
    check_text("the name of the model", name)
    with _here(registry) as here:
        try:
            copy = _fetched(name, None, uri)
        except (EngineError, NotFoundError) as error:
            return _from_here(here, name, str(error))
        return _read(copy, here)


def load_model_from_registry(name: str, version: str | int, *, uri: str | None = None) -> tuple[Any, ModelCard]:
    """Load a version of a model from MLflow's registry.

    Parameters
    ----------
    name : str
        What MLflow calls the model.
    version : str or int
        MLflow's number, such as "1".
    uri : str, optional
        As in `publish`; by default the registry MLflow uses.

    Returns
    -------
    tuple
        The model, and its `ModelCard`.

    Raises
    ------
    NotFoundError
        If there is no such model or version.
    InvalidInputError
        If the version is no number of MLflow's, or was not published from a ledger.
    EngineError
        If MLflow is not installed, cannot be reached or refuses a request, or the file is not what was saved. Nothing
        of it was loaded.
    """
    check_text("the name of the model", name)
    number = str(version)
    if isinstance(version, bool) or not (number.isascii() and number.isdecimal()):
        msg = f"the version is {version!r:.60}: give MLflow's number of it, such as '1'."
        raise InvalidInputError(msg)
    with _here(None) as here:
        return _read(_fetched(name, str(int(number)), uri), here)


def load_model_with_card(path: str | Path) -> tuple[Any, ModelCard]:
    """Load a model from a file that a registry recorded: the one it lies in, or the one that is open.

    Parameters
    ----------
    path : str or Path
        A file as `ModelRegistry` wrote it, where it is or elsewhere: it is known by its SHA-256.

    Returns
    -------
    tuple
        The model, and its `ModelCard`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    InvalidInputError
        If it cannot be read, or no registry recorded it.
    EngineError
        If a registry recorded another content of it, or it is no model. Nothing of it was loaded.
    """
    try:
        file = Path(path)
        content = file.read_bytes()
    except FileNotFoundError as error:
        msg = f"there is no model file {str(path)!r}."
        raise NotFoundError(msg) from error
    except (OSError, TypeError, ValueError) as error:
        msg = f"the model file {str(path)!r:.300} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InvalidInputError(msg) from error
    sha256 = hashlib.sha256(content).hexdigest()
    for registries in (_above(file.absolute()), _here(None)):
        with registries as registry:
            if registry is not None and (found := _recorded(registry, file, sha256)) is not None:
                return loaded(content, found.file_format), card_of(registry, found)
    msg = (
        f"{file} was recorded by no registry, neither one it lies in nor the one that is open, so no SHA-256 is known "
        "to check it by: nothing of it was loaded. If you trust it, load it with joblib.load."
    )
    raise InvalidInputError(msg)


@contextmanager
def _here(given: ModelRegistry | None) -> Iterator[ModelRegistry | None]:
    """The registry that is given, else the one of this place; None where there is none, as loading makes none."""
    ledger = opened_last() or opened_last(apart=True)
    if given is not None or ledger is not None:
        yield given or ModelRegistry(ledger=ledger)
        return
    with _registry_in(os.environ.get("EXPERIMENTS_PATH") or DEFAULT_PATH) as registry:
        yield registry


@contextmanager
def _above(file: Path) -> Iterator[ModelRegistry | None]:
    """The registry whose file this is by its place, FOLDER/models/NAME/FILE; None where there is none."""
    if file.parent.parent.name != FILES:
        yield None
        return
    with _registry_in(file.parents[2]) as registry:
        yield registry


@contextmanager
def _registry_in(folder: str | Path) -> Iterator[ModelRegistry | None]:
    if (ledger := open_ledger_at(Path(folder))) is not None:
        yield ModelRegistry(ledger=ledger)
        return
    try:
        ledger = connect(folder, create=False, apart=True)
    except NotFoundError:
        yield None
        return
    with ledger:
        yield ModelRegistry(ledger=ledger)


def _fetched(name: str, version: str | None, uri: str | None) -> _Copy:
    """Fetch what MLflow has of a version; without a number, of the champion, else of the highest one."""
    with opened(uri) as (client, place), tempfile.TemporaryDirectory() as folder:
        found = _version(client, place, name, version)
        where = f"version {found.version} of {name} in MLflow at {place.shown}"
        origin = origin_in(found.tags)
        if origin is None:
            msg = (
                f"{where} was not published from a ledger, so no SHA-256 is known to check it by: nothing of it was "
                f"loaded. If you trust it, load it with mlflow.pyfunc.load_model('models:/{name}/{found.version}')."
            )
            raise InvalidInputError(msg)
        from mlflow.artifacts import download_artifacts

        file = download_artifacts(f"models:/{name}/{found.version}/{origin.file}", dst_path=folder)
        return _Copy(
            label=where, origin=origin, content=Path(file).read_bytes(), card=_card_of(client, found, Path(folder))
        )


def _version(client: MlflowClient, place: Place, name: str, version: str | None) -> TheirVersion:
    """Find a version in MLflow.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    model = there(client.get_registered_model, name) if holds(name) else None
    if model is None:
        msg = f"MLflow at {place.shown} has no model {name!r}."
        raise NotFoundError(msg)
    wanted = version or model.aliases.get(CHAMPION)
    if wanted is None:
        found = next(versions_of(client, name), None)
    else:
        found = there(client.get_model_version, name, str(wanted))
    if found is not None:
        return found
    if version is None:
        msg = f"MLflow at {place.shown} has no version of {name!r}."
        raise NotFoundError(msg)
    known = [str(one.version) for one in versions_of(client, name)]
    raise unknown(f"version of {name} in MLflow at {place.shown}", version, known[:20])


def _card_of(client: MlflowClient, found: TheirVersion, folder: Path) -> str:
    """The card that was published; what the description has of it, where its run is gone."""
    from mlflow.exceptions import MlflowException

    try:
        return Path(client.download_artifacts(str(found.run_id), CARD, str(folder))).read_text(encoding="utf-8")
    except (MlflowException, OSError):
        return found.description or ""


def _read(copy: _Copy, here: ModelRegistry | None) -> tuple[Any, ModelCard]:
    """The model in what MLflow has, if that is what was published; and what was saved, where this ledger knows it."""
    origin, sha256 = copy.origin, hashlib.sha256(copy.content).hexdigest()
    if sha256 != origin.sha256:
        msg = (
            f"{copy.label} is not what was published: the SHA-256 of its file is {sha256}, and its tag says "
            f"{origin.sha256}. Nothing of it was loaded."
        )
        raise EngineError(msg)
    if here is not None:
        _check_own(copy, here, sha256)
    card = ModelCard(title=origin.label, markdown=copy.card)
    return loaded(copy.content, origin.file_format), card


def _check_own(copy: _Copy, here: ModelRegistry, sha256: str) -> None:
    """See that what MLflow has is a version of this ledger, where it has a model of that name.

    Tags are MLflow's to change: only where no ledger here knows the model are they all there is to go by.
    """
    own = {one.version: one for one in here.versions(model_name=copy.origin.model_name)}
    if not own:
        return
    mine = own.get(copy.origin.version)
    if mine is None or mine.sha256 != sha256:
        told = f"{mine.sha256} is recorded there" if mine else f"it has no version {copy.origin.version}"
        msg = (
            f"{copy.label} is not of the model {copy.origin.model_name} of the ledger {here.ledger.where}: the SHA-256 "
            f"of its file is {sha256}, and {told}. Nothing of it was loaded."
        )
        raise EngineError(msg)


def _from_here(here: ModelRegistry | None, name: str, why: str) -> tuple[Any, ModelCard]:
    """The model of the registry here, with a warning.

    Raises
    ------
    NotFoundError
        If it has none of that name.
    """
    why = why if why.endswith((".", "!", "?")) else f"{why}."
    if here is None:
        msg = f"{why} There is no registry here to take a copy from either: open its ledger with connect."
        raise NotFoundError(msg)
    parts = name.split(".")
    names = [name, parts[-1]] if len(parts) == _CATALOG_SCHEMA_MODEL else [name]
    found = next((one for wanted in names if (one := here.find(model_name=wanted)) is not None), None)
    if found is None:
        msg = f"{why} The ledger {here.ledger.where} has no model {name!r} either."
        raise NotFoundError(msg)
    model, card = here.open(found), card_of(here, found)
    log.warning("experiments: %s Loaded %s of the ledger %s instead.", why, found.label, here.ledger.where)
    return model, card


def _recorded(registry: ModelRegistry, file: Path, sha256: str) -> ModelVersion | None:
    """The version a file is, by its place or its content.

    Raises
    ------
    EngineError
        If another content was recorded of the file in this place.
    """
    numbers = _NUMBERED.search(file.name)
    if numbers is not None:
        version = ".".join(str(int(part)) for part in numbers.groups())
        here = registry.find(model_name=file.absolute().parent.name, version=version)
        if here is not None and here.file_path.rpartition("/")[2] == file.name and here.sha256 != sha256:
            msg = (
                f"{file} is not the file that was saved as {here.label}: its SHA-256 is {sha256}, and {here.sha256} "
                "was recorded. Nothing of it was loaded."
            )
            raise EngineError(msg)
    same = versions_in(select(registry.ledger.engine, "registered_of_content", sha256=sha256))
    named = [one for one in same if one.file_path.endswith(f"/{file.absolute().parent.name}/{file.name}")]
    return next(iter([*named, *reversed(same)]), None)
