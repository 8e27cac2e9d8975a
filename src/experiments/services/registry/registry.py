"""`ModelRegistry`: models saved with their metadata, found, loaded, deployed and deleted."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import ExperimentsError, InvalidInputError, unknown
from experiments.services import provenance
from experiments.services.ledger import connect, current, is_ledger_at, open_ledger_at, opened_last
from experiments.services.registry import checkpoints, deployment, sweeping
from experiments.services.registry.files import ModelFiles
from experiments.services.registry.formats import dumped, ending_of, loaded
from experiments.services.registry.given import (
    check_filter,
    hyperparameters_of,
    metrics_of,
    number_of,
    parts_in,
    schema_of,
    text_of,
)
from experiments.services.registry.merit import mode_of
from experiments.services.registry.record import ModelVersion, versions_in
from experiments.services.registry.saving import put
from experiments.services.registry.standing import StandingsReader
from experiments.services.registry.versions import (
    ALIASES,
    CHAMPION,
    check_alias,
    check_name,
    check_version,
    parts_of,
)
from experiments.services.tracking import active
from experiments.services.tracking.rows import KEYS, PINS
from experiments.services.tracking.values import as_number
from experiments.storage.table import merge_new, select

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

    from experiments.services.decisions.chain import Decision
    from experiments.services.ledger import Ledger
    from experiments.services.registry.card import ModelCard
    from experiments.services.registry.comparing import VersionComparison
    from experiments.services.registry.deployment import Hooks
    from experiments.services.registry.lineage import Lineage
    from experiments.services.registry.publishing import Published
    from experiments.services.registry.sweeping import Swept
    from experiments.storage.engine import Engine

DEFAULT_PATH = "data/models/registry"
"""Where a registry is, where neither a path nor a ledger is given and none is open."""

LOCATION = "EXPERIMENTS_MODELS"
"""Environment variable with the location of the models' files."""

FILES = "models"
"""The folder of a ledger where the files of models are, unless told otherwise."""

_CODE_SECONDS = 5.0  # within which the code of a process is not looked at again, as in a tracked run

log = logging.getLogger("experiments")


