"""Maintenance: the files of every table looked after, and rows removed that belong to nothing."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.errors import EngineError, InvalidInputError, first_line
from experiments.identity import time_of
from experiments.services import evidence
from experiments.services.progress import progress_bar
from experiments.services.recorder import RESUMED_FOR
from experiments.storage.sql_files import names
from experiments.storage.upkeep import SWEPT, sweep, tend_table, unmake_families

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

RETAIN_HOURS = 168
"""How long a file stays that the table no longer needs, unless told otherwise; on Databricks its least."""

_LEAST_LOCALLY = 1
_SWEPT_AFTER = RESUMED_FOR + dt.timedelta(days=9)  # far more than the longest backtest under way
_QUIET = dt.timedelta(hours=1)  # of what is written in seconds


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What was done to one table, or would be.

    Attributes
    ----------
    table : str
    rows_swept : int
        Rows removed that belonged to nothing.
    files_before, files_after : int or None
        Files the table consists of; None where it could not be looked after, and after a dry run.
    files_removed : int
        Files cleared away that the table needs no more.
    bytes_freed : int or None
        Their size; None where the engine does not tell.
    error : str or None
        Why the table could not be looked after.
    """

    table: str
    rows_swept: int = 0
    files_before: int | None = None
    files_after: int | None = None
    files_removed: int = 0
    bytes_freed: int | None = None
    error: str | None = None


def maintain(
    ledger: Ledger, *, retain_hours: int = RETAIN_HOURS, dry_run: bool = False, progress: bool = True
) -> list[Upkeep]:
    """Sweep, compact and clear away, table by table; one that fails does not stop the rest.

    Swept are the windows and forecasts of evaluations that began more than 30 days ago and never got a row in
    `model_runs`, and the comparisons and standings of families that never got theirs. An interrupted backtest goes on
    with what it stored for 21 days (`recorder.RESUMED_FOR`), later it begins anew; and where anything was written
    within an hour nothing is swept. So what a resume or another writer still needs stays.

    Files go when no version in a table's log needs them and they are older than `retain_hours`. On a machine of one's
    own the log, and so time travel by version, reaches back ten minutes at least, whatever `retain_hours`; on
    Databricks time travel is kept for `retain_hours`. What was known at an earlier time ("as of") is in rows and stays.

    Parameters
    ----------
    ledger : Ledger
    retain_hours : int
        At least 1; on Databricks at least 168, the least its own safety check accepts.
    dry_run : bool
        Whether to change nothing and tell what would be done.
    progress : bool
        Whether to show a progress bar on standard error.

    Raises
    ------
    InvalidInputError
        If `retain_hours` is less.
    """
    check_retention(retain_hours, managed=ledger.path is None)
    done: list[Upkeep] = []
    families: dict[str, set[str]] = defaultdict(set)
    with progress_bar("looking after", total=len(names("tables")), enabled=progress) as advance:
        for table in names("tables"):
            done.append(_look_after(ledger, table, families, retain_hours=retain_hours, dry_run=dry_run))
            advance(table)
    if not dry_run:
        unmake_families(ledger.engine, {commodity: sorted(ids) for commodity, ids in families.items()})
    return done


def check_retention(retain_hours: int, *, managed: bool) -> None:
    """Refuse to clear away files that readers under way may need.

    Raises
    ------
    InvalidInputError
        If it is less than an hour; where Databricks manages the tables, less than 168.
    """
    least = RETAIN_HOURS if managed else _LEAST_LOCALLY
    if type(retain_hours) is not int or retain_hours < least:
        where = "on Databricks" if managed else "on this machine"
        msg = f"--retain-hours is {retain_hours!r}: give a whole number of at least {least} {where}, readers under way "
        raise InvalidInputError(msg + "need the files.")


def _look_after(
    ledger: Ledger, table: str, families: dict[str, set[str]], *, retain_hours: int, dry_run: bool
) -> Upkeep:
    """Look after one table; `families` gains those whose rows are swept, by commodity."""
    swept = 0
    try:
        if table in SWEPT:
            places = _sweep(ledger, table, dry_run=dry_run)
            swept = sum(sum(ids.values()) for ids in places.values())
            for (commodity, *_), ids in places.items() if table in evidence.KEYS else ():
                families[commodity].update(ids)
        tended = tend_table(ledger.engine, table, retain_hours=retain_hours, dry_run=dry_run)
    except Exception as error:  # noqa: BLE001  whatever went wrong with one table, the others are still due
        told = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {first_line(error)}"
        return Upkeep(table=table, rows_swept=swept, error=told)
    return Upkeep(
        table=table,
        rows_swept=swept,
        files_before=tended.files_before,
        files_after=tended.files_after,
        files_removed=tended.n_removed,
        bytes_freed=tended.bytes_freed,
    )


def _sweep(ledger: Ledger, table: str, *, dry_run: bool) -> dict[tuple[str, ...], dict[str, int]]:
    now = dt.datetime.now(dt.UTC)
    began_by = now - _SWEPT_AFTER

    def is_old(identity: str) -> bool:
        # a family is made in seconds: only an interrupted one has rows and no family an hour later
        began = _began(identity)
        return table in evidence.KEYS or (began is not None and began < began_by)

    return sweep(ledger.engine, table, is_old=is_old, quiet_since=now - _QUIET, dry_run=dry_run)


def _began(experiment_id: str) -> dt.datetime | None:
    """When an evaluation began, where its id is one of ours, which say so."""
    try:
        ours = uuid.UUID(experiment_id).version == 7  # noqa: PLR2004  the version that has a time
    except ValueError:
        return None
    return time_of(experiment_id) if ours else None
