"""What commands that ask have in common: the ledger, and what in it the question is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from experiments.errors import ExperimentsError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from experiments.services.answers import Choice
    from experiments.services.ledger import Ledger


def open_ledger(path: str, engine: str | None) -> Ledger:
    """The ledger to ask; one that is not there is not made by asking."""
    from experiments.services.ledger import connect

    return connect(path, engine=engine, create=False)


def asked(ledger: Ledger, commodity: str | None) -> list[str]:
    """The commodities a question is about.

    Raises
    ------
    NotFoundError
        If none is named and the ledger is empty.
    """
    if commodity is not None:
        return [commodity]
    known = ledger.commodities()
    if not known:
        msg = "the ledger is empty: run 'experiments demo', or 'experiments backtest' on your own prices."
        raise NotFoundError(msg)
    return known


def only_one(ledger: Ledger, commodity: str | None) -> str:
    """The commodity named, else the only one there is.

    Raises
    ------
    NotFoundError
        If none is named and the ledger is empty.
    InvalidInputError
        If none is named and there are several.
    """
    known = asked(ledger, commodity)
    if len(known) > 1:
        msg = f"the ledger has several commodities: name one of {', '.join(known)}."
        raise InvalidInputError(msg)
    return known[0]


def choices_of(ledger: Ledger, commodity: str | None, **how: Any) -> list[Choice]:
    """The choices for every series asked about.

    Of several commodities those that have no answer are named on standard error, and the others answered.

    Raises
    ------
    ExperimentsError
        If none has an answer: why the first has none.
    """
    from experiments.services.answers import choices

    found: list[Choice] = []
    without: dict[str, ExperimentsError] = {}
    for name in asked(ledger, commodity):
        try:
            found += choices(ledger, name, **how)
        except (InvalidInputError, NotFoundError) as error:
            without[name] = error
    if not found:
        raise next(iter(without.values()))
    for why in without.values():
        click.echo(f"note: {why}", err=True)
    return found
