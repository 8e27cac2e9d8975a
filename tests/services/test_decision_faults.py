"""The small count of benchmarks/decision_faults.py: processes that decide at once, and processes killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "decision_faults.py"


def test_of_those_who_decide_at_once_one_wins_and_who_is_killed_leaves_all_in_order(tmp_path: Path) -> None:
    counts = ("--processes", "3", "--rounds", "1", "--kills", "7", "--results", str(tmp_path / "results.md"))
    done = subprocess.run(
        [sys.executable, SCRIPT, *counts],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "1 rounds of 3 processes: one won each, 2 were told" in done.stdout
    assert "7 processes killed" in done.stdout
