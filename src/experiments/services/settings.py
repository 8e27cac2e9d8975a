"""Files of a team's own that an environment variable names."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from experiments.errors import InvalidInputError


def own_file(setting: str) -> tuple[str, dict[str, Any]] | None:
    """The file that an environment variable names, and the TOML in it; None where it is not set.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    """
    own = os.environ.get(setting)
    if not own:
        return None
    try:
        return own, tomllib.loads(Path(own).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{setting} names {own!r}, which cannot be read as TOML: {error}."
        raise InvalidInputError(msg) from error
