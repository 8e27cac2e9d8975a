"""The views of a ledger: defined anew at every start, so that they are those of this program.

Sail defines a view when it is first mentioned: to define them all takes longer than most questions.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError, first_line
from experiments.storage.sql_files import names, statement

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from experiments.storage.engine import Engine

_AT_ONCE = 4
_WORD = re.compile(r"\w+")
_LISTING = {"show", "describe", "desc"}


class OnDemand:
    """A session that has its views defined as statements mention them; in all else the session it stands for."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._turn = threading.RLock()
        self._waiting: set[str] = set()
        self._define: Callable[[str], object] = print

    def later(self, views: tuple[str, ...], define: Callable[[str], object]) -> None:
        """Define these views when they are mentioned."""
        self._define, self._waiting = define, {*views}

    def sql(self, sqlQuery: str, *arguments: Any, **named: Any) -> DataFrame:  # noqa: N803  as Spark names it
        """The result of a statement."""
        self._need(sqlQuery)
        return self._session.sql(sqlQuery, *arguments, **named)

    def table(self, tableName: str) -> DataFrame:  # noqa: N803  as Spark names it
        """A table or view."""
        self._need(tableName)
        return self._session.table(tableName)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the session's."""
        return getattr(self._session, name)

    def _need(self, text: str) -> None:
        """Define the views a statement mentions; one that reads others has those defined on the way."""
        if not self._waiting:
            return
        words = _WORD.findall(text.lower())
        with self._turn:
            wanted = {*self._waiting} if words[:1] and words[0] in _LISTING else self._waiting.intersection(words)
            for view in sorted(wanted):
                if view not in self._waiting:  # another one read it
                    continue
                self._waiting.discard(view)
                try:
                    self._define(view)
                except BaseException:
                    self._waiting.add(view)
                    raise


def define_views(engine: Engine) -> None:
    """Define every view, or have it defined when it is mentioned.

    Raises
    ------
    EngineError
        If one cannot be defined.
    """
    if isinstance(engine.session, OnDemand):
        engine.session.later(names("views"), lambda view: _define(engine, view))
        return
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for views in _in_order():
            list(threads.map(lambda view: _define(engine, view), views))


def views_of_others(engine: Engine) -> list[str]:
    """The views that a catalog keeps and that only their owners may define anew: those that are there serve."""
    return [view for view in names("views") if not _define(engine, view)]


def _define(engine: Engine, view: str) -> bool:
    """Define a view anew; False where a catalog keeps it and only its owner may: the one that is there serves."""
    try:
        engine.spark.sql(statement("views", view))
    except Exception as error:
        if engine.location is None and engine.spark.catalog.tableExists(view):
            return False
        msg = f"cannot define the view {view} of {place_of(engine)}: {first_line(error)}"
        raise EngineError(msg) from error
    return True


def _in_order() -> list[list[str]]:
    """The views, those first that read no other view, then those that read these."""
    texts = {view: {*re.findall(r"\w+", statement("views", view))} for view in names("views")}
    reading = {view: (words & texts.keys()) - {view} for view, words in texts.items()}
    ordered: list[list[str]] = []
    while reading:
        ordered.append([view for view, others in reading.items() if not others & reading.keys()])
        reading = {view: others for view, others in reading.items() if view not in ordered[-1]}
    return ordered


def place_of(engine: Engine) -> str:
    """Where a ledger is, in words."""
    if engine.location is not None:
        return str(engine.location)
    return f"{engine.spark.catalog.currentCatalog()}.{engine.spark.catalog.currentDatabase()}"