class ModelRegistry:
    """Versions of models: files with a SHA-256, and a row of `models` each.

    Parameters
    ----------
    storage_path : str or Path, optional
        A folder: a ledger of the registry's own, with the tables that tell of the models, and their files in its
        folder `models`. A URL, such as "s3://bucket/models": of the files only; the tables are those of the ledger. By
        default the registry is that of the ledger opened last, with the files in its folder `models` (or in
        EXPERIMENTS_MODELS); where none is open and EXPERIMENTS_PATH is not set, it is "data/models/registry".
    ledger : Ledger, optional
        The ledger whose tables tell of the models; then `storage_path` is of the files only.

    Raises
    ------
    InvalidInputError
        If the location is none.
    EngineError
        If it cannot be written.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> registry = ModelRegistry("data/models/registry")  # doctest: +SKIP
    >>> model_id = registry.save_model(Ridge().fit(X, y), "spread", "Ridge", {"mae": 0.4})  # doctest: +SKIP
    >>> registry.load_model(model_id).predict(X)  # doctest: +SKIP
    """

    def __init__(self, storage_path: str | Path | None = None, *, ledger: Ledger | None = None) -> None:
        self._own: Ledger | None = None
        if ledger is None:
            ledger, storage_path = self._place(storage_path)
        self._ledger = ledger
        self._files = ModelFiles(storage_path if storage_path is not None else _location_of(ledger))
        self._environments: set[str] = set()
        self._captured: tuple[float, provenance.Provenance] | None = None
        self._standings = StandingsReader()

    def _place(self, storage_path: str | Path | None) -> tuple[Ledger, str | Path | None]:
        """The ledger of a registry, and where its files are if that is said."""
        if storage_path is None:
            if (ledger := opened_last()) is not None or os.environ.get("EXPERIMENTS_PATH"):
                return ledger or current(), None
            storage_path = DEFAULT_PATH
        text = _checked(storage_path)
        if "://" in text and not text.startswith("file://"):
            return current(), text
        folder = Path(text.removeprefix("file://"))
        if (ledger := open_ledger_at(folder)) is None:
            ledger = self._own = connect(folder, create=not is_ledger_at(folder), apart=True)  # it may be read-only
        return ledger, folder / FILES

    @property
    def ledger(self) -> Ledger:
        """The ledger whose tables tell of the models."""
        return self._ledger

    @property
    def files(self) -> ModelFiles:
        """The files of the models, for the other services."""
        return self._files

    def close(self) -> None:
        """Close the ledger that was opened for this registry; one that was open already stays."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def __enter__(self) -> ModelRegistry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def save_model(  # noqa: PLR0913, PLR0917  the specification's, and what else is known of a model
        self,
        model: Any,
        model_name: str,
        model_type: str,
        metrics: Mapping[str, float],
        hyperparameters: Mapping[str, Any] | None = None,
        description: str | None = None,
        version: str | None = None,
        *,
        file_format: str = "joblib",
        experiment_id: str | None = None,
        fine_tuned_from: int | None = None,
        ensemble_of: Sequence[int] | None = None,
        input_example: Any = None,
        intended_use: str | None = None,
        limitations: str | None = None,
    ) -> int:
        """Save a fitted model as a new version, with its file.

        Parameters
        ----------
        model : object
            What is saved; what `predict` needs has to be in it.
        model_name : str
            What its versions have in common.
        model_type : str
            Its kind, such as "XGBClassifier": the file is named after it.
        metrics : mapping of str to float
            What it is measured by. NaN is kept and never best.
        hyperparameters : mapping, optional
            Values that JSON has a form for, numpy's too.
        description : str, optional
        version : str, optional
            major.minor.patch; by default 1.0.0, then the highest with its patch raised by one.
        file_format : str
            "joblib" takes any object. "xgboost", "lightgbm" and "skops" take those of their libraries, and nothing in
            such a file is run when it is loaded.
        experiment_id : str, optional
            The run that made it; by default the one under way here.
        fine_tuned_from : int, optional
            `model_id` of the version it was made from.
        ensemble_of : sequence of int, optional
            `model_id` of the versions it is made of.
        input_example : DataFrame, optional
            Rows of what it predicts from: their columns and types are recorded, the values are not.
        intended_use, limitations : str, optional
            For its model card.

        Returns
        -------
        int
            Its `model_id`.

        Raises
        ------
        InvalidInputError
            If a value is of the wrong kind, the model cannot be written so, or the version is taken. Nothing is saved.
        NotFoundError
            If there is no such format, run or parent.
        EngineError
            If the file or the row cannot be written. Nothing is saved.
        ConflictError
            If a sweep took it for one that was interrupted, or others were faster again and again. Nothing is saved.
        """
        row = {
            "model_name": check_name("model_name", model_name),
            "model_type": check_name("model_type", model_type),
            "metrics": metrics_of(metrics),
            "hyperparameters": hyperparameters_of(hyperparameters),
            "description": text_of("the description", description),
            "intended_use": text_of("intended_use", intended_use),
            "limitations": text_of("limitations", limitations),
            "input_schema": schema_of(model, input_example),
            "file_format": file_format,
        }
        wanted = None if version is None else check_version(version)
        ending = ending_of(file_format)
        row |= self._parents(fine_tuned_from, ensemble_of) | {"experiment_id": self._run(experiment_id)}
        content = dumped(model, file_format)
        row |= self._provenance() | {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
        return put(self._engine, self._files, row, content, wanted=wanted, ending=ending)

    def load_model(
        self,
        model_id: int | None = None,
        version: str | None = None,
        model_name: str | None = None,
        alias: str | None = None,
    ) -> Any:
        """Load a model, if its file is what was saved.

        Parameters
        ----------
        model_id : int, optional
        version : str, optional
            Of `model_name`; without a name only where one model alone has it.
        model_name : str, optional
            With neither version nor alias: its champion, else its highest version.
        alias : str, optional
            "champion" or "challenger" of `model_name`.

        Returns
        -------
        object or None
            None where there is no such version, its file is gone, was changed or cannot be read: the log says which.

        Raises
        ------
        InvalidInputError
            If nothing is asked for, or several models have the version and none is named.
        """
        found = self.find(model_id, version, model_name, alias)
        if found is None:
            wanted = ", ".join(str(one) for one in (model_id, model_name, version, alias) if one is not None)
            log.warning("there is no model %s in %s.", wanted, self._ledger.where)
            return None
        try:
            return self.open(found)
        except ExperimentsError as error:
            log.warning("%s (model %d) is not loaded: %s", found.label, found.model_id, error)
            return None

    def open(self, found: ModelVersion) -> Any:
        """The model of a version; nothing of its file is read as a model before its SHA-256 was found to be right.

        Raises
        ------
        NotFoundError
            If the file is gone.
        EngineError
            If it is another than was saved, or cannot be read.
        """
        content = self._files.read(found.file_path, found.sha256)
        return loaded(content, found.file_format)

    def check_file(self, found: ModelVersion) -> None:
        """See that the file of a version is what was saved.

        Raises
        ------
        NotFoundError, EngineError
            As `open`.
        """
        self._files.read(found.file_path, found.sha256)

    def find(
        self,
        model_id: int | None = None,
        version: str | None = None,
        model_name: str | None = None,
        alias: str | None = None,
    ) -> ModelVersion | None:
        """The version that `load_model` would load; None where there is none.

        Raises
        ------
        InvalidInputError
            As `load_model`.
        """
        if alias is not None:
            if model_name is None or version is not None or model_id is not None:
                msg = f"the alias {alias!r} is one of a model: give its model_name, and nothing else."
                raise InvalidInputError(msg)
            version = self._standings.read(self._engine).version_of(model_name, check_alias(alias))
            if version is None:
                return None
        if model_id is None and version is None and model_name is None:
            msg = "no model is asked for: give a model_id, a version, or a model_name."
            raise InvalidInputError(msg)
        found = self.versions(model_id=number_of(model_id), version=version, model_name=model_name)
        if len(found) > 1 and model_name is None:
            names = ", ".join(sorted({one.model_name for one in found}))
            msg = f"several models have a version {version}: name one of {names} as model_name."
            raise InvalidInputError(msg)
        champions = [one for one in found if one.alias == CHAMPION]
        return max(champions or found, key=_by_version, default=None)

    def get(self, reference: int | str) -> ModelVersion:
        """The version that people mean.

        Parameters
        ----------
        reference : int or str
            Its `model_id`; "NAME" for the champion of a model, else its highest version; "NAME/1.0.2"; or
            "NAME@champion".

        Raises
        ------
        NotFoundError
            If there is none.
        InvalidInputError
            If it is none of these.
        """
        text = check_text("the model", str(reference), "a model_id, NAME, NAME/VERSION or NAME@champion")
        name, at, alias = text.rpartition("@")
        if text.isdecimal():
            found = self.find(model_id=int(text))
        elif at:
            found = self.find(model_name=name, alias=alias)
        else:
            name, slash, version = text.rpartition("/")
            found = self.find(model_name=name, version=check_version(version)) if slash else self.find(model_name=text)
        if found is None:
            last = self.versions()[-20:]
            labels = [str(one.model_id) if text.isdecimal() else f"{one.model_name}/{one.version}" for one in last]
            raise unknown("model", text, labels)
        return found

    def list_models(
        self, model_type: str | None = None, min_f1: float | None = None, model_name: str | None = None
    ) -> list[dict[str, Any]]:
        """The versions of the registry, oldest first, with all that is recorded of them.

        Parameters
        ----------
        model_type : str, optional
            Only those of this type.
        min_f1 : float, optional
            Only those whose metric "f1" is at least this.
        model_name : str, optional
            Only those of this model.

        Returns
        -------
        list of dict
            `ModelVersion` as dictionaries: `model_id`, `model_name`, `model_type`, `version`, `metrics`,
            `hyperparameters`, `file_path`, `created_at` (ISO, UTC), `description`, and what else is known.
        """
        least = None if min_f1 is None else as_number("min_f1", min_f1)
        return [one.info for one in self.versions(model_type=model_type, model_name=model_name, min_f1=least)]

    def get_best_model(
        self,
        metric: str = "f1",
        model_type: str | None = None,
        model_name: str | None = None,
        mode: str | None = None,
    ) -> dict[str, Any] | None:
        """The version that is best by a metric; those without it, or with NaN, are never best.

        Parameters
        ----------
        metric : str
        model_type, model_name : str, optional
            Only among those.
        mode : str, optional
            "max" or "min": whether larger or smaller is better. By default smaller for errors, losses and latencies
            (`merit.smaller_is_better`), else larger.

        Returns
        -------
        dict or None
            As in `list_models`; None where there is none.
        """
        found = self.best(metric, model_type=model_type, model_name=model_name, mode=mode)
        return None if found is None else found.info

    def best(
        self,
        metric: str = "f1",
        *,
        model_type: str | None = None,
        model_name: str | None = None,
        mode: str | None = None,
    ) -> ModelVersion | None:
        """As `get_best_model`, the version itself.

        Raises
        ------
        InvalidInputError
            If the metric is no text or there is no such mode.
        """
        metric = check_text("the metric", metric, "its name, such as 'f1'")
        engine, only = self._engine, {"model_type": model_type, "model_name": model_name}
        for what, given in only.items():
            check_filter(what, given)
        standings = self._standings.read(engine)
        gone = ",".join(standings.deleted.values())
        frame = select(engine, "best_registered", metric=metric, mode=mode_of(metric, mode), deleted=gone, **only)
        return next(iter(versions_in(frame, standings)), None)

    def delete_model(self, model_id: int, *, force: bool = False, reason: str | None = None) -> bool:
        """Delete a version: its row and its file.

        It is gone for everybody once the deletion is decided; killed between that and the removal of file and row, the
        next sweep removes them. Its numbers are not given again.

        Parameters
        ----------
        model_id : int
        force : bool
            Delete it although it is deployed or others were made from it.
        reason : str, optional
            Why, in your words.

        Returns
        -------
        bool
            True when it was deleted, False where there is none.

        Raises
        ------
        InvalidInputError
            If it is deployed or others were made from it, and it is not forced.
        ConflictError
            If another decision on the model was taken meanwhile. Nothing was deleted.
        EngineError
            If the file cannot be removed: the version is gone, the next sweep tries again.
        """
        found = self.find(model_id=model_id)
        if found is None:
            return False
        deployment.retire(self, found, force=force, reason=reason)
        sweeping.remove(self._engine, self._files, found.model_id, found.file_path)
        return True

    def promote(
        self,
        model_name: str,
        version: str,
        alias: str = CHAMPION,
        *,
        reason: str | None = None,
        force: bool = False,
        hooks: Hooks | None = None,
    ) -> Decision:
        """Deploy a version under an alias; see `deployment.promote`."""
        return deployment.promote(self, model_name, version, alias, reason=reason, force=force, hooks=hooks)

    def rollback(
        self, model_name: str, alias: str = CHAMPION, *, reason: str | None = None, hooks: Hooks | None = None
    ) -> Decision:
        """Deploy the version again that had the alias before; see `deployment.rollback`."""
        return deployment.rollback(self, model_name, alias, reason=reason, hooks=hooks)

    def deploy_best(
        self,
        model_name: str,
        metric: str = "f1",
        *,
        mode: str | None = None,
        hooks: Hooks | None = None,
    ) -> Decision | None:
        """Make the best version of a model its champion, if it is better than the one that is; the policy of a job.

        Returns
        -------
        Decision or None
            None where the champion is the best already.

        Raises
        ------
        NotFoundError
            If no version of the model has the metric.
        InvalidInputError, ConflictError
            As `promote`.
        """
        return deployment.deploy_best(self, model_name, metric, mode=mode, hooks=hooks)

    def aliases(self, model_name: str) -> dict[str, str]:
        """The versions of a model that are deployed, by alias."""
        standings = self._standings.read(self._engine)
        return {alias: one for alias in ALIASES if (one := standings.version_of(model_name, alias)) is not None}

    def sweep(self, *, older_than_hours: float = 1.0, dry_run: bool = False) -> Swept:
        """Remove what is left of saves and deletions that were interrupted; see `sweeping.sweep`."""
        return sweeping.sweep(self, older_than_hours=older_than_hours, dry_run=dry_run)

    def clean(
        self, model_name: str | None = None, *, keep_last: int = 5, keep_champions: bool = True, dry_run: bool = False
    ) -> list[ModelVersion]:
        """Delete all but the latest versions of each model; see `sweeping.clean`."""
        return sweeping.clean(self, model_name, keep_last=keep_last, keep_champions=keep_champions, dry_run=dry_run)

    def lineage(self, model: int | str) -> Lineage:
        """Where a version came from and where it went; `model` as in `get`, see `lineage.lineage`."""
        from experiments.services.registry.lineage import lineage

        return lineage(self, self.get(model))

    def compare(self, a: int | str, b: int | str) -> VersionComparison:
        """Two versions side by side; as in `get`, see `comparing.compare_versions`."""
        from experiments.services.registry.comparing import compare_versions

        return compare_versions(self, self.get(a), self.get(b))

    def card(self, model: int | str) -> ModelCard:
        """The model card of a version, as Markdown and HTML; `model` as in `get`, see `card.card_of`."""
        from experiments.services.registry.card import card_of

        return card_of(self, self.get(model))

    def score(self, model: int | str, table: pd.DataFrame | str | Path) -> pd.DataFrame:
        """The rows of a table with what a version predicts; `model` as in `get`, see `scoring.score`."""
        from experiments.services.registry.scoring import score

        return score(self, self.get(model), table)

    def publish(self, model: int | str, uri: str | None = None) -> Published:
        """Register a version in MLflow's registry; `model` as in `get`, see `publishing.publish`."""
        from experiments.services.registry.publishing import publish

        return publish(self, self.get(model), uri)

    def register_model(
        self,
        experiment_id: str,
        checkpoint_path: str | os.PathLike[str],
        episode_num: int | None = None,
        val_metric: float | None = None,
        is_best: bool = False,
    ) -> str:
        """Register a checkpoint of a run; it survives the death of the process once this returns.

        A checkpoint is no version: it has no number, and its file stays where it is. `save_model` makes versions.

        Parameters
        ----------
        experiment_id : str
            The run.
        checkpoint_path : path
            Its file. One that is there is recorded with size and SHA-256, else its name alone is.
        episode_num : int, optional
            The episode after which it was saved.
        val_metric : float, optional
            What it is measured by; NaN is kept as such.
        is_best : bool
            Whether it is the best of the run so far: the one called so last is in the view `best_checkpoints`.

        Returns
        -------
        str
            Its id in the table `checkpoints`.

        Raises
        ------
        NotFoundError
            If there is no such run.
        InvalidInputError
            If a value is of the wrong kind, or the path is a folder or cannot be read; nothing is registered.
        """
        return checkpoints.register(self._ledger, experiment_id, checkpoint_path, episode_num, val_metric, is_best)

    @property
    def _engine(self) -> Engine:
        return self._ledger.engine

    def versions(self, **filters: Any) -> list[ModelVersion]:
        """The versions of the registry, oldest first.

        Parameters
        ----------
        **filters
            Any of `model_id`, `model_name`, `model_type`, `version` and `min_f1`.
        """
        every = dict.fromkeys(("model_id", "model_name", "model_type", "version", "min_f1"))
        for what in ("model_name", "model_type", "version"):
            check_filter(what, filters.get(what))
        engine = self._engine
        return versions_in(select(engine, "registered_of", **every | filters), self._standings.read(engine))

    def _run(self, experiment_id: str | None) -> str | None:
        """The run that makes a model."""
        if experiment_id is not None:
            self._ledger.tracking.check_known(experiment_id)
            return experiment_id
        run = active.current(self._ledger.where)
        return None if run is None else run.experiment_id

    def _parents(self, fine_tuned_from: int | None, ensemble_of: Sequence[int] | None) -> dict[str, Any]:
        if fine_tuned_from is not None and ensemble_of is not None:
            msg = "a model is fine-tuned from one or an ensemble of several: give fine_tuned_from or ensemble_of."
            raise InvalidInputError(msg)
        if fine_tuned_from is None and ensemble_of is None:
            return {}
        given = [fine_tuned_from] if ensemble_of is None else parts_in(ensemble_of)
        parents = list(dict.fromkeys(number for one in given if (number := number_of(one)) is not None))
        for one in parents:
            if not self.versions(model_id=one):
                raise unknown("parent model", one, [str(other.model_id) for other in self.versions()[-20:]])
        if not parents:
            msg = "ensemble_of is empty: give the model_id of each part."
            raise InvalidInputError(msg)
        return {"parents": parents, "parentage": "fine-tuned" if ensemble_of is None else "ensemble"}

    def _provenance(self) -> dict[str, Any]:
        """The code and environment that save a model; the environment is recorded when it is new to this registry."""
        if self._captured is None or time.monotonic() - self._captured[0] > _CODE_SECONDS:
            self._captured = time.monotonic(), provenance.capture()
        captured = self._captured[1]
        if captured.environment_id not in self._environments:
            snapshot = captured.environment | {"captured_at": dt.datetime.now(dt.UTC)}
            table = "environments"
            merge_new(self._engine, table, [snapshot], key=KEYS[table], pins=PINS[table])
            self._environments.add(captured.environment_id)
        return {
            "created_by": captured.run_by,
            "git_commit": captured.git_commit,
            "git_dirty": captured.git_dirty,
            "environment_id": captured.environment_id,
        }


def _checked(storage_path: Any) -> str:
    text = str(storage_path) if isinstance(storage_path, str | os.PathLike) else ""
    if not text.strip() or "\0" in text:
        msg = f"the storage_path is {storage_path!r:.60}: give a folder, or a URL such as s3://bucket/models."
        raise InvalidInputError(msg)
    return text


def _location_of(ledger: Ledger) -> str | Path:
    location = os.environ.get(LOCATION)
    if location:
        return location
    if ledger.path is None:
        msg = (
            f"the ledger {ledger.where} has no folder to keep models in: set {LOCATION} to one, such as "
            "/Volumes/catalog/schema/volume/models, or to a URL such as s3://bucket/models."
        )
        raise InvalidInputError(msg)
    return ledger.path / FILES


def _by_version(one: ModelVersion) -> tuple[int, ...]:
    return parts_of(one.version)
