"""The ledger: one connection to the tables, and everything that can be asked of it."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_commodity, check_identifier
from experiments.errors import EngineError, InvalidInputError, NotFoundError, unknown
from experiments.services import evidence
from experiments.services.decisions.chain import repair
from experiments.services.recorder import Recorder
from experiments.services.tracking.recovery import Recovered, journal_home, recover_left
from experiments.storage import catalog as tables
from experiments.storage import engine as engines
from experiments.storage import table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import pandas as pd

    from experiments.services.comparison import Comparison
    from experiments.services.decisions.audit import Audited
    from experiments.services.decisions.desk import Decisions
    from experiments.services.evolution import Evolution
    from experiments.services.recompute import Recomputed
    from experiments.services.reports.model import Report
    from experiments.services.tracking.tracking import Tracking

DEFAULT_PATH = "ledger"
"""Folder of the tables, where neither a path nor EXPERIMENTS_PATH is given."""

DEFAULT_SCHEMA = "experiments"
"""Schema of the tables, where neither a schema nor EXPERIMENTS_SCHEMA is given."""

_open_ledgers: list[Ledger] = []


class Ledger:
    """An open ledger; use it as a context manager, or close it when done.

    Made by `connect`. Evaluations that are still open when it closes are recorded with the windows
    they have.
    """

    def __init__(
        self, running: engines.Engine, *, path: Path | None, catalog: str, schema: str, created: Sequence[str]
    ) -> None:
        self.path = path
        self.where = f"{catalog}.{schema}" if path is None else str(path)
        self.schema = schema
        self.created = tuple(created)
        self.recovered: tuple[Recovered, ...] = ()
        self.apart = False
        self._engine: engines.Engine | None = running
        self._recorder = Recorder(running)
        self._tracking: Tracking | None = None
        self._turn = threading.Lock()
        self._process = os.getpid()

    @property
    def tracking(self) -> Tracking:
        """What this process tracks in it; see `ExperimentTracker`.

        Raises
        ------
        EngineError
            If the ledger is closed, or the journal cannot be written.
        """
        from experiments.services.tracking.tracking import Tracking

        running = self._running()
        with self._turn:
            if self._tracking is None:
                self._tracking = Tracking(self, running)
            return self._tracking

    @property
    def recorder(self) -> Recorder:
        """What turns that which is logged into rows.

        Raises
        ------
        EngineError
            If the ledger is closed.
        """
        _ = self._running()
        return self._recorder

    @property
    def decisions(self) -> Decisions:
        """Promote, roll back, prune, restore, and what such decisions came to.

        Raises
        ------
        EngineError
            If the ledger is closed.
        """
        from experiments.services.decisions.desk import Decisions

        return Decisions(self)

    def audit(self, *, as_of: dt.date | str | None = None) -> list[Audited]:
        """Every decision taken by a time, each replayed from the evidence recorded with it.

        Raises
        ------
        InvalidInputError
            If `as_of` is no date.
        """
        from experiments.services.decisions.audit import audit

        return audit(self.engine, as_of=as_of)

    def report(
        self,
        purpose: str,
        model: str | None = None,
        *,
        commodity: str | None = None,
        as_of: dt.date | str | None = None,
    ) -> Report:
        """A report for "presentation", "pruning" or a "model": shown by a notebook, written by its `write`.

        Parameters
        ----------
        purpose, model, commodity, as_of
            As in `reports.building.build`.

        Raises
        ------
        NotFoundError
            If there is no such purpose, commodity or model, or nothing was known of it then.
        InvalidInputError
            If a model is named where none is asked for or the other way round, or `as_of` is no date.
        """
        from experiments.services.reports.building import build

        return build(self, purpose, model, commodity=commodity, as_of=as_of)

    def log_experiment(self, model_name: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
        """Log one evaluation window, or bare figures; see `experiments.log_experiment`."""
        return self.recorder.log(model_name, results, config)

    def write_experiments(self, experiments: Sequence[Mapping[str, Any]]) -> list[str]:
        """Record figures computed elsewhere, in one commit a table; see `DatabricksWriter`."""
        return self.recorder.write(experiments)

    def finish(self) -> list[str]:
        """Record every evaluation that is still open, with the windows it has; returns their ids."""
        return self.recorder.finish()

    def sql(self, query: str, parameters: Mapping[str, str] | None = None) -> pd.DataFrame:
        """The result of a query over the tables and views.

        Parameters
        ----------
        query : str
        parameters : mapping of str to str, optional
            The text each named parameter of the query stands for: ``:commodity`` is given as ``{"commodity": "WTI"}``.

        Raises
        ------
        InvalidInputError
            If it is not a query, or a parameter of it is not given or is no text.
        """
        return table.read(self.engine, query, parameters)

    def leaderboard(
        self,
        commodity: str,
        backtest_id: str | None = None,
        *,
        horizon: int | None = None,
        as_of: dt.date | str | None = None,
    ) -> pd.DataFrame:
        """The models of one backtest, best first, with the evidence on the windows they share.

        What the view `leaderboard` has (at a step: `leaderboard_at_step`); evidence that is not recorded yet is
        computed and recorded first.

        Parameters
        ----------
        commodity : str
        backtest_id : str, optional
            By default the backtest on the latest data.
        horizon : int, optional
            Compare the errors at step 1, 7 or 14; by default the mean over all steps.
        as_of : date or str, optional
            What was known at the end of that day, or at that time, UTC; by default now.

        Raises
        ------
        NotFoundError
            If the commodity, or a backtest of it, is not in the ledger, or was not then.
        InvalidInputError
            If the backtest does not reach that horizon, or `as_of` is no date.
        """
        metric = evidence.metric_at(horizon)
        found = self.candidates(commodity, backtest_id, as_of)
        evidence.check_reach(found, horizon)
        evidence.refresh(self.engine, found)
        families = [one.family_id(metric) for one in found]
        return table.select_among(self.engine, "leaderboard_of", "family_id", families, commodity=commodity)

    def compare(
        self,
        models: Sequence[str],
        commodity: str,
        backtest_id: str | None = None,
        *,
        as_of: dt.date | str | None = None,
    ) -> list[Comparison]:
        """Models of one backtest against each other: every pair, at every horizon, on the windows all of them share.

        Parameters
        ----------
        models : sequence of str
            Two or more, as the leaderboard names them; "name version" where there is more than one version.
        commodity, backtest_id, as_of
            As in `leaderboard`.

        Returns
        -------
        list of Comparison
            One for each series and metric.

        Raises
        ------
        NotFoundError
            If the commodity, a backtest of it, or a model in it, is not in the ledger, or was not then.
        InvalidInputError
            If fewer than two models are named, or `as_of` is no date.
        """
        from experiments.services.comparison import compare_models

        found = self.candidates(commodity, backtest_id, as_of)
        return [one for of in found for one in compare_models(self.engine, of, models)]

    def recompute(
        self, commodity: str, model: str | None = None, *, horizon: int | None = None, metric: str = "mae_path"
    ) -> Recomputed:
        """Any metric at any step of the latest backtest from its stored forecasts; and what recorded does not follow.

        Parameters
        ----------
        commodity : str
        model : str, optional
            Only this one, as the leaderboard names it; by default all.
        horizon : int, optional
            The step; by default the last of the windows.
        metric : str
            What the rows are sorted by, one of `recompute.STEP_METRICS`.

        Raises
        ------
        NotFoundError
            If the commodity, a backtest of it, the model in it or the metric is not known.
        InvalidInputError
            If the backtest does not reach that horizon.
        """
        from experiments.services.recompute import recompute

        return recompute(self.engine, self.candidates(commodity), model, horizon=horizon, metric=metric)

    def evolution(self, model_name: str, commodity: str | None = None) -> Evolution:
        """One model over its evaluations: whether its accuracy changed beyond luck, and what else changed.

        Raises
        ------
        NotFoundError
            If the model, or the commodity, is not in the ledger.
        """
        from experiments.services.evolution import evolution

        return evolution(self.engine, model_name, commodity)

    def refresh(self, commodity: str | None = None) -> int:
        """Bring the evidence up to date, of one commodity or of all; returns how many families were compared.

        Costs next to nothing where nothing is new.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        if commodity is not None:
            self.backtests(commodity)
        names = self.commodities() if commodity is None else [commodity]
        return sum(evidence.refresh(self.engine, evidence.candidates(self.engine, name)) for name in names)

    def backtests(self, commodity: str) -> pd.DataFrame:
        """The backtests of a commodity, the one on the latest data first.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("backtests_of", check_commodity(commodity))

    def best(self, commodity: str) -> pd.DataFrame:
        """The variants of a commodity that beat naive, best first: the view `best_models`.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger.
        """
        return self._of("best_of", check_commodity(commodity))

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
        """The forecasts of one evaluation: `cutoff`, `step`, `ds`, `y`, `y_hat`, and quantiles `q10`, `q50`, `q90`."""
        return self._select("stored_forecasts", experiment_id=experiment_id)

    def windows(self, experiment_id: str) -> pd.DataFrame:
        """The windows of one evaluation: what `evaluate` needs beside its forecasts, errors and seconds."""
        return self._select("stored_windows", experiment_id=experiment_id)

    def read_table(self, name: str, version: int | None = None) -> tuple[pd.DataFrame, int | None]:
        """A Delta table of the engine's catalog and the version read, None where the engine cannot tell.

        Parameters
        ----------
        name : str
            Of one to three parts.
        version : int, optional
            By default the newest.

        Raises
        ------
        InvalidInputError
            If a part is not an identifier.
        NotFoundError
            If there is no such table, or no such version of it.
        """
        return table.read_named(self.engine, name, version)

    def commodities(self) -> list[str]:
        """The commodities in the ledger."""
        return [str(name) for name in self._select("commodities")["commodity"]]

    def grid_origins(self, commodity: str, frequency: str, step_size: int) -> list[tuple[dt.date, str | None, dt.date]]:
        """The grids a commodity's windows lie on, as `science.grid.find_grid` takes them."""
        found = self._select("grid_origin", commodity=commodity, frequency=frequency, step_size=step_size)
        owners = [owner if isinstance(owner, str) else None for owner in found["unique_id"]]
        return list(zip(found["grid_origin"], owners, found["counted_from"], strict=True))

    def close(self) -> None:
        """Record what is still open, end runs that nobody ended, and stop the engine; a second call does nothing.

        Raises
        ------
        ConflictError
            If an evaluation that is still open cannot be recorded.
        EngineError
            If what was tracked cannot be committed: it stays in the journal and is recovered when the ledger is opened
            next.
        """
        if self._engine is None or self._process != os.getpid():  # a forked child has no part in its parent's engine
            return
        try:
            try:
                self._recorder.finish()
            finally:
                if self._tracking is not None:
                    self._tracking.close()
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
    def engine(self) -> engines.Engine:
        """What reads and writes the tables, for the other services; what this process has tracked is in them.

        Raises
        ------
        EngineError
            If the ledger is closed.
        """
        running = self._running()
        if self._tracking is not None:
            self._tracking.settle()
        return running

    def _running(self) -> engines.Engine:
        if self._engine is None:
            msg = "this ledger is closed: connect again."
            raise EngineError(msg)
        return self._engine

    def _select(self, name: str, **parameters: Any) -> pd.DataFrame:
        return table.select(self.engine, name, **parameters)

    def candidates(
        self, commodity: str, backtest_id: str | None = None, as_of: dt.date | str | None = None
    ) -> list[evidence.Candidates]:
        """The evaluations of one backtest known at a time, series by series: by default of that on the latest data.

        Raises
        ------
        NotFoundError, InvalidInputError
            As `leaderboard`.
        """
        moment = evidence.as_of_time(as_of)
        try:
            return evidence.of_one_backtest(self.engine, check_commodity(commodity), backtest_id, moment)
        except NotFoundError:
            known = self.backtests(commodity)  # there may be a better reason
            if known.empty:
                msg = f"{commodity} has no backtest yet, only reported figures: run one with experiments.backtest."
                raise NotFoundError(msg) from None
            if backtest_id is not None and backtest_id not in set(known["backtest_id"]):
                raise unknown(f"backtest of {commodity}", backtest_id, known["backtest_id"]) from None
            raise

    def _of(self, name: str, commodity: str | None) -> pd.DataFrame:
        """What a statement finds of a commodity, or of all; that it finds nothing may be a name that is not known."""
        if commodity is not None:
            check_commodity(commodity)
        found = self._select(name, commodity=commodity)
        if found.empty and commodity is not None and commodity not in (known := self.commodities()):
            raise unknown("commodity", commodity, known)
        return found


