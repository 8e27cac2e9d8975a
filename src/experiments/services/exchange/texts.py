"""Hyperparameters where a system has text only: what type a text stands for, and the text of a value."""

from __future__ import annotations

import ast
import json
from typing import Any, NamedTuple

from experiments.services.tracking.values import described

_MAY_BE_TYPED = frozenset("-0123456789[{TFN")
_LONGEST = 10_000
"""Characters above which a text is not looked at for a type: no number or list of settings is this long."""


class Typed(NamedTuple):
    """A hyperparameter as the ledger has it: JSON, the name of its type, and the number to compare by."""

    value: str
    value_type: str
    number: float | None


def typed(text: str) -> Typed:
    """What a text stands for: the value whose own text it is, else the text.

    `str(value)` is what MLflow and most scripts write, so a text is taken for the truth value, number, list or
    dictionary whose `str` is exactly that text. No text is changed by this: `as_text` gives back the same one.

    Examples
    --------
    >>> typed("0.001"), typed("True"), typed("1.50")
    (Typed(value='0.001', value_type='float', number=0.001), Typed(value='true', value_type='bool', number=1.0),
     Typed(value='"1.50"', value_type='str', number=None))
    """
    return Typed(*described(_read(text)))


def as_text(value: str, value_type: str) -> str:
    """The text of a hyperparameter of the ledger: what `str` makes of its value.

    Examples
    --------
    >>> as_text("true", "bool"), as_text('"adam"', "str"), as_text("[1, 2]", "list")
    ('True', 'adam', '[1, 2]')
    """
    read = json.loads(value)
    if value_type == "float" and isinstance(read, int | float):
        read = float(read)
    return read if isinstance(read, str) else str(read)


def _read(text: str) -> Any:
    """The value whose text this is, where JSON can hold it; else the text itself."""
    if len(text) > _LONGEST or text[:1] not in _MAY_BE_TYPED:
        return text
    try:
        value = ast.literal_eval(text)
        same = str(value) == text and json.loads(json.dumps(value, allow_nan=False)) == value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value if same and (value is None or type(value) in (bool, int, float, list, dict)) else text
