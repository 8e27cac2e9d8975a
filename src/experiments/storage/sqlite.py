"""Tables of a SQLite file of somebody else's: read only, by names that are in its schema."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.definitions import check_identifier
from experiments.errors import InvalidInputError, NotFoundError, first_line


@contextmanager
def opened(file: Path) -> Iterator[Tables]:
    """The tables of a file for as long as the block runs, as they are at its beginning.

    Raises
    ------
    NotFoundError
        If there is no such file.
    InvalidInputError
        If it is no SQLite database, or cannot be read as one.
    """
    if not file.is_file():
        msg = f"there is no file {file}: give a SQLite database."
        raise NotFoundError(msg)
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute("begin")  # one state of the file for all that is read
            yield Tables(connection=connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        msg = f"{file} cannot be read as a SQLite database: {first_line(error)}."
        raise InvalidInputError(msg) from error


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of an open file; every name is checked before it stands in a statement."""

    connection: sqlite3.Connection

    def names(self) -> list[str]:
        """Its tables and views, SQLite's own left out."""
        found = self.connection.execute("select name from sqlite_master where type in ('table', 'view')")
        return [name for (name,) in found if not name.startswith("sqlite_")]

    def columns(self, table: str) -> list[str]:
        """The columns of a table, in order."""
        return [name for (name,) in self.connection.execute("select name from pragma_table_info(?)", (table,))]

    def has_rowid(self, table: str) -> bool:
        """Whether it is a table whose rows have a rowid, which a view's have not."""
        (kind,) = self.connection.execute("select type from sqlite_master where name = ?", (table,)).fetchone()
        try:
            self.connection.execute(f"select rowid from {_quoted(table)} limit 0")  # noqa: S608  checked
        except sqlite3.OperationalError:
            return False
        return bool(kind == "table")

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        *,
        after: int = -(2**63),
        of: Mapping[str, Sequence[object]] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Rows of a table in the order of their rowid, with `rowid` and these columns.

        Parameters
        ----------
        table : str
        columns : sequence of str
        after : int
            Only rows with a greater rowid, and those named by `of`.
        of : mapping of str to sequence, optional
            A column, and its values in rows that are wanted whatever their rowid.
        """
        listed = ", ".join(_quoted(name) for name in columns)
        wanted = ["rowid > :after"]
        wanted += [f"{_quoted(name)} in (select value from json_each(:of_{name}))" for name in of or {}]  # noqa: S608
        sql = f"select rowid, {listed} from {_quoted(table)} where {' or '.join(wanted)} order by rowid"  # noqa: S608
        bound = {f"of_{name}": json.dumps([*values]) for name, values in (of or {}).items()} | {"after": after}
        names = ("rowid", *columns)
        for row in self.connection.execute(sql, bound):
            yield dict(zip(names, row, strict=True))

    def count_without(self, table: str, column: str, other: str, key: str) -> int:
        """How many rows of a table have in a column no key of another table."""
        sql = (
            f"select count(*) from {_quoted(table)} where {_quoted(column)} is null or "  # noqa: S608  checked
            f"{_quoted(column)} not in (select {_quoted(key)} from {_quoted(other)})"
        )
        return int(self.connection.execute(sql).fetchone()[0])


def _quoted(name: str) -> str:
    return f'"{check_identifier("the name in the SQLite file", name)}"'
