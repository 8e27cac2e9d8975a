"""The files of `sql/databricks`: what they say, and applying them to a session that stands in for a workspace's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.services import evidence, recorder
from experiments.services.tracking import rows as tracking
from experiments.storage import catalog, sql_files
from experiments.storage.engine import Engine
from experiments.storage.sql_files import columns, names, statement
from experiments.storage.unity import apply_files
from made import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("keys", "tags", "clustering")
KEY = re.compile(r"alter table (\w+) add constraint (\w+) primary key \(([\w, ]+)\)( rely)?")
OTHER_KEYS = {"model_runs": ("experiment_id",)}
"""Where the specification names another key than the one the code merges on; both are unique."""
PARTITIONS = {table: "\npartitioned by (" in statement("tables", table) for table in names("tables")}
ROLES = Path(__file__).parents[2] / "docs" / "roles.md"
PEOPLE = {"datasets.created_by", "decisions.decided_by", "experiments.run_by", "model_runs.run_by", "models.created_by"}


def code(kind: str, name: str) -> str:
    return "\n".join(line for line in statement(kind, name).splitlines() if not line.startswith("--")).strip()


@pytest.mark.parametrize("kind", ["upkeep", *(f"databricks/{kind}" for kind in KINDS)])
def test_each_file_holds_one_statement_and_says_first_what_for(kind: str) -> None:
    for name in names(kind):
        text = statement(kind, name)
        assert text.startswith("-- "), name
        assert text.endswith("\n"), name
        assert ";" not in code(kind, name), name
        assert not {"drop", "truncate", "overwrite"} & set(code(kind, name).lower().split()), name


def test_every_table_has_its_key_and_it_is_the_one_the_code_merges_on() -> None:
    assert names("databricks/keys") == names("tables")
    assert KEYS["schema_version"] == catalog.VERSIONS_KEY
    for table in names("tables"):
        found = KEY.fullmatch(code("databricks/keys", table))
        assert found is not None, table
        assert (found[1], found[2]) == (table, f"{table}_key")
        assert tuple(found[3].split(", ")) == OTHER_KEYS.get(table, KEYS[table])
        required = {column.name for column in columns(table) if column.required}
        assert required >= set(KEYS[table]), table


def test_runners_are_granted_what_runs_write_and_nothing_that_decides() -> None:
    granted = re.findall(r"grant modify on table CATALOG\.SCHEMA\.(\w+) to `(\w+)`", ROLES.read_text())
    of_runners = [table for table, role in granted if role == "RUNNERS"]
    assert of_runners == sorted(recorder.KEYS.keys() | evidence.KEYS.keys() | tracking.KEYS.keys() | {"models"})


def test_no_key_is_relied_on_and_each_file_says_why() -> None:
    for table in names("tables"):
        assert not code("databricks/keys", table).endswith(" rely")
        assert "Not RELY" in statement("databricks/keys", table).splitlines()[0]


def test_every_table_is_tagged_and_so_is_each_column_that_names_people() -> None:
    tagged = {name for name in names("databricks/tags") if "." not in name}
    assert tagged == set(names("tables"))
    assert {name for name in names("databricks/tags") if "." in name} == PEOPLE
    every = [f"{table}.{column.name}" for table in names("tables") for column in columns(table)]
    by = {name for name in every if name.endswith("_by")}
    assert by - PEOPLE == {"schema_version.applied_by"}  # a version of the program
    for name in names("databricks/tags"):
        table, _, column = name.partition(".")
        assert f"alter table {table} " in code("databricks/tags", name)
        assert not column or f"alter column {column} set tags" in code("databricks/tags", name)


def test_only_tables_without_partitions_are_clustered() -> None:
    for table in names("databricks/clustering"):
        assert not PARTITIONS[table]
        assert code("databricks/clustering", table).startswith(f"alter table {table} cluster by (")


class Answer:
    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    def collect(self) -> tuple[dict[str, Any], ...]:
        return self.rows


class Workspace:
    """Stands in for a session: keeps what is applied, answers what is there, refuses what it is told to."""

    def __init__(self, refuse: Callable[[str], str | None] = lambda _: None) -> None:
        self.refuse = refuse
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.clustered = False
        self.said: list[str] = []

    def sql(self, text: str) -> Answer:
        if (why := self.refuse(text)) is not None:
            raise RuntimeError(why)
        if "information_schema.table_constraints" in text:
            return Answer(*({"table_name": name} for name in self.keys))
        if "information_schema.table_tags" in text:
            return Answer(*({"tagged": name} for name in self.tags))
        if text.startswith("describe detail"):
            return Answer({"clusteringColumns": ["environment_id"] if self.clustered else []})
        self.said.append(text)
        table = text.partition("alter table ")[2].split()[0]
        if "primary key" in text:
            if table in self.keys:
                raise RuntimeError(f"[DELTA_PRIMARY_KEY_ALREADY_EXISTS] {table}_key already exists")
            self.keys.add(table)
        elif "set tags" in text:
            column = text.partition("alter column ")[2].split()[:1]
            self.tags.add(".".join([table, *column]))
        else:
            self.clustered = True
        return Answer()


def engine(session: Workspace) -> Engine:
    return Engine(name="databricks", session=session, location=None, close=lambda: None)  # type: ignore[arg-type]


EVERY = [f"{kind}/{name}" for kind in KINDS for name in names(f"databricks/{kind}")]


def test_all_are_applied_once() -> None:
    session = Workspace()
    first = apply_files(engine(session))
    assert (list(first.done), first.there, first.refused) == (EVERY, (), {})
    assert len(session.said) == len(EVERY)
    again = apply_files(engine(session))
    assert (again.done, list(again.there), again.refused) == ((), EVERY, {})
    assert len(session.said) == len(EVERY)


def test_where_nobody_may_look_what_is_there_is_no_error() -> None:
    session = Workspace()
    apply_files(engine(session))
    session.refuse = lambda text: "no such schema" if "information_schema" in text or "describe" in text else None
    again = apply_files(engine(session))
    assert again.refused == {}
    assert [file for file in again.there if file.startswith("keys/")] == [f for f in EVERY if f.startswith("keys/")]


def test_who_may_not_is_told_and_the_rest_is_done() -> None:
    session = Workspace(lambda text: "[PERMISSION_DENIED] needs APPLY TAG\nat x" if "set tags" in text else None)
    found = apply_files(engine(session))
    assert set(found.refused) == {file for file in EVERY if file.startswith("tags/")}
    assert set(found.refused.values()) == {"[PERMISSION_DENIED] needs APPLY TAG"}
    assert set(found.done) == set(EVERY) - set(found.refused)


def test_the_wheel_finds_files_in_folders() -> None:
    assert (sql_files.sql_root() / "databricks" / "keys" / "forecasts.sql").is_file()
