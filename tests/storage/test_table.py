"""Rows in, frames out: merges on the key, names that could be SQL, compaction, and what the ledger refuses to run."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.services.ledger import connect
from experiments.services.recorder import KEYS, PINS
from experiments.storage import catalog, files, sql_files, table
from experiments.storage.table import merge_new, rows_with_key, select_among
from made import backtest_row, counts, environment_row, forecast_row, put, rows_of, run_row, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger
    from experiments.storage.engine import Engine

pytestmark = pytest.mark.engine

ODD_NAMES = [
    "Robert'); drop table model_runs; --",
    'double "quotes" and \\ backslash',
    "Käse 日本 🛢️",
    "a=b, c='d'",
    "' or '1'='1",
    " padded ",
    "line\nbreak",
    "%2F..{0}{table}",
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for tests that keep to their own commodity."""
    with connect(tmp_path_factory.mktemp("table")) as ledger:
        yield ledger


@pytest.fixture
def engine(shared: Ledger) -> Engine:
    assert shared._engine is not None
    return shared._engine


def test_rows_that_are_there_stay_as_they_are(shared: Ledger) -> None:
    row = run_row(commodity="Merged", mae_14day=1.0)
    assert put(shared, "model_runs", row) == 1
    assert put(shared, "model_runs", row | {"mae_14day": 2.0}) == 0
    assert put(shared, "model_runs", row, run_row(commodity="Merged", mae_14day=3.0)) == 1
    assert sorted(one["mae_14day"] for one in rows_of(shared, "model_runs", "commodity = 'Merged'")) == [1.0, 3.0]


def test_of_two_rows_with_one_key_the_first_counts(shared: Ledger) -> None:
    row = run_row(commodity="Twice", mae_14day=1.0)
    assert put(shared, "model_runs", row, row | {"mae_14day": 2.0}) == 1
    assert [one["mae_14day"] for one in rows_of(shared, "model_runs", "commodity = 'Twice'")] == [1.0]


def test_a_key_of_several_columns_needs_all_of_them(shared: Ledger) -> None:
    rows = [forecast_row(commodity="Key", experiment_id=one, step=step) for one in "ab" for step in (1, 2)]
    assert put(shared, "forecasts", *rows) == 4
    assert put(shared, "forecasts", *rows, forecast_row(commodity="Key", experiment_id="a", step=3)) == 1


def test_no_rows_make_no_commit(shared: Ledger) -> None:
    before = versions(shared)
    assert put(shared, "model_runs") == 0
    assert versions(shared) == before


def test_rows_of_one_call_are_one_commit_over_all_their_partitions(shared: Ledger) -> None:
    before = versions(shared)["model_runs"]
    months = [dt.datetime(2024, month, 1, tzinfo=dt.UTC) for month in range(1, 7)]
    assert put(shared, "model_runs", *(run_row(commodity="Months", run_timestamp=when) for when in months)) == 6
    assert versions(shared)["model_runs"] == before + 1


def test_an_unknown_column_is_named(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="environments has no column 'pakages'; it has environment_id, "):
        merge_new(engine, "environments", [environment_row(pakages={})], key=("environment_id",))


def test_a_generated_column_is_not_given(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="model_runs has no column 'run_month'"):
        merge_new(engine, "model_runs", [run_row(run_month="2025-01")], key=("evaluation_key",))


def test_names_of_tables_and_columns_must_be_identifiers(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="not an identifier"):
        rows_with_key(engine, "model_runs; drop", "experiment_id", ["a"])
    with pytest.raises(InvalidInputError, match="not an identifier"):
        rows_with_key(engine, "model_runs", "experiment_id = '' or 1", ["a"])


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_a_name_is_a_value_whatever_it_looks_like(shared: Ledger, engine: Engine, name: str) -> None:
    run = run_row(commodity=name, unique_id=name, model_name=name)
    definition = backtest_row(commodity=name, backtest_id=name)
    assert [put(shared, "model_runs", run) for _ in range(2)] == [1, 0]
    assert [put(shared, "backtests", definition) for _ in range(2)] == [1, 0]
    found = select_among(engine, "recorded_runs", "evaluation_key", [run["evaluation_key"]], commodity=name)
    assert found["experiment_id"].tolist() == [run["experiment_id"]]
    assert [row["model_name"] for row in rows_with_key(engine, "model_runs", "model_name", [name])] == [name]


