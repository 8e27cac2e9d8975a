"""What a run of the command line leaves: its exit code and what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed, as strict JSON: NaN and Infinity are none."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


Run = Callable[..., Done]


def refused(done: Done, words: str, code: int = 1) -> bool:
    """Whether it ended with this code and exactly one line on standard error that has these words."""
    one_line = done.err.startswith("error: ") and done.err.endswith("\n") and done.err.count("\n") == 1
    return done.code == code and done.out == "" and one_line and words in done.err