def connect(
    path: str | Path | None = None,
    *,
    schema: str | None = None,
    catalog: str | None = None,
    engine: str | None = None,
    create: bool = True,
    apart: bool = False,
) -> Ledger:
    """Open the ledger in a folder, creating its tables where there are none and bringing older ones up to date.

    Parameters
    ----------
    path : str or Path, optional
        The folder; by default the environment variable EXPERIMENTS_PATH, else "ledger". On Databricks there is none:
        the catalog manages the tables.
    schema : str, optional
        Schema of the tables; by default the environment variable EXPERIMENTS_SCHEMA, else "experiments".
    catalog : str, optional
        Catalog of the schema; by default EXPERIMENTS_CATALOG, else "commodity". A local Spark has one of its own: there
        the names have two parts.
    engine : str, optional
        "sail" (embedded, no JVM), "spark" (the active session, else a local one) or "databricks"; by default the
        environment variable EXPERIMENTS_ENGINE, else Databricks inside its runtime, else Sail.
    create : bool
        Whether to create a ledger where there is none.
    apart : bool
        Whether it is for a purpose of its own, such as a registry: it is then never the one that is meant where none
        is named.

    Raises
    ------
    InvalidInputError
        If catalog or schema is not an identifier, or the path is no path.
    NotFoundError
        If there is no ledger and `create` is false, or no such engine.
    EngineError
        If the folder cannot be written, the engine not started, or the tables belong to something else or to a newer
        version of this program.
    """
    name = engines.choose(engine)
    schema = check_identifier("schema", _setting("EXPERIMENTS_SCHEMA", schema, DEFAULT_SCHEMA))
    catalog = check_identifier("catalog", _setting("EXPERIMENTS_CATALOG", catalog, engines.CATALOG))
    folder = None if name == "databricks" else _folder(path, schema=schema, create=create)
    running = engines.start(name, folder, catalog=catalog, schema=schema, create=create)
    try:
        if not create and not tables.is_ledger(running):
            raise _no_ledger(f"{catalog}.{schema}")
        created = tables.open_tables(running)
        repair(running)
    except BaseException:
        running.close()
        raise
    # registered after the engine's own clean-up, so run before it
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    ledger = Ledger(running, path=folder, catalog=catalog, schema=schema, created=created)
    ledger.apart = apart
    ledger.recovered = recover_left(running, journal_home(folder, where=ledger.where, schema=schema))
    _open_ledgers.append(ledger)
    return ledger


