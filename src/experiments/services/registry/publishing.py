"""Versions of ours published in MLflow's model registry, from where any server of MLflow can serve them."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError
from experiments.services.exchange.carried import milliseconds_of
from experiments.services.exchange.flavours import signature_of, write_model
from experiments.services.exchange.limits import (
    LONGEST_PARAM,
    METRICS_A_CALL,
    PARAMS_A_CALL,
    fits,
    fitting,
    listed,
)
from experiments.services.exchange.server import runs_of
from experiments.services.registry.card import card_of
from experiments.services.registry.formats import loaded
from experiments.services.registry.mlflow_registry import (
    CARD,
    CARD_TAG,
    SHA256_TAG,
    Place,
    check_holds,
    copy_of,
    opened,
    origin_of,
)
from experiments.services.registry.versions import ALIASES, check_alias
from experiments.storage.files import turn

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as TheirVersion

    from experiments.services.registry.card import ModelCard
    from experiments.services.registry.mlflow_registry import Origin
    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry

_LONGEST_DESCRIPTION = 5000
_LEFT_BEHIND = 3600
"""Seconds after which a run is nobody's any more."""

_REST = f"\n\n*The rest of this card is in `{CARD}`, among the artifacts of its run.*\n"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version of ours in MLflow.

    Attributes
    ----------
    label : str
        The version here, as people call it.
    target : str
        The URI of the registry.
    name, version : str
        What MLflow calls it.
    uri : str
        What MLflow loads and serves it by.
    run_id : str
        MLflow's run with its metrics, parameters and card.
    new : bool
        Whether it was not there before.
    changed : tuple of str
        What was brought up to date.
    notes : tuple of str
        What MLflow does not take.
    """

    label: str
    target: str
    name: str
    version: str
    uri: str
    run_id: str
    new: bool
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def publish(
    registry: ModelRegistry,
    found: ModelVersion,
    uri: str | None = None,
    *,
    name: str | None = None,
    alias: str | None = None,
) -> Published:
    """Register a version of ours in MLflow's model registry; one that is there is brought up to date.

    It is a version there with a run that has its metrics and hyperparameters, with its model card, and with tags that
    say which version of ours it is. The model is written in MLflow's format for its library where it has one, else as
    a function with the model pickled in it. Our file goes along, `ledger/model.*`, to be checked by its SHA-256.

    Aliases are as here: what is deployed here is so there, what was and is no more is so no more; of what was never
    deployed here they stay as they are.

    Parameters
    ----------
    registry : ModelRegistry
    found : ModelVersion
        From `registry.get`.
    uri : str, optional
        Of the registry: a server, such as http://localhost:5000; a store, such as sqlite:///mlflow.db, made where
        there is none; "databricks-uc" for Unity Catalog. By default the one MLflow uses.
    name : str, optional
        Of the model there, in Unity Catalog catalog.schema.model; by default as here.
    alias : str, optional
        "champion" or "challenger", whatever it is here.

    Raises
    ------
    InvalidInputError
        If a name or the alias is none, the model cannot predict or be written, or the URI leads to what is no store.
    NotFoundError
        If its file, or the folder a store would be made in, is gone.
    EngineError
        If its file is not what was saved, or MLflow is not installed, cannot be reached or refuses a request. What was
        begun is taken back, as far as MLflow can still be reached.
    """
    wanted = None if alias is None else check_alias(alias)
    their_name = check_holds(found.model_name if name is None else name)
    content = registry.files.read(found.file_path, found.sha256)
    card, origin = card_of(registry, found), origin_of(found)
    notes: Sequence[str] = ()
    with opened(uri, may_be_made=True) as (client, place), _turn(registry):
        version = copy_of(client, their_name, origin)
        new = version is None
        if version is None:
            making = _Making(client=client, place=place, name=their_name, found=found, origin=origin)
            version, notes = making.make(content)
        changed = _aliases(client, version, found, wanted) + _card(client, version, card)
    return Published(
        label=found.label,
        target=place.shown,
        name=their_name,
        version=str(version.version),
        uri=f"models:/{their_name}/{version.version}",
        run_id=str(version.run_id),
        new=new,
        changed=tuple(changed),
        notes=tuple(notes),
    )


def _turn(registry: ModelRegistry) -> Any:
    """Publish one at a time from a ledger of this machine: who comes second finds it there."""
    location = registry.ledger.engine.location
    return turn(None if location is None else location / "models", "_publishing.lock")


@dataclass(frozen=True, kw_only=True)
class _Making:
    """A version of MLflow's being made of one of ours."""

    client: MlflowClient
    place: Place
    name: str
    found: ModelVersion
    origin: Origin

    def make(self, content: bytes) -> tuple[TheirVersion, list[str]]:
        """Make the run, the model and the version; all of them, or none."""
        model = loaded(content, self.found.file_format)
        if not callable(getattr(model, "predict", None)):
            msg = (
                f"{self.found.label} is a {type(model).__name__} without a method predict: MLflow serves models that "
                "have one."
            )
            raise InvalidInputError(msg)
        self._name()
        left_out: dict[str, list[str]] = {}
        experiment = self._experiment()
        self._sweep(experiment)
        run = self.client.create_run(experiment, tags=self.origin.tags, run_name=self.found.label)
        logged = None
        try:
            logged = self.client.create_logged_model(
                experiment,
                "model",
                run.info.run_id,
                tags=self.origin.tags,
                model_type=self.found.model_type,
            )
            self._describe(run.info.run_id, logged.model_id, left_out)
            self._write(model, content, run.info.run_id, logged)
            self.client.set_terminated(run.info.run_id)
            made = self.client.create_model_version(
                self.name,
                f"models:/{logged.model_id}",
                run.info.run_id,
                tags=self.origin.tags,
                model_id=logged.model_id,
            )
        except BaseException:
            with suppress(Exception):  # a server that is gone
                if copy_of(self.client, self.name, self.origin) is None:  # its answer may be what was lost
                    self._take_back(run.info.run_id, logged)
            raise
        first = copy_of(self.client, self.name, self.origin) or made
        if first.version != made.version:  # somebody else published it meanwhile
            self.client.delete_model_version(self.name, made.version)
            self._take_back(run.info.run_id, logged)
        return first, [f"of {self.found.label} MLflow takes no {listed(left_out)}."] if left_out else []

    def _name(self) -> None:
        """Have the name in the registry."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                raise

    def _experiment(self) -> str:
        """The experiment of its runs: named after the model, on Databricks in the folder all can see."""
        name = f"/Shared/{self.name}" if self.place.tracking.startswith("databricks") else self.name
        experiment = self.client.get_experiment_by_name(name)
        return str(experiment.experiment_id if experiment else self.client.create_experiment(name))

    def _sweep(self, experiment: str) -> None:
        """Remove what publishing it left there when it was killed."""
        old = int((time.time() - _LEFT_BEHIND) * 1000)
        told = f"attributes.status = 'RUNNING' and attributes.start_time < {old}"
        for run in runs_of(self.client, [experiment], f"{told} and tags.{SHA256_TAG} = '{self.origin.sha256}'"):
            self.client.delete_run(run.info.run_id)

    def _describe(self, run_id: str, logged_id: str, left_out: dict[str, list[str]]) -> None:
        """Say what was measured, and with which settings."""
        from mlflow.entities import LoggedModelOutput, Metric, Param

        self.client.log_outputs(run_id, [LoggedModelOutput(logged_id, step=0)])
        settings = self.found.hyperparameters or {}
        texts = ((name, value if isinstance(value, str) else str(value)) for name, value in settings.items())
        params = [Param(*pair) for pair in fitting(texts, LONGEST_PARAM, "hyperparameters", left_out)]
        when = milliseconds_of(self.found.created_at)
        metrics = [
            Metric(name, value, when, 0, model_id=logged_id) for name, value in self.found.metrics.items() if fits(name)
        ]
        if refused := [name for name in self.found.metrics if not fits(name)]:
            left_out["metrics"] = refused
        for first in range(0, len(params), PARAMS_A_CALL):
            self.client.log_batch(run_id, params=params[first : first + PARAMS_A_CALL])
        for first in range(0, len(metrics), METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=metrics[first : first + METRICS_A_CALL])

    def _write(self, model: Any, content: bytes, run_id: str, logged: Any) -> None:
        """Send the model's folder, with our file in it."""
        from mlflow.models import Model

        described = Model(
            artifact_path=logged.artifact_location,
            model_uuid=logged.model_id,
            run_id=run_id,
            model_id=logged.model_id,
        )
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            write_model(model, folder, described, signature_of(model, self.found.input_schema))
            ours = folder / self.origin.file
            ours.parent.mkdir()
            ours.write_bytes(content)
            self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")

    def _take_back(self, run_id: str, logged: Any) -> None:
        self.client.delete_run(run_id)
        if logged is not None:
            self.client.delete_logged_model(logged.model_id)


