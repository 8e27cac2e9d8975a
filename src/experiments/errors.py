"""The errors this package raises: one root, few leaves, each also the builtin it resembles.

A message says what is wrong, what was given and what is accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ExperimentsError(Exception):
    """Root of every error raised on purpose by this package."""


class InvalidInputError(ExperimentsError, ValueError):
    """A value, column, name or file that cannot be used; nothing was written."""


class NotFoundError(ExperimentsError, LookupError):
    """A name that is not known: a model, a commodity, an experiment."""


class NotEnoughDataError(InvalidInputError):
    """Fewer observations than the grid of windows needs."""


class ConflictError(ExperimentsError, RuntimeError):
    """The ledger already holds something else under the same key; nothing was changed."""


class EngineError(ExperimentsError, RuntimeError):
    """The engine cannot be started, reached or used at this location."""


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line; its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def unknown(what: str, given: object, known: Iterable[str]) -> NotFoundError:
    """An error that names the unknown value, suggests the nearest and lists the known ones."""
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    nearest = difflib.get_close_matches(str(given).casefold(), folded, n=1)
    hint = f" Did you mean {folded[nearest[0]]!r}?" if nearest else ""
    listed = ", ".join(names) if names else "none yet"
    return NotFoundError(f"unknown {what} {given!r}.{hint} Known: {listed}.")
