"""Maintenance: files few and small, rows of nothing gone, and nothing lost that anybody still needs."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.errors import EngineError, InvalidInputError
from experiments.identity import time_of, uuid7
from experiments.services import maintenance
from experiments.services.ledger import connect
from experiments.services.maintenance import check_retention, maintain
from experiments.storage import sql_files, upkeep
from made import (
    CONFIG,
    comparison_row,
    counts,
    family_row,
    forecast_row,
    put,
    put_losses,
    rows_of,
    run_row,
    standing_row,
    versions,
    window_row,
    windows,
)
from older import everything

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger
    from experiments.services.maintenance import Upkeep

NOW = dt.datetime.now(dt.UTC)
OLD, YOUNG = NOW - dt.timedelta(days=31), NOW - dt.timedelta(days=29)
LONG_AGO = time.time() - 3 * 3600


def by_table(done: list[Upkeep]) -> dict[str, Upkeep]:
    assert [one.error for one in done if one.error] == []
    return {one.table: one for one in done}


def begun(ledger: Ledger, when: dt.datetime, *, identity: str = "", commodity: str = "Coffee") -> str:
    """An evaluation that was interrupted after two windows, or that left windows and no forecasts."""
    identity = identity or uuid7(when)
    stamp = {"experiment_id": identity, "run_month": f"{when:%Y-%m}", "commodity": commodity}
    for day in (1, 2):
        cutoff = dt.date(2024, 1, day)
        put(ledger, "run_windows", window_row(**stamp, cutoff=cutoff, evaluation_key=f"key of {identity}"))
        put(ledger, "forecasts", forecast_row(**stamp, cutoff=cutoff, ds=dt.date(2024, 1, 5)))
    return identity


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep what was written just now too."""
    monkeypatch.setattr(maintenance, "_QUIET", dt.timedelta(0))


@pytest.mark.engine
def test_files_are_compacted_and_those_of_crashed_writers_go(ledger: Ledger) -> None:
    for _ in range(4):
        put(ledger, "model_runs", run_row())
    folder = ledger.path / "experiments" / "model_runs"
    partition = next(folder.glob("commodity=*/run_month=*"))
    written = next(partition.glob("*.parquet"))
    for name, age in (("part-left.parquet", LONG_AGO), ("part-under-way.parquet", time.time())):
        shutil.copy(written, partition / name)
        os.utime(partition / name, (age, age))
    left = (partition / "part-left.parquet").stat().st_size

    before = everything(ledger.path)
    told = by_table(maintain(ledger, retain_hours=1, dry_run=True))["model_runs"]
    assert (told.files_before, told.files_after, told.files_removed, told.bytes_freed) == (4, None, 1, left)
    assert everything(ledger.path) == before

    done = by_table(maintain(ledger, retain_hours=1))
    assert done.keys() == set(sql_files.names("tables"))
    told = done["model_runs"]
    assert (told.files_before, told.files_after, told.files_removed, told.bytes_freed) == (4, 1, 1, left)
    assert {path.name for path in partition.glob("part-*r*.parquet")} >= {"part-under-way.parquet"}
    assert not (partition / "part-left.parquet").exists()
    assert counts(ledger)["model_runs"] == 4
    # what compaction took out stays until it is old enough
    assert len(list(partition.glob("*.parquet"))) == 4 + 1 + 1
    assert put(ledger, "model_runs", run_row()) == 1
    with connect(ledger.path) as other:
        assert counts(other)["model_runs"] == 5

    logged = versions(ledger)
    again = by_table(maintain(ledger, retain_hours=1))
    assert {table: n for table, n in versions(ledger).items() if n != logged[table]}.keys() <= {"model_runs"}
    assert not any(one.files_removed or one.rows_swept for one in again.values())