def _aliases(client: MlflowClient, version: TheirVersion, found: ModelVersion, wanted: str | None) -> list[str]:
    """Have the aliases there as they are here, or the one that is wanted; returns what was changed."""
    if wanted is None and found.deployment_status == "saved":
        return []
    held = client.get_registered_model(version.name).aliases
    here = wanted or found.alias
    changed = []
    for alias in ALIASES:
        has = str(held.get(alias)) == str(version.version)
        if alias == here and not has:
            client.set_registered_model_alias(version.name, alias, version.version)
            changed.append(f"is the {alias} now")
        elif has and alias != here and wanted is None:
            client.delete_registered_model_alias(version.name, alias)
            changed.append(f"is the {alias} no more")
    return changed


def _card(client: MlflowClient, version: TheirVersion, card: ModelCard) -> list[str]:
    """Have the card there as it is here: the description of the version, and an artifact of its run."""
    digest = hashlib.sha256(card.markdown.encode()).hexdigest()
    if version.tags.get(CARD_TAG) == digest:
        return []
    client.log_text(str(version.run_id), card.markdown, CARD)
    client.log_text(str(version.run_id), card.html, CARD.replace(".md", ".html"))
    client.update_model_version(version.name, version.version, _description(card.markdown))
    client.set_model_version_tag(version.name, version.version, CARD_TAG, digest)
    return ["has its card of now"]


def _description(text: str) -> str:
    """A card as a description, which MLflow's databases cut off at 5,000 characters."""
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    kept = text[: _LONGEST_DESCRIPTION - len(_REST)]
    return (kept.rpartition("\n")[0] or kept) + _REST