def test_odd_names_are_all_that_came_of_them(shared: Ledger) -> None:
    put(shared, "model_runs", *(run_row(commodity=name, model_name="together") for name in ODD_NAMES))
    assert set(ODD_NAMES) <= set(shared.commodities())
    assert set(shared.sql("show tables")["tableName"]) == {*sql_files.names("tables"), *sql_files.names("views")}


def test_a_long_text_is_kept_whole(shared: Ledger) -> None:
    row = run_row(commodity="Long", notes="ä" * 5000, model_name="m" * 5000)
    put(shared, "model_runs", row)
    stored = rows_of(shared, "model_runs", "commodity = 'Long'")[0]
    assert (stored["notes"], stored["model_name"]) == (row["notes"], row["model_name"])


def test_two_sessions_see_each_others_commits(tmp_path: Any) -> None:
    with connect(tmp_path) as one, connect(tmp_path) as other:
        for writer, reader in ((one, other), (other, one), (one, other)):
            put(writer, "model_runs", run_row())
            assert counts(reader) == counts(writer)
        row = run_row()
        assert put(one, "model_runs", row) == 1
        assert put(other, "model_runs", row) == 0


def test_rows_with_key_finds_many_and_none(shared: Ledger, engine: Engine) -> None:
    rows = [run_row(commodity="Many") for _ in range(5)]
    put(shared, "model_runs", *rows)
    asked = [row["experiment_id"] for row in rows[:3]] + ["not there"]
    found = rows_with_key(engine, "model_runs", "experiment_id", asked)
    assert {row["experiment_id"] for row in found} == set(asked[:3])
    assert rows_with_key(engine, "model_runs", "experiment_id", ["not there"]) == []


def test_temporary_views_are_gone_afterwards(shared: Ledger) -> None:
    put(shared, "model_runs", run_row())
    assert shared.sql("show tables")["tableName"].tolist().count("source") == 0
    assert not [name for name in shared.sql("show tables")["tableName"] if name.startswith("source_")]


