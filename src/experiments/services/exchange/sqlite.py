"""The legacy `experiments.db`: its runs, metrics by episode, hyperparameters and regimes, imported from SQLite.

The schema assumed where no mapping is given (`mapping.LEGACY`):

- `experiments` (id, name, description, start_time, end_time, status, state_dim, action_dim, learning_rate, gamma,
  train_start_date, train_end_date, test_start_date, test_end_date, best_test_sharpe, best_test_return, final_episode,
  early_stopped, notes): one row a run. Its configuration becomes hyperparameters; its results become metrics once the
  run has ended; the description and the notes become notes.
- `episodes` (id, experiment_id, episode_num, timestamp, and a column a metric): each figure a point of that episode.
- `regime_analysis` (id, experiment_id, analysis_date, and a column a figure): each figure a point of the metric
  `regime.<column>`.
- `hyperparameters` (id, experiment_id, param_name, param_value): key and value, typed as `texts.typed` says.

Any other schema is described by a TOML file, see `mapping.read_layout`. Times without a zone are UTC, numbers are
seconds since 1970. NULL is no figure where a column is a metric; where a row is a point it is NaN, which SQLite
cannot hold otherwise.

Imported again, only what is new is read and written: a table is followed by its rowid, so a row that was there at an
import is not read again. That makes the file's "dual mode": scripts that still write to it go on, `import_sqlite` is
repeated (before asking, or by a scheduler), and every query of the ledger sees both. New runs that go to the ledger
directly are the gradual migration, one import is the full replacement.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.errors import InvalidInputError
from experiments.services.exchange.arriving import Arrivals, Arrived, end_runs, settings_there, there
from experiments.services.exchange.mapping import LEGACY, PointTable, read_layout
from experiments.services.exchange.sqlite_file import SqliteFile, opened
from experiments.services.progress import progress_bar
from experiments.services.tracking.rows import RUNNING
from experiments.storage.table import select_among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.services.ledger import Ledger
    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

SLOW = 100_000
"""Rows from which a bar is shown: fewer take less than two seconds."""

SHOWN_EVERY = 10_000
"""Rows by which the bar moves."""


def import_sqlite(
    ledger: Ledger | None,
    file: str | Path,
    mapping: str | Path | None = None,
    *,
    dry_run: bool = False,
    progress: bool = True,
) -> Arrived:
    """Import the runs of a SQLite file, or what is new in it since it was imported last.

    The file is only read, as it is at one instant, and all that is new in it is checked before anything is written.

    Parameters
    ----------
    ledger : Ledger or None
        None for one that is still to be made: of a dry run only.
    file : str or Path
    mapping : str or Path, optional
        A TOML file that says which tables and columns hold what; by default the schema of this module's docstring.
    dry_run : bool
        Check and count only.
    progress : bool
        Whether to show a bar where it takes longer than about two seconds.

    Raises
    ------
    NotFoundError
        If there is no such file, or it lacks a table or a column.
    InvalidInputError
        If there is no ledger to write to, the file is no SQLite database, or a value in it cannot be what it is mapped
        to: its row and column are named.
    """
    if ledger is None and not dry_run:
        msg = "the ledger is None: give an open ledger, or dry_run=True."
        raise InvalidInputError(msg)
    layout = LEGACY if mapping is None else read_layout(mapping)
    with opened(Path(file), layout) as source:
        runs = source.runs()
        ids = [row["experiment_id"] for row in runs.values()]
        known = {} if ledger is None else there(ledger.engine, ids)
        fresh = [key for key, row in runs.items() if row["experiment_id"] not in known]
        marks = [-1 for _ in layout.points] if ledger is None else _marks(ledger.engine, ids, layout.points)
        settings, repeated = source.settings(runs)
        has = set() if ledger is None else settings_there(ledger.engine, ids)
        settings = [row for row in settings if (row["experiment_id"], row["name"]) not in has]
        # of runs that were over when they were imported, the results are there
        unsettled = {key: row for key, row in runs.items() if _unsettled(known.get(row["experiment_id"]))}
        results = list(source.results(unsettled))
        rows, points, strays = _counted(source, runs, marks, fresh)
        notes = _notes(repeated, strays)
        if ledger is None or dry_run:
            new = {"experiments": len(fresh), "hyperparameters": len(settings), "metrics": points + len(results)}
            if ledger is None:
                notes += ("there is no ledger yet: everything in the file would be new.",)
            return Arrived(source=str(file), runs=len(runs), new=new, notes=notes, dry_run=True)
        arrivals = Arrivals(engine=ledger.engine)
        arrivals.add("hyperparameters", *settings)
        with progress_bar("import", total=rows, enabled=progress and rows >= SLOW) as advance:
            for table, mark in zip(layout.points, marks, strict=True):
                for number, found in enumerate(source.points(table, runs, mark, fresh), 1):
                    arrivals.add("metrics", *found)
                    arrivals.write_full()
                    if number % SHOWN_EVERY == 0:
                        advance(table.table, SHOWN_EVERY)
        arrivals.add("metrics", *results)
        arrivals.add("experiments", *(runs[key] for key in fresh))
        arrivals.write()
        ended = end_runs(ledger.engine, known, runs.values())
    return Arrived(source=str(file), runs=len(runs), new=dict(arrivals.new), ended=ended, notes=notes)


def _marks(engine: Engine, ids: Sequence[str], tables: Sequence[PointTable]) -> list[int]:
    """Up to which rowid each table of metrics has been imported; -1 where nothing of it has."""
    if not ids:
        return [-1 for _ in tables]
    found = select_among(engine, "imported_positions", "experiment_id", ids)
    last = dict(zip(found["journal_id"], found["last_position"], strict=True))
    return [max((int(last[name]) for name in table.journals if name in last), default=-1) for table in tables]


def _counted(
    source: SqliteFile, runs: dict[object, Row], marks: Sequence[int], fresh: Sequence[object]
) -> tuple[int, int, int]:
    """Rows of the file to read, points in them, and rows of runs that are not there; everything is checked on the way.

    Raises
    ------
    InvalidInputError
        If a value cannot be what it is mapped to.
    """
    rows = points = strays = 0
    for table, mark in zip(source.layout.points, marks, strict=True):
        for found in source.points(table, runs, mark, fresh):
            rows, points = rows + 1, points + len(found)
        strays += source.strays(table)
    return rows, points, strays


def _unsettled(known: Mapping[str, Any] | None) -> bool:
    """Whether a run is new to the ledger, or was running when it was imported."""
    return known is None or known["status"] == RUNNING


def _notes(repeated: int, strays: int) -> tuple[str, ...]:
    notes = []
    if strays:
        notes.append(f"{counted(strays, 'row')} of metrics belong to no run of the file and were left out.")
    if repeated:
        notes.append(f"{counted(repeated, 'hyperparameter')} had another value before; the first one counts.")
    return tuple(notes)
