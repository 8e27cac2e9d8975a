"""Scheduled jobs: what the weekly backtest runs, read from a file, and running it."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_commodity
from experiments.errors import ExperimentsError, InvalidInputError, NotFoundError
from experiments.services.answers import Choice, choices
from experiments.services.backtest import TIME_LIMIT_SECONDS, BacktestResult, backtest
from experiments.services.fanout import SPREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from experiments.services.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Section:
    """One `[[backtest]]` of the file: what to backtest, under the names of the command `experiments backtest`.

    `data` and the covariates are sources: a file, a Delta table, or one of the examples. A `train_size` of None, in
    the file "all", trains each window on everything before its cutoff.
    """

    commodity: str
    data: str
    covariates: tuple[str, ...] = ()
    known_covariates: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    horizon: int = 14
    windows: int = 40
    step: int | None = None
    train_size: int | None = 1000
    time_limit: int = int(TIME_LIMIT_SECONDS)
    workers: int | str | None = None
    date_column: str = "ds"
    value_column: str = "y"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one section: a result and the choice for each series, or the error that prevented them."""

    commodity: str
    as_of: dt.date | None = None
    result: BacktestResult | None = None
    choices: tuple[Choice, ...] = ()
    error: str | None = None


def read_config(path: str | Path) -> tuple[Section, ...]:
    """The sections of a job's file.

    Parameters
    ----------
    path : str or Path
        A TOML file with one table `[[backtest]]` a commodity.

    Raises
    ------
    NotFoundError
        If there is no such file.
    InvalidInputError
        If it cannot be read, holds no section, has an unknown key, lacks one, holds a value of the wrong kind, or
        names a commodity twice.
    """
    if not Path(path).is_file():
        msg = f"there is no file {path}: name the job's TOML file, such as jobs/weekly_backtest.toml."
        raise NotFoundError(msg)
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as TOML: {error}."
        raise InvalidInputError(msg) from error
    tables = document.get("backtest")
    if set(document) - {"backtest"} or not _is_list_of(tables, dict) or not tables:
        msg = f"{path} has {', '.join(document) or 'nothing'}: give one table [[backtest]] for each commodity."
        raise InvalidInputError(msg)
    sections = tuple(_section(f"{path}, [[backtest]] number {number}", table) for number, table in enumerate(tables, 1))
    names = [section.commodity for section in sections]
    if twice := [name for name in names if names.count(name) > 1]:
        msg = f"{path} has {twice[0]!r} as the commodity of several [[backtest]]: give each commodity once."
        raise InvalidInputError(msg)
    return sections


def run_backtests(
    sections: Sequence[Section],
    ledger: Ledger | Callable[[], Ledger],
    *,
    as_of: Sequence[dt.date] = (),
    progress: bool = True,
) -> Iterator[Outcome]:
    """Backtest one section after another; one that fails is told in its outcome and does not stop the rest.

    Run again on the same data it fits nothing, as `backtest` does.

    Parameters
    ----------
    sections : sequence of Section
    ledger : Ledger or callable
        A callable is asked for it when it is needed first.
    as_of : sequence of date
        Backtest each section as if nothing observed after this date had been given, the earliest first; by default
        once, with everything.
    progress : bool
        Whether to show a progress bar on standard error.
    """
    opened = ledger if callable(ledger) else lambda: ledger
    for section in sections:
        dates: list[dt.date | None] = [*sorted(set(as_of))]
        for date in dates or [None]:
            try:
                result = _run(section, opened, as_of=date, progress=progress)
                chosen = tuple(choices(opened(), section.commodity, result.definition.backtest_id))
            except Exception as error:  # noqa: BLE001  whatever went wrong with one commodity, the others are still due
                name = "" if isinstance(error, ExperimentsError) else f"{type(error).__name__}: "
                told = name + " ".join(str(error).split())
                yield Outcome(commodity=section.commodity, as_of=date, error=told)
            else:
                yield Outcome(commodity=section.commodity, as_of=date, result=result, choices=chosen)


def _run(section: Section, ledger: Callable[[], Ledger], *, as_of: dt.date | None, progress: bool) -> BacktestResult:
    from experiments.services.sources import names_table, read_covariates, read_prices

    sources = (section.data, *section.covariates, *section.known_covariates)
    asked = ledger() if any(map(names_table, sources)) else None
    date_column = section.date_column
    prices = read_prices(section.data, ledger=asked, date_column=date_column, value_column=section.value_column)
    return backtest(
        prices.frame,
        commodity=section.commodity,
        models=section.models,
        covariates=read_covariates(section.covariates, ledger=asked, date_column=date_column),
        known_covariates=read_covariates(section.known_covariates, ledger=asked, date_column=date_column),
        horizon=section.horizon,
        n_windows=section.windows,
        step_size=section.step,
        train_size=section.train_size,
        data_version=prices.version,
        as_of=as_of,
        time_limit=section.time_limit,
        workers=section.workers,
        ledger=ledger,
        progress=progress,
    )


def _section(where: str, table: dict[str, Any]) -> Section:
    known = [field.name for field in fields(Section)]
    if unknown := [name for name in table if name not in known]:
        msg = f"{where} has the unknown key {unknown[0]!r}; it takes {', '.join(known)}."
        raise InvalidInputError(msg)
    required = [field.name for field in fields(Section) if field.default is MISSING]
    if missing := [name for name in required if name not in table]:
        msg = f"{where} lacks {missing[0]!r}; it needs {' and '.join(required)}."
        raise InvalidInputError(msg)
    for name, value in table.items():
        if (accepted := _refusal(name, value)) is not None:
            msg = f"{where} has {name} = {value!r}: give {accepted}."
            raise InvalidInputError(msg)
    check_commodity(table["commodity"])
    values: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in table.items()}
    if values.get("train_size") == "all":
        values["train_size"] = None
    return Section(**values)


def _refusal(name: str, value: Any) -> str | None:
    """What a key accepts, if the value is none of it."""
    if name in ("commodity", "data", "date_column", "value_column"):
        return None if isinstance(value, str) and value.strip() else "a text that is not empty"
    if name in ("covariates", "known_covariates", "models"):
        return None if _is_list_of(value, str) else 'a list of texts, such as ["one", "two"]'
    word, least = {"train_size": ("all", 1), "workers": (SPREAD, 0)}.get(name, (None, 1))
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return None
    if value == word:
        return None
    return f"a whole number of at least {least}" + ("" if word is None else f' or "{word}"')


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
