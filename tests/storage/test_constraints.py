"""Every CHECK and every NOT NULL column, on every way to write, on a table just made and on one adopted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import ROWS, put
from violating import ALLOWED, REFUSED, REQUIRED, VIOLATIONS, engine_of, fresh_row, insert, merge, refused_by, update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", params=["made", "adopted"])
def stocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger with one valid row in each table: its tables just made, or adopted from an earlier session."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "adopted":
        connect(folder).close()
    with connect(folder) as ledger:
        assert bool(ledger.created) == (request.param == "made")
        for table, row in ROWS.items():
            put(ledger, table, row())
        yield ledger


def contents(ledger: Ledger, table: str) -> list[str]:
    return sorted(map(str, engine_of(ledger).spark.table(table).toArrow().to_pylist()))


def test_every_constraint_of_every_table_is_tried() -> None:
    written = {
        (table, name)
        for table in sql_files.names("tables")
        for name in re.findall(r"delta\.constraints\.(\w+)", sql_files.statement("tables", table))
    }
    assert written == set(VIOLATIONS)
    assert {table for table, _ in REQUIRED} == set(sql_files.names("tables"))


@pytest.mark.parametrize(("table", "constraint"), VIOLATIONS)
def test_what_violates_is_refused_on_every_way_to_write(stocked: Ledger, table: str, constraint: str) -> None:
    engine, before = engine_of(stocked), contents(stocked, table)
    changes = VIOLATIONS[table, constraint]
    merged = changes[:1] if stocked.created else changes  # on an adopted table the engine would forget
    tries = [(insert, changes[0]), (update, changes[0]), *((merge, change) for change in merged)]
    for write, change in tries:
        with pytest.raises(Exception, match=REFUSED) as caught:
            write(engine, table, change if write is update else fresh_row(table, change))
        assert refused_by(caught.value, constraint)
    assert contents(stocked, table) == before


@pytest.mark.parametrize("table", ROWS)
def test_a_required_column_refuses_null(stocked: Ledger, table: str) -> None:
    before = contents(stocked, table)
    write = insert if stocked.created else merge
    for column in [name for one, name in REQUIRED if one == table]:
        with pytest.raises(Exception, match=REFUSED):
            write(engine_of(stocked), table, fresh_row(table, {column: None}))
    assert contents(stocked, table) == before


@pytest.mark.parametrize("table", ROWS)
def test_rows_within_the_constraints_are_taken(stocked: Ledger, table: str) -> None:
    for position, change in enumerate(ALLOWED[table]):
        row = fresh_row(table, {})
        for key in ("experiment_id", "evaluation_key", "backtest_id", "environment_id"):
            if key in row:
                row[key] = f"allowed {position}"
        assert put(stocked, table, row | change) == 1