class TestCompaction:
    @pytest.fixture
    def often(self, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setattr(table, "COMPACT_EVERY", 8)
        return 8

    def test_many_small_files_become_few_and_rows_stay(self, ledger: Ledger, often: int) -> None:
        from deltalake import DeltaTable

        rows = [run_row(hyperparameters={"n": str(n)}) for n in range(often + 1)]
        folder = ledger.path / "experiments" / "model_runs"
        files = []
        for row in rows:
            put(ledger, "model_runs", row)
            files.append(len(DeltaTable(str(folder)).file_uris()))
        assert max(files) >= often - 2
        assert files[-1] <= 3
        assert (folder / "_delta_log" / "_last_checkpoint").is_file()
        assert list((folder / "_delta_log").glob("*.checkpoint.parquet"))
        stored = rows_of(ledger, "model_runs")
        assert {row["experiment_id"]: dict(row["hyperparameters"]) for row in stored} == {
            row["experiment_id"]: row["hyperparameters"] for row in rows
        }

    def test_a_compacted_table_is_adopted_and_still_checked(self, ledger: Ledger, often: int) -> None:
        rows = [run_row() for _ in range(often + 2)]
        for row in rows:
            put(ledger, "model_runs", row)
        with connect(ledger.path) as again:
            assert again.created == ()
            assert put(again, "model_runs", *rows) == 0
            assert put(again, "model_runs", run_row()) == 1
            with pytest.raises(Exception, match="status_known"):
                put(again, "model_runs", run_row(status="guessed"))
            assert counts(again)["model_runs"] == often + 3

    def test_a_faster_writer_is_left_alone(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError

        def fail(*_: Any, **__: Any) -> None:
            msg = "somebody else committed"
            raise CommitFailedError(msg)

        monkeypatch.setattr(DeltaTable, "create_checkpoint", fail)
        put(ledger, "model_runs", run_row())
        files.compact(ledger.path / "experiments" / "model_runs")
        assert counts(ledger)["model_runs"] == 1


QUERIES = [
    "select 1 as one",
    "SELECT 1 as one;",
    "with a as (select 1 as one) select * from a",
    "-- a remark\nselect 1 as one -- and another",
    "/* a remark */ select 1 as one",
    "(select 1 as one)",
    "values (1)",
    "select ';' as semicolon",
    "select 'drop table model_runs' as text",
    "show tables",
    "SHOW TABLES;",
    "describe table model_runs",
    "select count(*) as n from commodity.experiments.model_runs",
    "select 1 as one union all select 2",
]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_answered(shared: Ledger, query: str) -> None:
    assert len(shared.sql(query)) >= 1


REFUSED = [
    "drop table model_runs",
    "drop view leaderboard",
    "DROP SCHEMA experiments CASCADE",
    "truncate table model_runs",
    "insert into environments (environment_id) values ('x')",
    "insert overwrite environments select * from environments",
    "update model_runs set notes = 'x'",
    "delete from model_runs",
    "merge into model_runs as t using model_runs as s on t.experiment_id = s.experiment_id when matched then delete",
    "create table hole (a int) using delta",
    "create table hole as select 1 as a",
    "create or replace view leaderboard as select 1 as a",
    "create or replace temporary view leaderboard as select 1 as a",
    "alter table model_runs add columns (a int)",
    "with a as (select * from model_runs) insert into model_runs select * from a",
    "select 1 as a; drop table model_runs",
    "select 1 as a; select 2 as b",
    "show tables; drop table model_runs",
    "describe table model_runs; delete from model_runs",
    "explain select 1; delete from model_runs",
    "explain analyze delete from model_runs",
    "explain analyze insert into model_runs select * from model_runs",
    "/* select */ drop table model_runs",
    "-- select\ndrop table model_runs",
    "select 1 as a) as q; drop table model_runs; select * from (select 1 as a",
    "select 1 as a) as q cross join (select 2 as b",
    "set spark.sql.session.timeZone = 'Europe/Berlin'",
    "use schema default",
    "cache table model_runs",
    "optimize model_runs",
    "vacuum model_runs",
    "this is not SQL",
    "",
    "   ;  ",
    "-- only a remark",
]


@pytest.mark.parametrize("query", REFUSED)
def test_anything_else_is_refused_and_changes_nothing(shared: Ledger, query: str) -> None:
    before = versions(shared)
    with pytest.raises(InvalidInputError, match=r"queries only|the query is empty"):
        shared.sql(query)
    assert versions(shared) == before


def test_nothing_was_made_or_lost_by_what_was_refused(shared: Ledger) -> None:
    put(shared, "model_runs", run_row(commodity="Kept"))
    before = counts(shared)
    for query in REFUSED:
        with contextlib.suppress(InvalidInputError):
            shared.sql(query)
    assert counts(shared) == before
    assert set(shared.sql("show tables")["tableName"]) == {*sql_files.names("tables"), *sql_files.names("views")}
    assert "verdict" in shared.sql("select * from leaderboard limit 1").columns


def test_an_error_in_a_query_is_told_in_one_line(shared: Ledger) -> None:
    with pytest.raises(InvalidInputError, match="mae_14") as caught:
        shared.sql("select mae_14 from model_runs")
    assert "\n" not in str(caught.value)


TEXTS = st.text(max_size=30)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
DATES = st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))


@st.composite
def model_run(draw: st.DrawFn) -> dict[str, Any]:
    start, end = sorted((draw(DATES), draw(DATES)))
    when = draw(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)))
    return {
        "experiment_id": str(uuid.uuid4()),
        "evaluation_key": str(uuid.uuid4()),
        "model_name": draw(TEXTS),
        "model_version": draw(TEXTS),
        "run_timestamp": when,
        "model_type": draw(TEXTS),
        "hyperparameters": draw(st.none() | st.dictionaries(TEXTS, st.none() | TEXTS, max_size=3)),
        "feature_config": draw(st.none() | st.dictionaries(TEXTS, st.none() | st.booleans(), max_size=3)),
        "training_start_date": start,
        "training_end_date": end,
        "forecast_horizon_days": draw(st.integers(1, 2**31 - 1)),
        "commodity": draw(st.sampled_from(["Coffee", "Käse", "it's"])),
        "dm_test_vs_naive": draw(NUMBERS),
        "cost_estimate_usd": draw(NUMBERS),
        "mae_14day": draw(st.none() | st.floats(0, 1e300)),
        "beats_baseline": draw(st.none() | st.booleans()),
        "notes": draw(st.none() | TEXTS),
        "unique_id": draw(TEXTS),
        "status": draw(st.sampled_from(["completed", "incomplete", "failed"])),
        "metrics_source": "computed",
        "random_seed": draw(st.none() | st.integers(-(2**31), 2**31 - 1)),
    }


