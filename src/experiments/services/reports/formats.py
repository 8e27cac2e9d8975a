"""How values are shown: the same in every format a report is written in."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from experiments.definitions import known

NOTHING = "-"
"""What stands for NULL."""

_SMALL, _LARGE = 0.1, 10_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]")


def is_null(value: Any) -> bool:
    """Whether a value is NULL, NaN or no time."""
    return known(value) is None or type(value).__name__ in ("NaTType", "NAType")


def count(value: Any) -> str:
    """A whole number."""
    return NOTHING if is_null(value) else f"{int(value):,}"


def error(value: Any) -> str:
    """An error in the unit of its series: three decimals, more of a small one, one of a large one."""
    if is_null(value):
        return NOTHING
    number = float(value)
    if 0 < abs(number) < _SMALL:
        return f"{number:.4g}"
    return f"{number:,.1f}" if abs(number) >= _LARGE else f"{number:,.3f}"


def share(value: Any) -> str:
    """A share as a percentage."""
    return NOTHING if is_null(value) else f"{100 * float(value):.1f} %"


def change(value: Any) -> str:
    """A share as a percentage with its sign."""
    return NOTHING if is_null(value) else f"{100 * float(value):+.1f} %"


def pvalue(value: Any) -> str:
    """A p-value."""
    if is_null(value):
        return NOTHING
    return f"{float(value):.3f}" if float(value) >= 0.001 else "< 0.001"  # noqa: PLR2004  three decimals


def statistic(value: Any) -> str:
    """A test statistic."""
    return NOTHING if is_null(value) else f"{float(value):+.2f}"


def seconds(value: Any) -> str:
    """Seconds."""
    if is_null(value):
        return NOTHING
    return f"{float(value):,.1f}" if float(value) >= _SMALL else f"{float(value):.2g}"


def hours(value: Any) -> str:
    """Hours, or as many digits as a short time needs."""
    if is_null(value):
        return NOTHING
    return f"{float(value):,.1f}" if float(value) >= 1 else f"{float(value):.2g}"


def dollars(value: Any) -> str:
    """An amount of US dollars."""
    if is_null(value):
        return NOTHING
    return f"{float(value):,.2f}" if float(value) >= 1 else f"{float(value):.2g}"


def date(value: Any) -> str:
    """A date; of a time the day."""
    if is_null(value):
        return NOTHING
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.date) else str(value)


def time(value: Any) -> str:
    """A time to the minute, UTC."""
    if is_null(value):
        return NOTHING
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, dt.datetime) else str(value)


def flag(value: Any) -> str:
    """Yes or no."""
    return NOTHING if is_null(value) else "yes" if value else "no"


def text(value: Any) -> str:
    """Anything else, without characters that no document can hold."""
    return NOTHING if is_null(value) else plain(str(value))


def plain(words: str) -> str:
    """Words without control characters and halves of characters, which neither HTML nor XML can hold."""
    return _CONTROL.sub("\ufffd", words)


def one_line(words: str) -> str:
    r"""Words in one line.

    Examples
    --------
    >>> one_line("two\nlines")
    'two lines'
    """
    return " ".join(plain(words).split())


def shortened(words: str, most: int) -> str:
    """Words cut to a length, in one line.

    Examples
    --------
    >>> shortened("sarimax_auto_weather_v1", 12)
    'sarimax_aut…'
    """
    line = one_line(words)
    return line if len(line) <= most else line[: most - 1] + "…"


def listed(names: list[str]) -> str:
    """Names in a sentence.

    Examples
    --------
    >>> listed(["Coffee", "Sugar", "WTI"])
    'Coffee, Sugar and WTI'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