def _setting(name: str, given: object, default: str) -> object:
    """What was given, else the environment variable, else the default."""
    return (os.environ.get(name) or default) if given is None else given


def ledger_folder(path: str | Path | None) -> Path:
    """The folder meant: the one given, else EXPERIMENTS_PATH, else "ledger".

    In a run that is made again (EXPERIMENTS_REPRODUCES) a relative path leads into a fresh checkout, where no ledger
    is: the run is recorded beside the one it repeats, in EXPERIMENTS_PATH.

    Raises
    ------
    InvalidInputError
        If it is no path.
    """
    chosen = path or os.environ.get("EXPERIMENTS_PATH") or DEFAULT_PATH
    if not isinstance(chosen, str | os.PathLike):
        msg = f"path is {chosen!r}: give the folder of the ledger, as text or a Path."
        raise InvalidInputError(msg)
    folder = Path(chosen)
    original = os.environ.get("EXPERIMENTS_PATH")
    again = original and os.environ.get("EXPERIMENTS_REPRODUCES") and not folder.is_absolute() and not folder.exists()
    return Path(original) if original and again else folder


def _folder(path: str | Path | None, *, schema: str, create: bool) -> Path:
    """The ledger's folder, made and writable; one that is to be there already is looked for first."""
    folder = ledger_folder(path)
    try:
        if not create and not tables.is_ledger_folder(folder / schema):
            raise _no_ledger(str(folder / schema))
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"the ledger's folder {folder} cannot be made: {reason}. Choose another path."
        raise EngineError(msg) from error
    table_folder = folder / schema / "model_runs"
    for place in (folder, table_folder) if create else ():  # one that is only asked may be read-only
        if place.exists() and not os.access(place, os.W_OK):
            msg = f"the ledger's folder {place} cannot be written. Choose another path."
            raise EngineError(msg)
    return folder


