"""MLflow's model registry: how it is reached, and which of its versions are ours, as their tags say."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import InvalidInputError
from experiments.services.exchange.local_store import check_store
from experiments.services.exchange.server import (
    FEW_RETRIES,
    connected,
    environment,
    imported,
    in_use,
    pages,
    require,
    shown,
)
from experiments.services.registry.formats import FORMATS, ending_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as TheirVersion

    from experiments.services.registry.record import ModelVersion

CARD = "model_card.md"
"""The model card among the artifacts of a published version's run."""

_TAG = "experiments_"  # Unity Catalog takes no dot in the name of a tag
_SHA256, _NUMBER = re.compile("[0-9a-f]{64}"), re.compile("[0-9]{1,18}")
_REFUSED = re.compile(r"""[/:?#@'"]""")
_NO_SUCH = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_UNITY = "databricks-uc"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model registry is, and the tracking server that belongs to it."""

    tracking: str
    registry: str

    @property
    def shown(self) -> str:
        """The registry's URI, without the user and password in it."""
        return shown(self.registry)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The version of ours that a version in MLflow is, as its tags say.

    Attributes
    ----------
    model_id : int
    model_name, version, model_type, file_format, sha256 : str
    run : str
        The run of the ledger that made it, "" where none is recorded.
    """

    model_id: int
    model_name: str
    version: str
    model_type: str
    file_format: str
    sha256: str
    run: str

    @property
    def label(self) -> str:
        """The version as people call it."""
        return f"{self.model_name} {self.version}"

    @property
    def tags(self) -> dict[str, str]:
        """What says so in MLflow."""
        return {f"{_TAG}{name}": str(value) for name, value in vars(self).items() if value != ""}

    @property
    def file(self) -> str:
        """Where our file is among those of the model."""
        return f"ledger/model.{ending_of(self.file_format)}"


CARD_TAG, SHA256_TAG = f"{_TAG}card", f"{_TAG}sha256"
"""Tags of a version with the SHA-256 of its model card, and of its file."""


def origin_of(found: ModelVersion) -> Origin:
    """A version of ours, as tags tell it."""
    named = ("model_id", "model_name", "version", "model_type", "file_format", "sha256")
    return Origin(**{name: getattr(found, name) for name in named}, run=found.experiment_id or "")


def origin_in(tags: Mapping[str, str]) -> Origin | None:
    """The version of ours that tags tell of; None where they tell of none that could be checked."""
    told = {name: tags.get(f"{_TAG}{name}", "") for name in Origin.__dataclass_fields__}
    read = _NUMBER.fullmatch(told["model_id"]) and _SHA256.fullmatch(told["sha256"])
    if not read or told["file_format"] not in FORMATS:
        return None
    return Origin(**{**told, "model_id": int(told["model_id"])})  # type: ignore[arg-type]


def place_of(uri: str | None) -> Place:
    """The registry at a URI; by default the one MLflow uses.

    Raises
    ------
    InvalidInputError
        If the URI is no text.
    EngineError
        If mlflow is not installed.
    """
    if uri is None:
        mlflow = imported()
        return Place(tracking=mlflow.get_tracking_uri(), registry=mlflow.get_registry_uri())
    require()
    check_text("the URI of MLflow", uri, "one such as http://localhost:5000, sqlite:///mlflow.db or databricks-uc")
    if uri.partition(":")[0] in ("databricks", _UNITY):
        profile = uri.removeprefix(_UNITY).removeprefix("databricks")
        return Place(tracking=f"databricks{profile}", registry=f"{_UNITY}{profile}")
    return Place(tracking=uri, registry=uri)


@contextmanager
def opened(uri: str | None, *, may_be_made: bool = False) -> Iterator[tuple[MlflowClient, Place]]:
    """A client of the registry at a URI, which MLflow itself uses meanwhile.

    Raises
    ------
    NotFoundError
        If it is a store on this machine that is not there, and may not be made.
    InvalidInputError
        If the URI leads to a file or folder that is none.
    EngineError
        If mlflow is not installed, the server does not answer within seconds, or it refuses a request.
    """
    place = place_of(uri)
    for one in dict.fromkeys((place.tracking, place.registry)):
        check_store(one, may_be_made=may_be_made)
    with (
        _silence(),
        connected(place.tracking, place.registry) as client,
        environment(FEW_RETRIES),
        in_use(place.tracking, place.registry),
    ):
        yield client, place


def holds(name: str) -> bool:
    """Whether a model can have this name in MLflow, and be found by it there.

    Examples
    --------
    >>> holds("main.models.spread"), holds("spread:2")
    (True, False)
    """
    return not _REFUSED.search(name)


def check_holds(name: object) -> str:
    """Return `name` if a model can have it in MLflow.

    Raises
    ------
    InvalidInputError
        If it is no text, or has a sign MLflow has another use for.
    """
    text = check_text("the name of the model in MLflow", name, "one such as spread, or catalog.schema.spread")
    if not holds(text):
        msg = f"the name of the model in MLflow is {text!r}: give one without / : ? # @ and quotation marks."
        raise InvalidInputError(msg)
    return text


def versions_of(client: MlflowClient, name: str) -> Iterator[TheirVersion]:
    """The versions of a model in MLflow with their tags, the highest first."""
    found = pages(client.search_model_versions, filter_string=f"name = '{name}'")
    for one in sorted(found, key=lambda one: int(one.version), reverse=True):
        # what a search of Unity Catalog finds has no tags
        yield one if isinstance(one.tags, dict) else client.get_model_version(name, one.version)


def copy_of(client: MlflowClient, name: str, origin: Origin) -> TheirVersion | None:
    """The version of a model in MLflow that is this one of ours; of several, which only a race makes, the lowest."""
    wanted = (origin.model_id, origin.version, origin.sha256)
    same = None
    for one in versions_of(client, name):
        told = origin_in(one.tags)
        if told is not None and (told.model_id, told.version, told.sha256) == wanted:
            same = one
    return same


def there(ask: Callable[..., Any], *given: Any) -> Any:
    """What MLflow answers; None where it has no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return ask(*given)
    except MlflowException as error:
        if error.error_code not in _NO_SUCH:
            raise
        return None


@contextmanager
def _silence() -> Iterator[None]:
    """Without what MLflow's own loggers say of formats, environments and credentials."""
    imported()  # which sets them up
    logger = logging.getLogger("mlflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
