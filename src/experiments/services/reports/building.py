"""Reports built from a ledger, whatever they are written as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.errors import InvalidInputError, unknown
from experiments.services.reports.asking import Asker, subjects
from experiments.services.reports.model import Report, Section, Text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from experiments.services.ledger import Ledger

PURPOSES = ("presentation", "pruning", "model")
"""What a report can be for."""


def build(
    ledger: Ledger,
    purpose: str,
    model: str | None = None,
    *,
    commodity: str | None = None,
    as_of: dt.date | str | None = None,
    show: Callable[[Section], None] = lambda _: None,
) -> Report:
    """Build a report; every figure of it is a column of a query that it shows.

    Parameters
    ----------
    ledger : Ledger
    purpose : str
        "presentation": the slide "Rigorous Experimentation Process", the scale of experimentation and what is known of
        each series. "pruning": which models could go and which are gone. "model": all there is to say of one model.
    model : str, optional
        The model, of a report on one.
    commodity : str, optional
        Only this one; by default all.
    as_of : date or str, optional
        What was known at the end of that day, or at that time, UTC; by default now.
    show : callable, optional
        Told each section of a presentation as soon as it is made; from `writing.prepare`.

    Returns
    -------
    Report
        To be written by `write`. Of a ledger without a finished evaluation it says so, and what to run.

    Raises
    ------
    NotFoundError
        If there is no such purpose, commodity or model, or nothing was known of it then.
    InvalidInputError
        If a model is named where none is asked for or the other way round, or `as_of` is no date.
    """
    check_purpose(purpose, model)
    asker = Asker(ledger, commodity, as_of, show)
    try:
        return _built(asker, purpose, model)
    finally:
        asker.close()


def _built(asker: Asker, purpose: str, model: str | None) -> Report:
    names = asker.ledger.commodities()
    if asker.commodity is not None:
        if asker.commodity not in names:
            raise unknown("commodity", asker.commodity, names)
        names = [asker.commodity]
    if purpose == "presentation" and names:
        for name in ("overview", "model_types", "commodities", "scale", "months"):
            asker.known_ahead(f"report_{name}")
    found = subjects(asker, names)
    if not found:
        return _nothing(asker, purpose)
    if purpose == "presentation":
        from experiments.services.reports.presentation import presentation

        return presentation(asker, found)
    if purpose == "pruning":
        from experiments.services.reports.pruning import pruning

        return pruning(asker, found)
    from experiments.services.reports.variant import check_model, variant

    check_model(asker, str(model))
    return variant(asker, found, str(model))


def check_purpose(purpose: str, model: str | None) -> None:
    """Refuse a purpose that is none, and a model where it does not belong.

    Raises
    ------
    NotFoundError
        If there is no such purpose.
    InvalidInputError
        If a model is missing, or named where none is asked for.
    """
    if purpose not in PURPOSES:
        raise unknown("purpose of a report", purpose, PURPOSES)
    if purpose == "model" and not model:
        msg = "a report on a model needs its name: experiments report --for model NAME."
        raise InvalidInputError(msg)
    if purpose != "model" and model is not None:
        msg = f"the {purpose} report is not about one model, but {model!r} was named: use --for model {model}."
        raise InvalidInputError(msg)


def _nothing(asker: Asker, purpose: str) -> Report:
    """The report of a ledger in which nothing is finished."""
    overview = asker.known("report_overview")
    told = "The ledger holds no finished evaluation yet."
    what = "Run 'experiments demo', or 'experiments backtest prices.csv --commodity Coffee', then this report again."
    blocks = (Text(parts=(told,), strong=True, basis=(overview.query,)), Text(parts=(what,)))
    return Report(
        title="Nothing to report yet",
        headline=(f"There is nothing for the {purpose} report yet: no evaluation is finished.",),
        subtitle=asker.subtitle,
        sections=(Section(title="An empty ledger", blocks=blocks),),
    )
