"""The scripts that kill and race processes, at a small count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

SMALL = {
    "decision_faults": "--processes 3 --rounds 1 --kills 4",
    "tracking_faults": "--kills 3 --processes 2 --runs 5",
    "registry_faults": "--kills 4 --processes 2 --saves 2",
}

SAID = {
    "decision_faults": ["1 rounds of 3 processes: one won each, 2 were told", "4 processes killed"],
    "tracking_faults": [
        "each there once, no run left running",
        "2 processes x 5 complete runs at once: all there",
    ],
    "registry_faults": [
        "none was lost; no version without its file",
        "2 processes saving 4 versions each at once",
        "none loaded, no code in one run",
    ],
}


@pytest.mark.parametrize("script", SMALL)
def test_nothing_is_lost_or_doubled_whoever_is_killed_and_whoever_is_at_it_too(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{script}.py", *SMALL[script].split(), "--results", tmp_path / "results.md"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert [words for words in SAID[script] if words not in done.stdout] == []