@pytest.mark.engine
def test_rows_of_nothing_are_swept_and_no_others(
    ledger: Ledger, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = put_losses(ledger, "Coffee", {"naive": [2.0], "good": [1.0]}, naive=[2.0])
    old, young = begun(ledger, OLD), begun(ledger, YOUNG)
    quoted = begun(ledger, OLD, commodity="it's")
    foreign = begun(ledger, OLD, identity="brought by a caller")
    finished = begun(ledger, OLD)
    put(ledger, "model_runs", run_row(experiment_id=finished, run_timestamp=time_of(finished)))
    for family, table, row in (
        ("a-0", "families", family_row),
        ("a-0", "standings", standing_row),
        ("a-0", "comparisons", comparison_row),
        ("b-1", "standings", standing_row),
        ("b-2", "comparisons", comparison_row),
    ):
        put(ledger, table, row(family_id=family))
    before = counts(ledger)
    swept = {"run_windows": 4, "forecasts": 4, "standings": 1, "comparisons": 1}

    with monkeypatch.context() as patched:  # as it comes: what was written within a day is let be
        patched.setattr(maintenance, "_QUIET", dt.timedelta(days=1))
        assert not any(one.rows_swept for one in maintain(ledger))
    dry = by_table(maintain(ledger, dry_run=True))
    assert {table: one.rows_swept for table, one in dry.items() if one.rows_swept} == swept
    assert counts(ledger) == before

    done = by_table(maintain(ledger))
    assert {table: one.rows_swept for table, one in done.items() if one.rows_swept} == swept
    assert counts(ledger) == before | {table: before[table] - n for table, n in swept.items()}
    assert {old, quoted}.isdisjoint(row["experiment_id"] for row in rows_of(ledger, "forecasts"))
    kept = {row["experiment_id"] for row in rows_of(ledger, "run_windows")}
    assert kept == {young, foreign, finished, *ids.values()}
    assert {row["family_id"] for row in rows_of(ledger, "standings")} == {"a-0"}
    assert not any(one.rows_swept for one in maintain(ledger))


@pytest.mark.engine
def test_a_family_finished_while_its_rows_were_swept_is_made_anew(ledger: Ledger) -> None:
    put_losses(ledger, "Coffee", {"naive": [2.0] * 20, "good": [1.0, 1.5] * 10}, naive=[2.0] * 20)
    board = ledger.leaderboard("Coffee")
    before = counts(ledger)
    upkeep.unmake_families(ledger.engine, {"Coffee": [board["family_id"].iloc[0], "c-0"]})
    assert counts(ledger)["families"] == before["families"] - 1
    assert ledger.leaderboard("Coffee").shape == board.shape
    assert counts(ledger) == before


@pytest.mark.engine
def test_an_evaluation_is_gone_on_with_while_nothing_can_sweep_it(ledger: Ledger, at_once: None) -> None:
    late, still = begun(ledger, NOW - dt.timedelta(days=22)), begun(ledger, NOW - dt.timedelta(days=20))
    keys = [f"key of {identity}" for identity in (late, still)]
    assert ledger.recorder.unfinished("Coffee", keys) == {keys[1]: still}
    maintain(ledger)
    assert {row["experiment_id"] for row in rows_of(ledger, "run_windows")} == {late, still}


@pytest.mark.parametrize(("hours", "managed"), [(0, False), (-1, False), (167, True), (1.5, False)])
def test_readers_under_way_keep_their_files(hours: int, managed: bool) -> None:
    least = "168 on Databricks" if managed else "1 on this machine"
    with pytest.raises(InvalidInputError, match=f"--retain-hours is {hours}: give a whole number of at least {least}"):
        check_retention(hours, managed=managed)
    check_retention(168 if managed else 1, managed=managed)


@pytest.mark.engine
def test_a_table_that_fails_is_told_and_the_rest_is_looked_after(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(ledger.path / "experiments" / "backtests" / "_delta_log")
    (ledger.path / "experiments" / "backtests" / "_delta_log").mkdir()

    def fail(engine: object, table: str, **_: object) -> None:
        if table == "decisions":
            raise ZeroDivisionError
        return original(engine, table, **_)  # type: ignore[no-any-return, call-overload]

    original = upkeep.tend_table
    monkeypatch.setattr(maintenance, "tend_table", fail)
    done = {one.table: one for one in maintain(ledger)}
    assert "backtests cannot be looked after" in str(done["backtests"].error)
    assert done["decisions"].error == "ZeroDivisionError: ZeroDivisionError"
    assert sorted(table for table, one in done.items() if one.error) == ["backtests", "decisions"]


@pytest.mark.engine
def test_without_the_package_it_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(EngineError, match=r"looked after with deltalake: pip install 'experiment-ledger\[local\]'"):
        upkeep.tend_table(ledger.engine, "model_runs", retain_hours=1, dry_run=False)


MAINTAINER = """
import datetime as dt
import os
import signal
import sys

from experiments.services import maintenance
from experiments.services.ledger import connect
from experiments.storage import files, upkeep
from made import put, run_row

path, what = sys.argv[1], sys.argv[2]
maintenance._QUIET = dt.timedelta(0)
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if what == "killed after a compaction":
    files._drop_checksums = die
if what == "killed before clearing away":
    files._size = die
if what == "killed after a sweep":
    swept = upkeep.commit
    upkeep.commit = lambda *given: (swept(*given), die())
with connect(path) as ledger:
    if what == "writes":
        for number in range(12):
            put(ledger, "model_runs", run_row(model_name=f"new {number}"))
    else:
        done = [one for _ in range(2) for one in maintenance.maintain(ledger, retain_hours=1, progress=False)]
        assert not [one.error for one in done if one.error], done
"""


def started(path: Path, what: str) -> subprocess.Popen[str]:
    paths = [str(Path(sys.modules["made"].__file__ or "").parent), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", MAINTAINER, str(path), what],
        env={"PYTHONPATH": ":".join(paths), "PATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def littered(tmp_path: Path) -> Path:
    """A ledger of two evaluations, an interrupted one of long ago, many files, and one that a dead writer left."""
    path = tmp_path / "ledger"
    with connect(path) as ledger:
        for number in range(2):
            for results in windows(3):
                ledger.log_experiment(f"model {number}", results, CONFIG | {"n_windows": 3})
        begun(ledger, OLD)
        partition = next((path / "experiments" / "forecasts").glob("commodity=*/run_month=*"))
        shutil.copy(next(partition.glob("*.parquet")), partition / "left.parquet")
        os.utime(partition / "left.parquet", (LONG_AGO, LONG_AGO))
    return path


@pytest.mark.engine
def test_killed_on_the_way_the_next_ones_end_the_same_two_at_once_beside_a_writer(littered: Path) -> None:
    for how in ("killed after a sweep", "killed after a compaction", "killed before clearing away"):
        process = started(littered, how)
        told = process.communicate(timeout=120)[1]
        assert process.returncode == -signal.SIGKILL, told
    assert list(littered.rglob("left.parquet"))
    running = [started(littered, what) for what in ("maintains", "maintains", "writes")]
    all_told = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], all_told
    assert not list(littered.rglob("left.parquet"))
    with connect(littered) as ledger:
        found = counts(ledger)
        assert (found["run_windows"], found["forecasts"]) == (6, 6 * 14)
        names = [row["model_name"] for row in rows_of(ledger, "model_runs")]
        assert sorted(names) == sorted([*(f"model {n}" for n in range(2)), *(f"new {n}" for n in range(12))])
        assert len(ledger.leaderboard("Coffee")) == 3