def plain(value: Any) -> Any:
    """A cell as the row had it: NaN and NaT are NULL, times are aware."""
    if value is None or value != value:  # noqa: PLR0124  NaN
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime().replace(tzinfo=dt.UTC)
    if isinstance(value, float | int) and not isinstance(value, bool):
        return pytest.approx(value, rel=1e-12)  # the last bit is the next test's
    return value


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(model_run(), min_size=1, max_size=6))
def test_a_row_comes_back_as_it_went_in(shared: Ledger, engine: Engine, rows: list[dict[str, Any]]) -> None:
    assert merge_new(engine, "model_runs", rows, key=KEYS["model_runs"], pins=PINS["model_runs"]) == len(rows)
    assert merge_new(engine, "model_runs", rows, key=KEYS["model_runs"], pins=PINS["model_runs"]) == 0
    found_rows = rows_with_key(engine, "model_runs", "experiment_id", [row["experiment_id"] for row in rows])
    stored = {row["experiment_id"]: row for row in found_rows}
    assert len(found_rows) == len(rows)
    for row in rows:
        found = stored[row["experiment_id"]]
        assert found["run_month"] == f"{row['run_timestamp']:%Y-%m}"
        for column in sql_files.columns("model_runs"):
            if not column.generated:
                assert plain(found[column.name]) == plain(row.get(column.name)), column.name


@pytest.mark.parametrize("value", [36.159505490948476, 1304.0000451301373, -10.096181835387359, 0.1])
def test_a_number_alone_in_its_file_comes_back_to_the_last_bit(shared: Ledger, value: float) -> None:
    row = run_row(commodity="Exact", dm_test_vs_naive=value)
    put(shared, "model_runs", row)
    stored = rows_of(shared, "model_runs", f"commodity = 'Exact' and experiment_id = '{row['experiment_id']}'")
    assert stored[0]["dm_test_vs_naive"] == value


@pytest.mark.engine
def test_compactions_at_the_same_time_double_nothing(ledger: Ledger) -> None:
    """delta-rs does not notice a rival compaction: without the lock the rows of both stand in the table."""
    from concurrent.futures import ThreadPoolExecutor

    for number in range(8):
        put(ledger, "model_runs", run_row(experiment_id=str(number), evaluation_key=str(number)))
    folder = ledger.path / "experiments" / "model_runs"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: files.compact(folder), range(8)))
    assert counts(ledger)["model_runs"] == 8


@pytest.mark.engine
def test_what_a_checkpoint_replaces_of_the_log_goes_and_an_open_session_does_not_mind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog._SETTINGS, "delta.logRetentionDuration", "interval 0 seconds")
    monkeypatch.setattr(table, "COMPACT_EVERY", 4)
    with connect(tmp_path) as idle, connect(tmp_path) as busy:
        put(idle, "model_runs", run_row())
        for _ in range(16):
            put(busy, "model_runs", run_row())
        log = tmp_path / "experiments" / "model_runs" / "_delta_log"
        kinds = Counter(entry.suffix for entry in log.iterdir())
        assert not (log / f"{1:020}.json").exists()
        assert max(kinds[".json"], kinds[".crc"]) < 8
        assert counts(idle)["model_runs"] == 17
        assert put(idle, "model_runs", run_row()) == 1
        assert counts(busy)["model_runs"] == 18
    with connect(tmp_path) as again:
        assert (again.created, counts(again)["model_runs"]) == ((), 18)


def test_a_question_whose_answer_arrived_corrupt_is_asked_again_and_no_other() -> None:
    def ask(*errors: str) -> tuple[str, int]:
        waiting = list(errors)

        def answer() -> str:
            if waiting:
                raise RuntimeError(waiting.pop(0))
            return "heard"

        return table._heard(answer), len(waiting)

    assert ask() == ask("details = Exception deserializing response!") == ("heard", 0)
    with pytest.raises(RuntimeError, match="no such table"):
        ask("no such table", "")
