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

WAYS = [("spark", "spark"), ("sail", "spark"), ("spark", "sail")]
"""Who made the table, and who writes to it; what Sail made and writes is tests/storage/test_constraints.py."""


def alone(table: str) -> str:
    """A required column that no other constraint mentions."""
    others = " ".join(text for name, text in sql_files.checks(table).items() if name != "required_present")
    return [name for one, name in REQUIRED if one == table and name not in others][-1]


CASES = {key: changes[0] for key, changes in VIOLATIONS.items()} | {
    (table, "required_present"): {alone(table): None} for table in ROWS
}
"""One change to a valid row for each constraint."""


@pytest.fixture(params=WAYS, ids=["-".join(way) for way in WAYS])
def ledger(request: pytest.FixtureRequest, twins: Twins) -> Ledger:
    return twins[request.param]


def ways_to_write(ledger: Ledger, constraint: str) -> tuple[Any, ...]:
    """All; by Spark into Sail's tables all with one constraint of each table, and the others as the program writes."""
    is_sails = (engine_of(ledger).name, ledger.schema) == ("spark", SCHEMAS["sail"])
    return (merge,) if is_sails and constraint != "required_present" else (insert, update, merge)


def refuses(ledger: Ledger, write: Any, table: str, constraint: str, change: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=REFUSED) as caught:
        write(engine_of(ledger), table, change if write is update else fresh_row(table, change))
    assert refused_by(caught.value, constraint), str(caught.value)


@pytest.mark.parametrize(("table", "constraint"), CASES)
def test_a_violation_is_refused_on_every_way_to_write(ledger: Ledger, table: str, constraint: str) -> None:
    before = versions(ledger)
    for write in ways_to_write(ledger, constraint):
        refuses(ledger, write, table, constraint, CASES[table, constraint])
    assert versions(ledger) == before


@pytest.mark.parametrize("table", ROWS)
def test_every_required_column_refuses_null(twins: Twins, table: str) -> None:
    """By whichever constraint mentions it; that the tables have them, and that they refuse, is tested beside this."""
    engine = engine_of(twins["spark", "spark"])
    changes: list[dict[str, Any]] = [{name: None} for one, name in REQUIRED if one == table]
    rows = arrow_table(table, [fresh_row(table, change) for change in [{}, *changes]])
    keeps = " and ".join(f"({check})" for check in sql_files.checks(table).values())
    with _source(engine, rows) as source:
        kept = engine.spark.sql(f"select * from {source} where {keeps}").toArrow()  # noqa: S608  this program's own
    assert kept.num_rows == 1
    assert not [name for one, name in REQUIRED if one == table and kept[name].null_count]  # the one unbroken


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("maker", ["sail", "spark"])
def test_the_files_hold_every_constraint_word_for_word(twins: Twins, maker: str, table: str) -> None:
    made = twins[maker, maker]
    log = sorted((made.path / made.schema / table / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in log[0].read_text().splitlines()]
    stated = next(action["metaData"]["configuration"] for action in actions if "metaData" in action)
    found = {name.removeprefix("delta.constraints."): text for name, text in stated.items() if "constraints" in name}
    assert found == sql_files.checks(table)


def test_what_is_allowed_is_taken(ledger: Ledger) -> None:
    """And taken out again: the ledgers stay as they were filled."""
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
