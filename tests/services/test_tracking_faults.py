"""The small count of benchmarks/tracking_faults.py: processes killed while they log and recover, many at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "tracking_faults.py"


def test_what_was_acknowledged_is_there_once_whoever_is_killed_and_whoever_logs_beside(tmp_path: Path) -> None:
    counts = ("--kills", "3", "--processes", "2", "--runs", "5", "--results", str(tmp_path / "results.md"))
    done = subprocess.run(
        [sys.executable, SCRIPT, *counts],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "each there once, no run left running" in done.stdout
    assert "2 processes x 5 complete runs at once: all there" in done.stdout
