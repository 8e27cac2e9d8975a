"""What breaks a constraint is refused, whichever engine made the table and whichever writes to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contract.content import SCHEMAS
from experiments.storage import sql_files
from experiments.storage.arrow import arrow_table
from experiments.storage.table import _source, commit
from made import ROWS, put, versions
from violating import ALLOWED, REFUSED, REQUIRED, VIOLATIONS, engine_of, fresh_row, insert, merge, refused_by, update

if TYPE_CHECKING:
    from contract.content import Twins
    from experiments.services.ledger import Ledger

pytestmark = [pytest.mark.engine, pytest.mark.spark]


def alone(table: str) -> str:
    """A required column that no other constraint mentions, and no map: Sail does not take a bare null for one."""
    others = " ".join(text for name, text in sql_files.checks(table).items() if name != "required_present")
    maps = {column.name for column in sql_files.columns(table) if column.type.startswith("map")}
    return [name for one, name in REQUIRED if one == table and name not in maps and name not in others][-1]


CASES = {key: changes[0] for key, changes in VIOLATIONS.items()} | {
    (table, "required_present"): {alone(table): None} for table in ROWS
}
"""One change to a valid row for each constraint."""


def refuses(ledger: Ledger, write: Any, table: str, constraint: str, change: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=REFUSED) as caught:
        write(engine_of(ledger), table, change if write is update else fresh_row(table, change))
    assert refused_by(caught.value, constraint), str(caught.value)


@pytest.mark.parametrize(("table", "constraint"), CASES)
def test_what_sail_writes_into_sparks_tables_is_refused(twins: Twins, table: str, constraint: str) -> None:
    """What Sail made and writes is tests/storage/test_constraints.py."""
    ledger = twins["spark", "sail"]
    before = versions(ledger)
    for write in (insert, update, merge):
        refuses(ledger, write, table, constraint, CASES[table, constraint])
    assert versions(ledger) == before


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("maker", SCHEMAS)
def test_what_spark_writes_is_refused(twins: Twins, maker: str, table: str) -> None:
    """One constraint of each table, written to as the program writes; into one table all ways."""
    ledger = twins[maker, "spark"]
    before = versions(ledger)
    for write in (insert, update, merge) if table == "model_runs" else (merge,):
        refuses(ledger, write, table, "required_present", CASES[table, "required_present"])
    assert versions(ledger) == before


@pytest.mark.parametrize("table", ROWS)
def test_spark_finds_every_violation_and_no_other(twins: Twins, table: str) -> None:
    """Of each constraint; that the tables have it, and that what is found is refused, is tested beside this."""
    engine, checks = engine_of(twins["spark", "spark"]), sql_files.checks(table)
    broken = [(name, change) for (one, name), changes in VIOLATIONS.items() if one == table for change in changes]
    broken += [("", {name: None}) for one, name in REQUIRED if one == table]  # by whichever constraint mentions it
    allowed = [{}, *ALLOWED[table]]
    rows = arrow_table(table, [fresh_row(table, change) for change in [*allowed, *(change for _, change in broken)]])
    named = ", ".join(f"({check}) is not true as {name}" for name, check in checks.items())
    with _source(engine, rows) as source:
        answers = engine.spark.sql(f"select {named} from {source}").toArrow().to_pylist()  # noqa: S608  this program's own
    violated = [{name for name, answer in row.items() if answer} for row in answers]
    assert violated[: len(allowed)] == [set()] * len(allowed)
    for (constraint, change), found in zip(broken, violated[len(allowed) :], strict=True):
        assert constraint in found if constraint else found, change


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("maker", SCHEMAS)
def test_the_files_hold_every_constraint_word_for_word(twins: Twins, maker: str, table: str) -> None:
    made = twins[maker, maker]
    log = sorted((made.path / made.schema / table / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in log[0].read_text().splitlines()]
    stated = next(action["metaData"]["configuration"] for action in actions if "metaData" in action)
    found = {name.removeprefix("delta.constraints."): text for name, text in stated.items() if "constraints" in name}
    assert found == sql_files.checks(table)


@pytest.mark.parametrize(("maker", "writer"), [("spark", "spark"), ("sail", "spark"), ("spark", "sail")])
def test_what_is_allowed_is_taken(twins: Twins, maker: str, writer: str) -> None:
    """And taken out again: the ledgers stay as they were filled."""
    ledger = twins[maker, writer]
    rows = [
        fresh_row("model_runs", {"evaluation_key": str(n)} | change) for n, change in enumerate(ALLOWED["model_runs"])
    ]
    assert put(ledger, "model_runs", *rows) == len(rows)
    commit(engine_of(ledger), "delete from model_runs where experiment_id = 'another'")


def test_the_same_schema_elsewhere_is_refused(twins: Twins, tmp_path: Any) -> None:
    from experiments.errors import EngineError
    from experiments.services.ledger import connect

    taken = twins["sail", "spark"]
    with pytest.raises(EngineError, match=rf"the schema {taken.schema} of this Spark session holds the ledger at"):
        connect(tmp_path, schema=taken.schema, engine="spark")
    assert list(tmp_path.iterdir()) == []
