"""Upkeep of a ledger's tables: files compacted and cleared away, rows that belong to nothing removed."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from experiments.definitions import check_identifier
from experiments.errors import EngineError, first_line
from experiments.storage.files import Tended, last_written, tend, turn
from experiments.storage.sql_files import statement
from experiments.storage.table import commit, select, select_among

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from experiments.storage.engine import Engine

SWEPT = {
    "run_windows": ("orphaned_windows", ("commodity", "run_month"), "experiment_id"),
    "forecasts": ("orphaned_forecasts", ("commodity", "run_month"), "experiment_id"),
    "comparisons": ("orphaned_comparisons", ("commodity",), "family_id"),
    "standings": ("orphaned_standings", ("commodity",), "family_id"),
}
"""The tables that can hold rows of what was never finished: the statement that finds them, the partition, the id."""

_ORDER = dict.fromkeys(("run_windows", "forecasts"), "experiment_id")
"""What the rows of a partition lie in the order of, on Databricks: a partitioned table cannot be clustered."""

_ID = re.compile(r"[0-9a-f-]{1,64}")  # of UUIDs and families: what can stand in a statement as it is
_IDS_AT_ONCE = 500
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def tend_table(engine: Engine, table: str, *, retain_hours: int, dry_run: bool) -> Tended:
    """Compact a table and remove the files no version of the last hours needs; see `files.tend` for this machine.

    Raises
    ------
    EngineError
        If the engine refuses.
    """
    if engine.location is not None:
        return tend(engine.location / check_identifier("table", table), retain_hours=retain_hours, dry_run=dry_run)
    try:
        return _tend_managed(engine, check_identifier("table", table), retain_hours=retain_hours, dry_run=dry_run)
    except Exception as error:
        msg = f"the files of the table {table} cannot be looked after: {first_line(error)}"
        raise EngineError(msg) from error


def sweep(
    engine: Engine,
    table: str,
    *,
    is_old: Callable[[str], bool],
    quiet_since: dt.datetime,
    dry_run: bool,
) -> dict[tuple[str, ...], dict[str, int]]:
    """Remove the rows of a table whose evaluation or family was never finished.

    Parameters
    ----------
    engine : Engine
    table : str
        One of `SWEPT`.
    is_old : callable
        Whether what has this id is past being gone on with.
    quiet_since : datetime
        A partition that a file was added to since is left alone: its writer may be about to finish.
    dry_run : bool
        Whether only to count.

    Returns
    -------
    dict of (str, ...) to dict of str to int
        By partition and id, how many rows they are.
    """
    name, partition, key = SWEPT[table]
    parameters = {"month": f"{quiet_since:%Y-%m}"} if "run_month" in partition else {}
    found = [row for row in select(engine, name, **parameters).to_dict("records") if is_old(str(row[key]))]
    if not found:
        return {}
    written = _last_written(engine, table, partition)
    places: dict[tuple[str, ...], dict[str, int]] = {}
    for row in found:
        place, identity = tuple(str(row[column]) for column in partition), str(row[key])
        if _ID.fullmatch(identity) and written.get(place, quiet_since) <= quiet_since:
            places.setdefault(place, {})[identity] = int(row["n_rows"])
    if not dry_run:
        for place, ids in places.items():
            _remove(engine, table, dict(zip(partition, place, strict=True)), key, sorted(ids))
    return places


def unmake_families(engine: Engine, swept: Mapping[str, Sequence[str]]) -> None:
    """Take out the families that were finished just while their rows were swept: the next who asks makes them anew.

    Parameters
    ----------
    engine : Engine
    swept : mapping of str to sequence of str
        By commodity, the families whose rows were removed.
    """
    for commodity, ids in swept.items():
        late = select_among(engine, "known_families", "family_id", ids, commodity=commodity)["family_id"]
        if len(late):
            _remove(engine, "families", {"commodity": commodity}, "family_id", sorted(late))


def _remove(engine: Engine, table: str, place: Mapping[str, str], key: str, ids: Sequence[str]) -> None:
    """Remove the rows of these ids from one partition."""
    where = " and ".join(f"{column} = '{_literal(value)}'" for column, value in place.items())
    folder = None if engine.location is None else engine.location / table
    for first in range(0, len(ids), _IDS_AT_ONCE):
        listed = ", ".join(f"'{identity}'" for identity in ids[first : first + _IDS_AT_ONCE])
        sql = statement("upkeep", "remove_rows").format(table=table, partition=where, key=key, ids=listed)
        with turn(folder):
            commit(engine, sql)


def remove_models(engine: Engine, ids: Sequence[int]) -> None:
    """Remove rows of `models` by their numbers."""
    folder = None if engine.location is None else engine.location / "models"
    for first in range(0, len(ids), _IDS_AT_ONCE):
        listed = ", ".join(str(int(number)) for number in ids[first : first + _IDS_AT_ONCE])
        with turn(folder):
            commit(engine, statement("upkeep", "remove_models").format(ids=listed))


def _literal(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _last_written(engine: Engine, table: str, partition: Sequence[str]) -> dict[tuple[str, ...], dt.datetime]:
    if engine.location is not None:
        found = last_written(engine.location / table)
        return {place: _EPOCH + dt.timedelta(milliseconds=written) for place, written in found.items()}
    sql = statement("upkeep", "written_at").format(table=table, partition=", ".join(partition))
    rows = engine.spark.sql(sql).toPandas().to_dict("records")
    return {
        tuple(str(row[column]) for column in partition): row["written_at"].to_pydatetime().replace(tzinfo=dt.UTC)
        for row in rows
    }


def _tend_managed(engine: Engine, table: str, *, retain_hours: int, dry_run: bool) -> Tended:
    before = _n_files(engine, table)
    if dry_run:
        going = engine.spark.sql(_vacuum(table, retain_hours, " dry run")).toPandas()
        return Tended(files_before=before, files_after=None, n_removed=len(going), bytes_freed=None)
    order = f"\nzorder by ({_ORDER[table]})" if table in _ORDER else ""
    _optimize(engine, statement("upkeep", "optimize").format(table=table, order=order))
    engine.spark.sql(_vacuum(table, retain_hours, "")).toPandas()
    removed, freed = _vacuumed(engine, table)
    return Tended(files_before=before, files_after=_n_files(engine, table), n_removed=removed, bytes_freed=freed)


def _optimize(engine: Engine, sql: str) -> None:
    """Run it, again where a writer committed to the same files meanwhile."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception(lambda error: "DELTA_CONCURRENT" in str(error)),
        wait=wait_random_exponential(multiplier=1, max=30),
        stop=stop_after_attempt(5),
        reraise=True,
    )
    # only the path: its figures have NULLs where their type allows none, which Arrow refuses
    retrying(lambda: engine.spark.sql(sql).select("path").collect())


def _vacuum(table: str, retain_hours: int, dry_run: str) -> str:
    return statement("upkeep", "vacuum").format(table=table, hours=int(retain_hours), dry_run=dry_run)


def _n_files(engine: Engine, table: str) -> int:
    return int(engine.spark.sql(f"describe detail {table}").collect()[0]["numFiles"])


def _vacuumed(engine: Engine, table: str) -> tuple[int, int | None]:
    """What the newest vacuum in a table's history says it removed, where it says so."""
    removed, freed = 0, None
    with suppress(Exception):  # a history that tells nothing is no failure of what was done
        for entry in engine.spark.sql(f"describe history {table} limit 2").collect():
            told = entry["operationMetrics"] or {}
            removed = int(told.get("numDeletedFiles", removed))
            freed = int(told["sizeOfDataToDelete"]) if "sizeOfDataToDelete" in told else freed
    return removed, freed
