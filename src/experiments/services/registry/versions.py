"""Names and version numbers of registered models."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from urllib.parse import quote

from experiments.errors import InvalidInputError

FIRST = "1.0.0"
"""The version of the first that is saved."""

CHAMPION, CHALLENGER = "champion", "challenger"
ALIASES = (CHAMPION, CHALLENGER)
"""What a version may be deployed as: the one in use, and the one that is tried beside it."""

_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_LONGEST = 120
_REFUSED = re.compile(r"[/\\@\x00-\x1f\x7f]|^[.\s-]|[.\s]$")


def check_version(version: object) -> str:
    """Return `version` if it is one.

    Raises
    ------
    InvalidInputError
        If it is not major.minor.patch, three whole numbers without leading zeros.
    """
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        msg = f"the version is {reprlib.repr(version)}: give three whole numbers, major.minor.patch, such as '1.0.10'."
        raise InvalidInputError(msg)
    return version


def parts_of(version: str) -> tuple[int, ...]:
    """A version as numbers that sort as versions do.

    Examples
    --------
    >>> sorted(["1.0.10", "1.0.9", "2.0.0"], key=parts_of)
    ['1.0.9', '1.0.10', '2.0.0']
    """
    return tuple(int(part) for part in version.split("."))


def next_version(taken: Iterable[str]) -> str:
    """The version after the highest one taken: its patch raised by one.

    Examples
    --------
    >>> next_version([]), next_version(["1.0.9", "1.0.10"]), next_version(["2.0.0", "1.5.3"])
    ('1.0.0', '1.0.11', '2.0.1')
    """
    highest = max((parts_of(one) for one in taken), default=None)
    if highest is None:
        return FIRST
    major, minor, patch = highest
    return f"{major}.{minor}.{patch + 1}"


def check_name(what: str, name: object) -> str:
    """Return `name` if a model, or its type, can have it: a folder or file is named after it.

    Raises
    ------
    InvalidInputError
        If it is no text, empty, has a slash, backslash, at sign or control character, begins with a dot, a hyphen or a
        space, ends with a dot or a space, has digits alone, or is longer than 120 characters once encoded as in a URL.
    """
    if not isinstance(name, str) or not name.strip() or _REFUSED.search(name) or not _is_text(name):
        msg = (
            f"the {what} is {reprlib.repr(name)}: a folder or file is named after it, so give a text without "
            "slashes, @ and control characters that neither begins nor ends with a dot or space, nor begins with a "
            "hyphen."
        )
        raise InvalidInputError(msg)
    if name.isdecimal():
        msg = f"the {what} is {reprlib.repr(name)}: digits alone would be taken for a model_id."
        raise InvalidInputError(msg)
    if len(quote(name)) > _LONGEST:
        msg = f"the {what} {name[:40]!r}... is too long: use at most {_LONGEST} characters, fewer beyond ASCII."
        raise InvalidInputError(msg)
    return name


def file_name(model_type: str, version: str, ending: str) -> str:
    """The name of a version's file.

    Examples
    --------
    >>> file_name("XGBClassifier", "1.0.10", "pkl")
    'XGBClassifier_1_0_10.pkl'
    """
    return f"{model_type}_{version.replace('.', '_')}.{ending}"


def check_alias(alias: object) -> str:
    """Return `alias` if there is one of that name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if alias not in ALIASES:
        msg = f"the alias is {reprlib.repr(alias)}: give one of {', '.join(ALIASES)}."
        raise InvalidInputError(msg)
    return str(alias)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
