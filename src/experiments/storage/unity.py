"""What only Unity Catalog has: primary keys, tags and clustering, from the files of `sql/databricks`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.errors import first_line
from experiments.storage.sql_files import names, statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.storage.engine import Engine

_THERE_ALREADY = ("already exists", "ALREADY_EXISTS")


@dataclass(frozen=True, kw_only=True)
class Applied:
    """Which files of `sql/databricks` were applied, by kind and name such as "keys/forecasts".

    Attributes
    ----------
    done : tuple of str
        Applied now.
    there : tuple of str
        Nothing was to do.
    refused : dict of str to str
        Why the engine refused, by file.
    """

    done: tuple[str, ...]
    there: tuple[str, ...]
    refused: dict[str, str]


def apply_files(engine: Engine) -> Applied:
    """Apply the files of `sql/databricks` that are not applied yet; one that is refused does not stop the rest.

    Two at once, or one after another, end the same.
    """
    done, there, refused = [], [], {}
    for kind, ask in _THERE.items():
        known: set[str] = set()
        with suppress(Exception):  # who may not look applies them again, which changes nothing
            known = ask(engine)
        for name in names(f"databricks/{kind}"):
            file = f"{kind}/{name}"
            if name in known:
                there.append(file)
                continue
            try:
                engine.spark.sql(statement(f"databricks/{kind}", name))
            except Exception as error:  # noqa: BLE001  of whatever kind: who may not do this may do the rest
                if any(mark in str(error) for mark in _THERE_ALREADY):  # another was faster
                    there.append(file)
                else:
                    refused[file] = first_line(error)
            else:
                done.append(file)
    return Applied(done=tuple(done), there=tuple(there), refused=refused)


def _keys(engine: Engine) -> set[str]:
    return {row["table_name"] for row in engine.spark.sql(statement("upkeep", "keys_there")).collect()}


def _tags(engine: Engine) -> set[str]:
    return {row["tagged"] for row in engine.spark.sql(statement("upkeep", "tags_there")).collect()}


def _clustered(engine: Engine) -> set[str]:
    found = set()
    for table in names("databricks/clustering"):
        with suppress(Exception):  # as above
            if engine.spark.sql(f"describe detail {table}").collect()[0]["clusteringColumns"]:
                found.add(table)
    return found


_THERE: dict[str, Callable[[Engine], set[str]]] = {"keys": _keys, "tags": _tags, "clustering": _clustered}
"""What is there already, by kind."""
