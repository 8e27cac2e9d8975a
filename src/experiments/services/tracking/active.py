"""Which run is under way here: what reads a dataset need not be told for whom."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class Active(Protocol):
    """What a run that is under way offers to those who find it here."""

    @property
    def experiment_id(self) -> str:
        """The run."""

    @property
    def where(self) -> str:
        """The ledger it writes to."""

    def link_dataset(self, dataset_id: str, role: str = "all") -> None:
        """Record that the run read a dataset, or one split of it."""


_started: ContextVar[tuple[Active, ...]] = ContextVar("started", default=())
_everywhere: list[Active] = []


def begin(run: Active) -> None:
    """A run has been started in this context."""
    _started.set((*_started.get(), run))
    _everywhere.append(run)


def end(run: Active) -> None:
    """A run is over."""
    _started.set(tuple(one for one in _started.get() if one is not run))
    if run in _everywhere:
        _everywhere.remove(run)


def current(where: str) -> Active | None:
    """The run of this ledger that was started last in this context; in another thread, the only one there is."""
    mine = [run for run in _started.get() if run.where == where and run in _everywhere]
    if mine:
        return mine[-1]
    others = [run for run in _everywhere if run.where == where]
    return others[0] if len(others) == 1 else None


def link(where: str, dataset_id: str, role: str = "all") -> None:
    """Record that the run under way here, if there is one, read a dataset.

    Parameters
    ----------
    where : str
        The ledger that holds run and dataset: its `where`.
    dataset_id : str
    role : str
        The split that was read; "all" for the whole.
    """
    run = current(where)
    if run is not None:
        run.link_dataset(dataset_id, role)
