"""Rows of this process as Arrow tables, typed as the SQL files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError
from experiments.storage.sql_files import Column, columns

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]


def arrow_schema(of: Sequence[Column]) -> pa.Schema:
    """The Arrow types of columns."""
    import pyarrow as pa

    simple = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    types = simple | {
        **{f"array<{kind}>": pa.list_(simple[kind]) for kind in ("string", "double", "bigint")},
        **{f"map<string, {kind}>": pa.map_(pa.string(), simple[kind]) for kind in ("string", "boolean", "double")},
    }
    return pa.schema([(column.name, types[column.type]) for column in of])


def arrow_table(table: str, rows: Sequence[Row]) -> pa.Table:
    """Rows as the table takes them: every column that is not generated, NULL where a row has none.

    Raises
    ------
    InvalidInputError
        If a row has a column the table has not.
    """
    import pyarrow as pa

    given = [column for column in columns(table) if not column.generated]
    known = {column.name for column in given}
    for row in rows:
        if not known.issuperset(row):
            extra = min(set(row) - known)
            msg = f"{table} has no column {extra!r}; it has {', '.join(column.name for column in given)}."
            raise InvalidInputError(msg)
    schema = arrow_schema(given)
    cells = {field.name: pa.array(_column(rows, field), type=field.type) for field in schema}
    return pa.Table.from_pydict(cells)


def _column(rows: Sequence[Row], field: pa.Field) -> list[Any]:
    """The values of a column, maps as Arrow takes them."""
    import pyarrow as pa

    values = [row.get(field.name) for row in rows]
    if not pa.types.is_map(field.type):
        return values
    return [list(value.items()) if isinstance(value, Mapping) else value for value in values]
