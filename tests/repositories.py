"""Git repositories made for a test, with a small training script in them."""

from __future__ import annotations

import subprocess
from pathlib import Path

TRAIN = """
import random
import sys
from pathlib import Path

from experiments.services.reproduction.seeds import set_deterministic_seeds
from experiments.services.tracking.tracker import ExperimentTracker

RATE = 1

set_deterministic_seeds(42)
print("rate", RATE)
with ExperimentTracker() as tracker:
    tracker.start_experiment("training", "training", random_seed=42)
    tracker.log_hyperparameters_batch({"rate": RATE, "layers": [64, 64]})
    for step in range(3):
        tracker.log_metric("loss", random.gauss(0, 1) / 3 * RATE, step=step)
    tracker.log_metric("loss", float("nan"), step=3)
    tracker.log_metric("f1_score", 0.71)
    tracker.log_artifact(b"<svg/>", "plots/loss.svg")
    tracker.log_artifact(b"the first\\n", "out.log")
    tracker.log_artifact(b"the second\\n", "out.log")
    if "wild" in sys.argv:
        tracker.log_metric("wild", random.SystemRandom().random())
"""
"""A run that draws its metrics by the seed and, if asked to, one that no seed determines."""


def git(folder: Path, *arguments: str) -> str:
    settings = (
        "user.name=tester",
        "user.email=tester@example.org",
        "commit.gpgsign=false",
        "protocol.file.allow=always",
    )
    given = [part for one in settings for part in ("-c", one)]
    done = subprocess.run(["git", *given, *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.strip()


def made_repository(top: Path) -> Path:
    """A repository with one commit: `train.py` and the folder `work`."""
    (top / "work").mkdir(parents=True)
    (top / "work" / "rate.py").write_text("rate = 1\n")
    (top / "train.py").write_text(TRAIN)
    git(top, "init", "--quiet", "--initial-branch", "trunk")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "first")
    return top
