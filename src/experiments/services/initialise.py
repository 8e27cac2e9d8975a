"""Initialise: a ledger made and brought up to date, and what only Unity Catalog has applied to it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.definitions import counted
from experiments.storage.table import select
from experiments.storage.unity import apply_files
from experiments.storage.views import views_of_others

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.services.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Initialised:
    """What was made of a ledger.

    Attributes
    ----------
    where : str
        The ledger.
    created : tuple of str
        Tables made now.
    migrated : tuple of str
        Migrations applied now to tables that were there.
    applied : tuple of str
        Files of `sql/databricks` applied now, such as "keys/forecasts"; only on Databricks.
    notes : tuple of str
        What was refused and what is kept as it is, a line each.
    """

    where: str
    created: tuple[str, ...]
    migrated: tuple[str, ...]
    applied: tuple[str, ...]
    notes: tuple[str, ...]


def initialise(open_ledger: Callable[[], Ledger]) -> Initialised:
    """Make a ledger or bring it up to date; what is there stays, and run again nothing is to do.

    Parameters
    ----------
    open_ledger : callable
        Opens it, as `connect` does, which creates and migrates.
    """
    began = dt.datetime.now(dt.UTC)
    with open_ledger() as ledger:
        migrated: list[str] = []
        if "model_runs" not in ledger.created:  # tables made now need none
            migrated = [
                str(name) for name in select(ledger.engine, "migrations_since", since=began.isoformat())["name"]
            ]
        applied: tuple[str, ...] = ()
        notes: list[str] = []
        if ledger.path is None:
            found = apply_files(ledger.engine)
            applied = found.done
            if found.refused:
                file, why = next(iter(found.refused.items()))
                n_files = counted(len(found.refused), "file")
                notes.append(
                    f"{n_files} of sql/databricks could not be applied, {file} first: {why} Keys, tags and clustering "
                    "change no result; whoever owns the tables can run this job."
                )
            if kept := views_of_others(ledger.engine):
                notes.append(
                    f"{counted(len(kept), 'view')} could not be defined anew, and the one that is there serves: "
                    f"{', '.join(kept)}. Only its owner may replace it: ask them to run this job."
                )
        return Initialised(
            where=ledger.where,
            created=ledger.created,
            migrated=tuple(migrated),
            applied=applied,
            notes=tuple(notes),
        )
