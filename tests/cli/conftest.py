"""The command line, run in the process of the test."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from command import Done, Run
from experiments.cli import main as command_line


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, as its entry point does."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["experiments", *map(str, arguments)])
        code: Any = 0
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return call
