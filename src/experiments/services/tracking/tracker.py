"""The tracker: a run, and everything that is logged to it."""

from __future__ import annotations

import reprlib
import struct
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_count, check_text
from experiments.errors import ConflictError, InvalidInputError
from experiments.services.ledger import current
from experiments.services.tracking import active
from experiments.services.tracking.artifacts import store_of
from experiments.services.tracking.tracking import Run, check_status
from experiments.services.tracking.values import (
    as_count,
    as_number,
    as_parameter,
    check_name,
    check_notes,
    check_type,
    distribution,
)
from experiments.storage.journal import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from experiments.services.ledger import Ledger


class ExperimentTracker:
    """Tracks one run at a time: what it is, its parameters, metrics, data, artifacts, and how it ended.

    What a call logs survives the death of the process once the call returns, and is in the tables some seconds later,
    at the end of the run, or after `flush`. Threads may share a tracker; a forked child goes on logging to the run it
    was forked in; another process joins a run with `attach`. As a context manager it ends the run: completed, or
    failed if an exception leaves the block. A run that nobody ends is incomplete when the process ends, and crashed
    when it dies.

    Parameters
    ----------
    ledger : Ledger, optional
        By default the ledger opened last, else the default one.

    Examples
    --------
    >>> with ExperimentTracker() as tracker:  # doctest: +SKIP
    ...     run = tracker.start_experiment("PPO", "rl", tags=["rl"], random_seed=42)
    ...     tracker.log_hyperparameters_batch({"learning_rate": 3e-4, "gamma": 0.99})
    ...     tracker.log_metric("train_return", 1.5, episode=0)
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = current() if ledger is None else ledger
        self._tracking = self._ledger.tracking
        self._run: Run | None = None
        self._ended: str | None = None

    @property
    def where(self) -> str:
        """The ledger it writes to."""
        return self._tracking.where

    @property
    def experiment_id(self) -> str:
        """The id of the run that is under way.

        Raises
        ------
        ConflictError
            If none is.
        """
        return self._under_way().experiment_id

    def start_experiment(
        self,
        name: str,
        experiment_type: str = "training",
        tags: Sequence[str] | None = None,
        random_seed: int | None = None,
        *,
        notes: str | None = None,
        parent_id: str | None = None,
    ) -> str:
        """Start a run; what ran is captured: code, packages, machine, command, seed.

        Parameters
        ----------
        name : str
        experiment_type : str
            What kind of run: "rl", "classification" ...
        tags : sequence of str, optional
            Labels; one with a value is written "key=value".
        random_seed : int, optional
            The seed of the run; it is recorded, not set: `set_deterministic_seeds` sets it, and is recorded by itself.
        notes : str, optional
        parent_id : str, optional
            The run this one is part of; see also `child`.

        Returns
        -------
        str
            Its `experiment_id`.

        Raises
        ------
        ConflictError
            If this tracker's last run has not ended.
        InvalidInputError
            If a value cannot be used; nothing was started.
        NotFoundError
            If there is no run `parent_id`.
        EngineError
            If the journal cannot be written.
        """
        if self._run is not None:
            msg = f"the run {self._run.experiment_id} is under way: end it first, or begin a part of it with child()."
            raise ConflictError(msg)
        from experiments.services.reproduction.seeds import last_seed

        begin = partial(
            self._tracking.begin,
            name=check_name("the name of the run", name),
            experiment_type=check_type(experiment_type),
            tags=_tags(tags),
            random_seed=last_seed() if random_seed is None else check_count("random_seed", random_seed, least=0),
            notes=None if notes is None else check_notes(notes),
            parent_id=parent_id,
        )
        if parent_id is not None:
            self._tracking.check_known(parent_id)
        self._set(begin())
        return self.experiment_id

    def child(self, name: str, experiment_type: str = "training", **given: Any) -> ExperimentTracker:
        """Start a part of the run that is under way, in a tracker of its own; arguments as of `start_experiment`."""
        tracker = ExperimentTracker(self._ledger)
        tracker.start_experiment(name, experiment_type, **given, parent_id=self.experiment_id)
        return tracker

    def attach(self, experiment_id: str) -> ExperimentTracker:
        """Log to a run that was started elsewhere, in another process for instance, which is also where it ends.

        Raises
        ------
        NotFoundError
            If there is no such run.
        ConflictError
            If it has ended, or this tracker has a run under way.
        """
        if self._run is not None:
            msg = f"the run {self._run.experiment_id} is under way: attach another tracker."
            raise ConflictError(msg)
        self._set(self._tracking.attach(experiment_id))
        return self

    def log_hyperparameter(self, name: str, value: Any, model_id: str = "") -> None:
        """Log one hyperparameter; see `log_hyperparameters_batch`."""
        self.log_hyperparameters_batch({name: value}, model_id)

    def log_hyperparameters_batch(self, hyperparameters: Mapping[str, Any], model_id: str = "") -> None:
        """Log hyperparameters with their types: all of them or, on a bad one, none.

        Parameters
        ----------
        hyperparameters : mapping
            Numbers, texts, truth values, None, dates, paths, and lists and dictionaries of these, by name.
        model_id : str
            The model they belong to; by default they are the run's.

        Raises
        ------
        InvalidInputError
            If a name or value cannot be used.
        ConflictError
            If one was logged before with another value: a parameter does not change.
        """
        run = self._under_way()
        typed = [as_parameter(name, value) for name, value in _pairs("hyperparameters", hyperparameters)]
        for name, value, *_ in typed:
            if (before := run.parameters.get((model_id, name), value)) != value:
                msg = (
                    f"the hyperparameter {name[:60]!r} was logged as {before[:60]}, not {value[:60]}: "
                    "it stays for a run. Start another run, or log what changes as a metric."
                )
                raise ConflictError(msg)
        new = [one for one in typed if (model_id, one[0]) not in run.parameters]
        if new:
            self._tracking.journal.record("parameters", {"run": run.experiment_id, "model": model_id, "values": new})
            run.parameters |= {(model_id, name): value for name, value, *_ in new}

    def log_metric(
        self,
        name: str,
        value: float,
        step: int | None = None,
        episode: int | None = None,
        epoch: int | None = None,
    ) -> None:
        """Log one point of a metric.

        Parameters
        ----------
        name : str
        value : float
            NaN and infinities are kept as such.
        step, episode, epoch : int, optional
            Where in the run.

        Raises
        ------
        InvalidInputError
            If the value is not one number, or a place not a whole number.
        ConflictError
            If no run is under way.
        EngineError
            If the journal cannot be written; this point is not kept.
        """
        run = self._run or self._under_way()
        if type(name) is not str or name not in run.names:
            name = check_name("the name of a metric", name)
            run.names.add(name)
        if type(value) is not float:
            value = as_number(name, value)
        # what is plain calls nothing: this is the hottest path there is
        if step is None:
            step = NOTHING
        elif type(step) is not int or step == NOTHING:
            step = as_count("step", step)
        if episode is None:
            episode = NOTHING
        elif type(episode) is not int or episode == NOTHING:
            episode = as_count("episode", episode)
        if epoch is None:
            epoch = NOTHING
        elif type(epoch) is not int or epoch == NOTHING:
            epoch = as_count("epoch", epoch)
        try:
            self._tracking.journal.point(run.experiment_id, name, value, step, episode, epoch)
        except struct.error:
            for what, count in (("step", step), ("episode", episode), ("epoch", epoch)):
                if count != NOTHING:
                    as_count(what, count)  # which of them is too large
            raise

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        episode: int | None = None,
        epoch: int | None = None,
    ) -> None:
        """Log one point of each of several metrics; arguments as of `log_metric`."""
        given = _pairs("metrics", metrics)
        checked = {check_name("the name of a metric", name): as_number(name, value) for name, value in given}
        for name, value in checked.items():
            self.log_metric(name, value, step, episode, epoch)

    def log_distribution(
        self,
        name: str,
        values: Any,
        step: int | None = None,
        episode: int | None = None,
        epoch: int | None = None,
        *,
        bins: int = 30,
    ) -> None:
        """Log many values as one point of a metric: their mean, with histogram, moments and percentiles.

        Parameters
        ----------
        name : str
        values : array-like
            Numbers, any shape; NaN and infinities are counted and left out.
        step, episode, epoch : int, optional
        bins : int
            Of the histogram, between the smallest and the largest value.

        Raises
        ------
        InvalidInputError
            If they are no numbers, or none is finite.
        """
        run = self._under_way()
        row: dict[str, Any] = {"name": check_name("the name of a metric", name)}
        row |= distribution(name, values, check_count("bins", bins))
        places = {"step": step, "episode": episode, "epoch": epoch}
        row |= {what: None if given is None else as_count(what, given) for what, given in places.items()}
        self._tracking.journal.record("distribution", {"run": run.experiment_id, "row": row})

    def log_artifact(
        self,
        thing: Any,
        name: str | None = None,
        *,
        artifact_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Keep a plot, log, config, report, model or any file as it is now.

        Parameters
        ----------
        thing : path, figure, DataFrame, dict, list or bytes
            The path of a file or folder; or a matplotlib figure (kept as PNG), a frame (Parquet), a dictionary or list
            (JSON), or bytes.
        name : str, optional
            Its name, a relative path; by default that of the file.
        artifact_type : str, optional
            plot, log, config, report, model, data, code or other; by default what the name's ending says.
        metadata : mapping of str to str, optional

        Returns
        -------
        str
            Its `artifact_id`: logged again unchanged it is the same one.

        Raises
        ------
        NotFoundError
            If there is no such file.
        InvalidInputError
            If it cannot be kept: a name that leads outside, a file that changes while it is read.
        EngineError
            If the store cannot be written.
        """
        run = self._under_way()
        said = {check_name("the key of metadata", key): str(value) for key, value in _pairs("metadata", metadata)}
        kept = store_of(self._ledger).keep(thing, name, artifact_type)
        return self._tracking.keep(run, kept, said)

    def link_dataset(self, dataset_id: str, role: str = "all") -> None:
        """Record that the run read a dataset, or one split of it; `DatasetManager.load` does it by itself.

        Raises
        ------
        NotFoundError
            If there is no such dataset in this ledger.
        """
        run = self._under_way()
        if (check_text("dataset_id", dataset_id), check_name("role", role)) not in run.linked:
            self._tracking.check_dataset(dataset_id)
            content = {"run": run.experiment_id, "dataset": dataset_id, "role": role}
            self._tracking.journal.record("dataset", content)
            run.linked.add((dataset_id, role))

    def flush(self) -> None:
        """Return when everything logged so far is on the disk and in the tables.

        Raises
        ------
        EngineError
            If the tables cannot be written: what was logged is safe in the journal and tried again.
        """
        self._tracking.flush()

    def end_experiment(self, status: str = "completed") -> None:
        """End the run; it is in the tables a moment later, or after `flush`.

        Parameters
        ----------
        status : str
            completed, incomplete, failed or crashed.

        Raises
        ------
        InvalidInputError
            If there is no such status.
        ConflictError
            If no run is under way.
        """
        run = self._under_way()
        checked = check_status(status)
        if run.mine:
            self._tracking.end(run, checked)
        active.end(self)
        self._run, self._ended = None, f"{run.experiment_id} has ended ({checked})"

    def __enter__(self) -> ExperimentTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            self.end_experiment("completed" if kind is None else "failed")

    def _set(self, run: Run) -> None:
        self._run = run
        active.begin(self)

    def _under_way(self) -> Run:
        if self._run is None:
            why = f"the run {self._ended}" if self._ended else "no run is under way"
            msg = f"{why}: call start_experiment first."
            raise ConflictError(msg)
        return self._run


def _pairs(what: str, given: object) -> list[tuple[Any, Any]]:
    """The names and values of a dictionary."""
    if given is not None and not isinstance(given, Mapping):
        msg = f"{what} is {reprlib.repr(given)}: give a dictionary of name to value."
        raise InvalidInputError(msg)
    return list((given or {}).items())


def _tags(tags: object) -> list[str]:
    if tags is None:
        return []
    if isinstance(tags, str) or not hasattr(tags, "__iter__"):
        msg = f"tags is {tags!r:.60}: give a list of texts."
        raise InvalidInputError(msg)
    return list(dict.fromkeys(check_name("a tag", tag) for tag in tags))
