"""Questions to the ledger: every statement with its parameters asked once, and the series a report is about."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, known, series_name, step_name
from experiments.errors import NotFoundError
from experiments.services import evidence
from experiments.services.answers import choices, chosen
from experiments.services.reports.formats import one_line
from experiments.services.reports.model import Answer, Query
from experiments.storage.sql_files import statement
from experiments.storage.table import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from experiments.services.answers import Choice
    from experiments.services.ledger import Ledger
    from experiments.services.reports.model import Section

_Question = tuple[str, tuple[tuple[str, str], ...]]


class Asker:
    """Asks statements of a ledger as of a time, each with the same parameters once.

    Parameters
    ----------
    ledger : Ledger
    commodity : str, optional
        The commodity a report is confined to.
    as_of : date or str, optional
        What was known at the end of that day, or at that time, UTC. By default now: the queries shown then give the
        same rows later too.
    show : callable
        Told each section as soon as it is made.

    Raises
    ------
    InvalidInputError
        If `as_of` is no date.
    """

    def __init__(
        self, ledger: Ledger, commodity: str | None, as_of: dt.date | str | None, show: Callable[[Section], None]
    ) -> None:
        self.ledger = ledger
        self._show = show
        self.commodity = commodity
        self.asked_for = evidence.as_of_time(as_of)
        self.moment = self.asked_for or dt.datetime.now(dt.UTC)
        self._answers: dict[_Question, Answer] = {}
        self._ahead: dict[_Question, Future[pd.DataFrame]] = {}
        self._threads = ThreadPoolExecutor(max_workers=2)
        self.left_out: list[str] = []

    @property
    def subtitle(self) -> str:
        """Of what, and as of when."""
        about = "all commodities" if self.commodity is None else one_line(self.commodity)
        return f"{about}, as known on {self.moment:%Y-%m-%d %H:%M} UTC"

    def ask(self, name: str, **parameters: str) -> Answer:
        """The rows of `sql/statements/<name>.sql`."""
        place = name, tuple(sorted(parameters.items()))
        if place not in self._answers:
            query = Query(
                key=f"q{len(self._answers) + 1}", name=name, sql=statement("statements", name), parameters=parameters
            )
            waiting = self._ahead.pop(place, None)
            frame = self._select(name, **parameters) if waiting is None else waiting.result()
            self._answers[place] = Answer(query=query, frame=frame.reset_index(drop=True))
        return self._answers[place]

    def ahead(self, name: str, **parameters: str) -> None:
        """Ask beside whatever comes next what `ask` is asked later: the engine has cores that wait."""
        place = name, tuple(sorted(parameters.items()))
        if place not in self._answers and place not in self._ahead:
            self._ahead[place] = self._threads.submit(self._select, name, **parameters)

    def known_ahead(self, name: str, **parameters: str) -> None:
        """The same for `known`."""
        self.ahead(name, **(self._known() | parameters))

    def _select(self, name: str, **parameters: str) -> pd.DataFrame:
        # a report asks like any other service, through the engine the ledger runs on
        return select(self.ledger.engine, name, **parameters)

    def _known(self) -> dict[str, str]:
        return {"commodity": self.commodity or "", "as_of": self.moment.isoformat()}

    def shown(self, sections: Iterable[Section]) -> tuple[Section, ...]:
        """Sections while they are made."""
        made = []
        for section in sections:
            self._show(section)
            made.append(section)
        return tuple(made)

    def close(self) -> None:
        """Wait for what was asked ahead, and let the threads go."""
        self._threads.shutdown(cancel_futures=True)

    def models(self) -> list[str]:
        """The models in the ledger, finished or not."""
        found = select(self.ledger.engine, "known_models", commodity=self.commodity)
        return [str(name) for name in found["model_name"]]

    def known(self, name: str, **parameters: str) -> Answer:
        """The rows of a statement that asks what was known by the time of the report."""
        return self.ask(name, **(self._known() | parameters))


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An evaluation to be shown: where its rows lie, and how people call the model."""

    commodity: str
    model: str
    experiment_id: str
    run_month: str

    @classmethod
    def of(cls, row: Any, commodity: str) -> Evaluation:
        """The evaluation of a row that has its model, id and month."""
        return cls(
            commodity=commodity,
            model=str(row["model_name"]),
            experiment_id=str(row["experiment_id"]),
            run_month=str(row["run_month"]),
        )

    @property
    def place(self) -> dict[str, str]:
        """The parameters of statements about it."""
        return {"commodity": self.commodity, "experiment_id": self.experiment_id, "run_month": self.run_month}


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One series of a commodity: the choice for it, and what is in production.

    Attributes
    ----------
    choice : Choice
    board : Answer or None
        The leaderboard's rows; None where callers reported all figures.
    champions : Answer
        The models in production, of all series.
    champion : int or None
        The row of this series' champion.
    """

    choice: Choice
    board: Answer | None
    champions: Answer
    champion: int | None

    @property
    def commodity(self) -> str:
        """What is forecast."""
        return self.choice.commodity

    @property
    def name(self) -> str:
        """What people call the series."""
        return series_name(self.choice.commodity, self.choice.unique_id)

    @property
    def champion_name(self) -> str | None:
        """The model in production."""
        return None if self.champion is None else str(self.champions.frame["model_name"].loc[self.champion])

    @property
    def unit(self) -> str:
        """One step of the series in words."""
        return "step" if self.board is None else step_name(str(self.board.frame["frequency"].iloc[0]))

    @property
    def shown(self) -> tuple[Evaluation | None, str]:
        """The evaluation whose forecasts are shown, and why that one: the champion's, else the choice's."""
        if self.champion is not None:
            row = self.champions.frame.loc[self.champion]
            if row["is_recorded"]:
                return Evaluation.of(row, self.commodity), "in production"
        if self.board is None:
            return None, ""
        frame = self.board.frame
        logged = frame[frame["experiment_id"].notna() & frame["run_month"].notna()]
        chosen = logged[logged["model_name"] == self.choice.model]
        if not chosen.empty:
            return Evaluation.of(chosen.iloc[0], self.commodity), "the choice"
        others = logged[logged["model_name"] != BASELINE]
        if others.empty:
            return None, ""
        return Evaluation.of(others.iloc[0], self.commodity), "the nearest to naive, the choice"


def subjects(asker: Asker, commodities: list[str]) -> list[Subject]:
    """The series of some commodities, each with its choice; one of which nothing is known is left out.

    Raises
    ------
    NotFoundError
        If nothing was known of any by the time asked for.
    """
    champions = asker.known("report_champions")
    found, without = [], []
    for commodity in commodities:
        try:
            chosen = _choices(asker, commodity)
        except NotFoundError as error:
            without.append(error)
            continue
        found += [_subject(choice, board, champions) for choice, board in chosen]
    if without and not found and asker.asked_for is not None:
        raise without[0]
    asker.left_out = [str(error) for error in without]
    return found


def _choices(asker: Asker, commodity: str) -> list[tuple[Choice, Answer | None]]:
    """What `answers.choices` says of the series of a commodity, and the leaderboards it says it of.

    The leaderboard is asked for once, by the name of its family: the view, which looks for the latest family among
    all, takes seconds of a hundred thousand runs.
    """
    engine = asker.ledger.engine
    try:
        found = evidence.of_one_backtest(engine, commodity, None, asker.asked_for)
    except NotFoundError:  # callers reported all figures, or nothing was known then
        return [(choice, None) for choice in choices(asker.ledger, commodity, as_of=asker.asked_for)]
    evidence.refresh(engine, found)
    metric = evidence.metric_at(None)
    boards = {
        one.unique_id: asker.ask("report_leaderboard", commodity=commodity, family_id=one.family_id(metric))
        for one in found
    }
    return [(chosen(board.frame, commodity, unique_id), board) for unique_id, board in sorted(boards.items())]


def _subject(choice: Choice, board: Answer | None, champions: Answer) -> Subject:
    frame = champions.frame
    own = frame[(frame["commodity"] == choice.commodity) & (frame["unique_id"] == choice.unique_id)]
    return Subject(choice=choice, board=board, champions=champions, champion=None if own.empty else int(own.index[0]))


def value_of(answer: Answer, row: int, column: str) -> Any:
    """A value of an answer; None for NULL."""
    found = answer.frame[column].loc[row]
    return None if type(found).__name__ == "NaTType" else known(found)