def _no_ledger(where: str) -> NotFoundError:
    return NotFoundError(f"there is no ledger at {where}: make one with 'experiments init' or 'experiments demo'.")


def current(schema: str | None = None) -> Ledger:
    """The ledger opened last and still open; where there is none, the default one is opened."""
    return opened_last(schema) or connect(schema=schema)


def opened_last(schema: str | None = None, *, apart: bool = False) -> Ledger | None:
    """The ledger opened last and still open, of those apart or of the others; None where there is none."""
    wanted = _setting("EXPERIMENTS_SCHEMA", schema, DEFAULT_SCHEMA)
    return next((one for one in reversed(_open_ledgers) if one.schema == wanted and one.apart == apart), None)


def open_ledger_at(folder: Path) -> Ledger | None:
    """The ledger of this folder, where this process has it open."""
    for ledger in reversed(_open_ledgers):
        if ledger.path is not None and ledger.path.absolute() == folder.absolute():
            return ledger
    return None


def is_ledger_at(folder: Path, schema: str = DEFAULT_SCHEMA) -> bool:
    """Whether a folder holds a ledger."""
    return tables.is_ledger_folder(folder / schema)


def _close_all() -> None:
    for ledger in _open_ledgers.copy():
        try:
            ledger.close()
        except Exception as error:  # noqa: BLE001  the interpreter is going down: say what was not recorded, go on
            os.write(2, f"experiments: {error}\n".encode())
