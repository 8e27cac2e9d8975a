"""What MLflow takes: names, and how long a text may be."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

LONGEST_NAME, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 8000
"""Characters of a name, of a param and of a tag of a run."""

METRICS_A_CALL, PARAMS_A_CALL = 1000, 100
"""What MLflow takes at most in one call."""

_NAME = re.compile(r"[/\w.\- :]+")
_LISTED = 5


def fits(name: str) -> bool:
    """Whether MLflow takes a name: of letters, digits and a few signs, and of itself no path to another.

    Examples
    --------
    >>> [fits(name) for name in ("val/loss", "l(r", "../loss")]
    [True, False, False]
    """
    plain = posixpath.normpath(name)
    return (
        _NAME.fullmatch(name) is not None
        and len(name) <= LONGEST_NAME
        and plain == name
        and plain != "."
        and not plain.startswith(("..", "/"))
    )


def fitting(
    pairs: Iterable[tuple[str, str]], longest: int, what: str, left_out: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Those pairs MLflow takes; the names of the others are noted in `left_out`."""
    for name, text in pairs:
        if fits(name) and len(text) <= longest:
            yield name, text
        else:
            left_out.setdefault(what, []).append(name)


def listed(left_out: dict[str, list[str]]) -> str:
    """What was left out, in words."""
    return "; ".join(f"{what}: {_some(names)}" for what, names in left_out.items())


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(f"{name!r:.80}" for name in names[:_LISTED]) + more
