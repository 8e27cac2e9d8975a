"""Names of artifacts: relative paths that can be written below any folder."""

from __future__ import annotations

import reprlib
from pathlib import PurePosixPath, PureWindowsPath

from experiments.definitions import storable
from experiments.errors import InvalidInputError
from experiments.services.tracking.values import LONGEST_NAME

LONGEST_PART = 255
"""Bytes in UTF-8 of a file's or folder's own name: what file systems take."""


def checked_name(name: object) -> str:
    """Return `name` if an artifact can have it: a file of that name can be written below any folder.

    Raises
    ------
    InvalidInputError
        If it is no relative path, has '..', a backslash or a drive, more than 500 characters, or a part of more than
        255 bytes in UTF-8.
    """
    checked = storable("the name of an artifact", relative(name))
    if "\\" in checked or PureWindowsPath(checked).drive:
        msg = (
            f"the name of an artifact is {reprlib.repr(checked)}: give a relative path with slashes, such as "
            "plots/loss.png, without a backslash or a drive."
        )
        raise InvalidInputError(msg)
    if len(checked) > LONGEST_NAME:
        msg = (
            f"the name of an artifact, {reprlib.repr(checked)}, has {len(checked):,} characters: give one of at most "
            f"{LONGEST_NAME}."
        )
        raise InvalidInputError(msg)
    for part in PurePosixPath(checked).parts:
        if (size := len(part.encode())) > LONGEST_PART:
            msg = (
                f"the name of an artifact has a part {reprlib.repr(part)} of {size:,} bytes: file systems take "
                f"{LONGEST_PART} at most, between two slashes."
            )
            raise InvalidInputError(msg)
    return checked


def relative(name: object) -> str:
    """Return `name` if it is a path that cannot lead out of the folder it is taken from.

    Raises
    ------
    InvalidInputError
        If it is no text, empty, absolute, or has '..'.
    """
    path = PurePosixPath(name) if isinstance(name, str) and name.strip() and "\0" not in name else None
    if path is None or path.is_absolute() or ".." in path.parts or not path.parts:
        msg = (
            f"the name of an artifact is {reprlib.repr(name)}: give a relative path such as plots/loss.png, "
            "without '..'."
        )
        raise InvalidInputError(msg)
    return str(name)
