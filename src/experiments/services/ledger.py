"""The ledger: one connection to the tables, and everything that can be asked of it."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_identifier
from experiments.errors import EngineError, NotFoundError, unknown
from experiments.services.recorder import Recorder
from experiments.storage import catalog, engine, table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import pandas as pd

DEFAULT_PATH = "ledger"
"""Folder of the tables, where neither a path nor EXPERIMENTS_PATH is given."""

_open_ledgers: list[Ledger] = []


class Ledger:
    """An open ledger; use it as a context manager, or close it when done.

    Made by `connect`. Evaluations that are still open when it closes are recorded with the windows
    they have.
    """

    def __init__(self, running: engine.Engine, *, path: Path, schema: str, created: Sequence[str]) -> None:
        self.path = path
        self.schema = schema
        self.created = tuple(created)
        self._engine: engine.Engine | None = running
        self._recorder = Recorder(running)

    @property
    def recorder(self) -> Recorder:
        """What turns that which is logged into rows.

        Raises
        ------
        EngineError
            If the ledger is closed.
        """
        _ = self._running
        return self._recorder

    def log_experiment(self, model_name: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
        """Log one evaluation window, or bare figures; see `experiments.log_experiment`."""
        return self.recorder.log(model_name, results, config)

    def write_experiments(self, experiments: Sequence[Mapping[str, Any]]) -> list[str]:
        """Record figures computed elsewhere, in one commit a table; see `DatabricksWriter`."""
        return self.recorder.write(experiments)

    def finish(self) -> list[str]:
        """Record every evaluation that is still open, with the windows it has; returns their ids."""
        return self.recorder.finish()

    def sql(self, query: str) -> pd.DataFrame:
        """The result of a query over the tables and views.

        Raises
        ------
        InvalidInputError
            If it is not a query.
        """
        return table.read(self._running, query)

    def leaderboard(self, commodity: str, backtest_id: str | None = None) -> pd.DataFrame:
        """The models of one backtest, best first: by default the backtest on the latest data.

        Raises
        ------
        NotFoundError
            If the commodity, or a backtest of it, is not in the ledger.
        """
        known = self.backtests(commodity)
        if known.empty:
            msg = f"{commodity} has no backtest yet, only reported figures: run one with experiments.backtest."
            raise NotFoundError(msg)
        if backtest_id is None:
            backtest_id = str(known["backtest_id"].iloc[0])
        elif backtest_id not in set(known["backtest_id"]):
            raise unknown(f"backtest of {commodity}", backtest_id, known["backtest_id"])
        return self._select("leaderboard_of", commodity=commodity, backtest_id=backtest_id)

    def backtests(self, commodity: str) -> pd.DataFrame:
        """The backtests of a commodity, the one on the latest data first.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("backtests_of", commodity)

    def best(self, commodity: str) -> pd.DataFrame:
        """The variants of a commodity that beat naive, best first: the view `best_models`.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("best_of", commodity)

    def history(self, commodity: str | None = None) -> pd.DataFrame:
        """The scale of experimentation: the view `experiment_history`.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("history_of", commodity)

    def pruning_candidates(self, commodity: str | None = None) -> pd.DataFrame:
        """Models that failed to beat naive in at least three evaluations: the view `pruning_candidates`.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("pruning_of", commodity)

    def forecasts(self, experiment_id: str) -> pd.DataFrame:
        """The forecasts of one evaluation: `cutoff`, `step`, `ds`, `y`, `y_hat`."""
        return self._select("stored_forecasts", experiment_id=experiment_id)

    def windows(self, experiment_id: str) -> pd.DataFrame:
        """The windows of one evaluation: what `evaluate` needs beside its forecasts, errors and seconds."""
        return self._select("stored_windows", experiment_id=experiment_id)

    def commodities(self) -> list[str]:
        """The commodities in the ledger."""
        return [str(name) for name in self._select("commodities")["commodity"]]

    def grid_origin(self, commodity: str, frequency: str, step_size: int) -> dt.date | None:
        """The origin of the grid a commodity's windows lie on; None before the first backtest."""
        found = self._select("grid_origin", commodity=commodity, frequency=frequency, step_size=step_size)
        return None if found.empty else found["grid_origin"].iloc[0]

    def close(self) -> None:
        """Record what is still open and stop the engine; a second call does nothing."""
        if self._engine is None:
            return
        try:
            self._recorder.finish()
        finally:
            self._engine.close()
            self._engine = None
            _open_ledgers.remove(self)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _running(self) -> engine.Engine:
        if self._engine is None:
            msg = "this ledger is closed: connect again."
            raise EngineError(msg)
        return self._engine

    def _select(self, name: str, **parameters: Any) -> pd.DataFrame:
        return table.select(self._running, name, **parameters)

    def _of(self, name: str, commodity: str | None) -> pd.DataFrame:
        """What a statement finds of a commodity, or of all; that it finds nothing may be a name that is not known."""
        found = self._select(name, commodity=commodity)
        if found.empty and commodity is not None and commodity not in (known := self.commodities()):
            raise unknown("commodity", commodity, known)
        return found


def connect(path: str | Path | None = None, *, schema: str = "experiments", create: bool = True) -> Ledger:
    """Open the ledger in a folder, creating its tables where there are none.

    Parameters
    ----------
    path : str or Path, optional
        The folder; by default the environment variable EXPERIMENTS_PATH, else "ledger".
    schema : str
        Schema of the tables.
    create : bool
        Whether to create a ledger where there is none.

    Raises
    ------
    InvalidInputError
        If the schema is not an identifier.
    NotFoundError
        If there is no ledger and `create` is false.
    EngineError
        If the folder cannot be written or the engine not started.
    """
    folder = Path(path or os.environ.get("EXPERIMENTS_PATH") or DEFAULT_PATH)
    check_identifier("schema", schema)
    if not create and catalog.missing_tables(folder / schema):
        msg = f"there is no ledger at {folder / schema}: make one with 'experiments init' or 'experiments demo'."
        raise NotFoundError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the ledger's folder {folder} cannot be made: {error.strerror}. Choose another path."
        raise EngineError(msg) from error
    if not os.access(folder, os.W_OK):
        msg = f"the ledger's folder {folder} cannot be written. Choose another path."
        raise EngineError(msg)
    running = engine.start(folder, schema=schema)
    try:
        created = catalog.open_tables(running)
    except Exception:
        running.close()
        raise
    # registered after the engine's own clean-up, so run before it
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    ledger = Ledger(running, path=folder, schema=schema, created=created)
    _open_ledgers.append(ledger)
    return ledger


def current(schema: str = "experiments") -> Ledger:
    """The ledger opened last and still open; where there is none, the default one is opened."""
    for ledger in reversed(_open_ledgers):
        if ledger.schema == schema:
            return ledger
    return connect(schema=schema)


def _close_all() -> None:
    for ledger in _open_ledgers.copy():
        try:
            ledger.close()
        except Exception as error:  # noqa: BLE001  the interpreter is going down: say what was not recorded, go on
            os.write(2, f"experiments: {error}\n".encode())
