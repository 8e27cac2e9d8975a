"""Identifiers: time-ordered ids for runs, digests for content."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def uuid7(when: dt.datetime, of: str | None = None) -> str:
    """A version 7 UUID whose time is `when`, to the millisecond (RFC 9562, section 5.7).

    Parameters
    ----------
    when : datetime.datetime
        An aware time.
    of : str, optional
        What it stands for, elsewhere named so: the same name at the same time has the same id. By default every id is
        another.

    Examples
    --------
    >>> uuid7(dt.datetime(2022, 2, 22, 19, 22, 22, tzinfo=dt.timezone.utc))[:15]
    '017f22e2-79b0-7'
    """
    # in whole numbers: timestamp() * 1000 often falls a hair, and so a millisecond, short
    milliseconds = (when - _EPOCH) // dt.timedelta(milliseconds=1)
    rest = secrets.token_bytes(10) if of is None else hashlib.sha256(of.encode()).digest()[:10]
    value = milliseconds << 80 | int.from_bytes(rest)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def time_of(identifier: str) -> dt.datetime:
    """The time in a version 7 UUID, in UTC.

    Examples
    --------
    >>> time_of("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").isoformat()
    '2022-02-22T19:22:22+00:00'
    """
    return _EPOCH + dt.timedelta(milliseconds=uuid.UUID(identifier).int >> 80)


def digest(content: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `content`, written as canonical JSON.

    Equal content has an equal digest whatever the order of its keys and whether a number or list is numpy's or
    Python's; dates are written in ISO form.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: it has no canonical form.

    Examples
    --------
    >>> digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=plain, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """What JSON knows no form for, in one it knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)  # the order of a set of strings differs between processes
    if hasattr(value, "tolist"):
        return value.tolist()  # numpy, not named here: this layer is the standard library's
    return str(value)
