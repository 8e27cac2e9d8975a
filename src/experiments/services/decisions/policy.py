"""The policy: thresholds, margins and words of decisions, in a file a team can own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from experiments.errors import InvalidInputError
from experiments.services.settings import own_file

SETTING = "EXPERIMENTS_POLICY"
"""Environment variable that names a team's own policy."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a decision asks of the evidence; each field is told in `policy.toml`."""

    significance_level: float
    margin: float
    error_rate: float
    least_runs: int
    words: Mapping[str, str]

    @property
    def record(self) -> dict[str, Any]:
        """As it is recorded with a decision."""
        return asdict(self)


def read_policy() -> Policy:
    """The policy in force: what comes with the package, and over it the team's own.

    Raises
    ------
    InvalidInputError
        If the team's file cannot be read, has an unknown key or a value that is not accepted.
    """
    packaged = files("experiments.services.decisions").joinpath("policy.toml").read_text(encoding="utf-8")
    found = tomllib.loads(packaged)
    if (given := own_file(SETTING)) is not None:
        own, tables = given
        for name, table in tables.items():
            _check(own, name, table, found)
            found[name] |= table
    return Policy(**found["promote"], **found["prune"], words=found["words"])


def _check(own: str, name: str, table: Any, known: Mapping[str, Mapping[str, Any]]) -> None:
    if name not in known or not isinstance(table, dict):
        msg = f"{own}, named in {SETTING}, has {name!r}: it takes the tables {', '.join(known)}."
        raise InvalidInputError(msg)
    for key, value in table.items():
        if key not in known[name]:
            msg = f"{own}, named in {SETTING}, has {key!r} in [{name}]: it takes {', '.join(known[name])}."
            raise InvalidInputError(msg)
        if accepted := _refused(key, value, of_words=name == "words"):
            msg = f"{own}, named in {SETTING}, has {key} = {value!r}: give {accepted}."
            raise InvalidInputError(msg)


def _refused(key: str, value: Any, *, of_words: bool) -> str | None:
    """What a key accepts, if the value is none of it."""
    if of_words:
        return None if isinstance(value, str) and value.strip() else "a text that is not empty"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "least_runs":
        return None if type(value) is int and value >= 3 else "a whole number of at least 3"  # noqa: PLR2004  the query's
    if key == "margin":
        return None if number and 0 <= value < 1 else "a share from 0 to below 1, such as 0.05"
    return None if number and 0 < value < 1 else "a share between 0 and 1, such as 0.05"
