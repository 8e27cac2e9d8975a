"""A process that decides, for decision_faults.py: in rounds together with others, or until it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMODITY = "Coffee"
STEPS = (
    "before the decision is merged",
    "after it is merged",
    "before is_production is merged",
    "after it is merged too",
    "before the active registry is written",
    "before its new text takes the place of the old",
    "at any moment",
)
LONGEST = 1.0
"""Seconds that a kill at any moment is put off at most, from the connection on."""


def main() -> None:
    """Decide as told."""
    if sys.argv[1] == "rounds":
        rounds(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        die(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))


def rounds(path: Path, number: int, count: int) -> None:
    """Promote a model of its own in every round, on evidence read before the round begins; print how each ended."""
    from experiments import ExperimentsError, connect
    from experiments.services.decisions.rules import code_of

    with connect(path) as ledger:
        for turn in range(count):
            model = f"model {2 * number + turn % 2}"
            shown = code_of([ledger.decisions.evidence_for(model, COMMODITY).grounds])
            (path / f"ready {turn} {number}").touch()
            while not (path / f"go {turn}").exists():
                time.sleep(0.005)
            try:
                ledger.decisions.promote(model, COMMODITY, force=True, reason="a race", shown=shown)
                told = "won"
            except ExperimentsError as error:
                told = f"{type(error).__name__}: {error}"
            print(json.dumps({"turn": turn, "model": model, "told": told}), flush=True)
            (path / f"done {turn} {number}").touch()


def die(path: Path, what: str, step: str, seed: int) -> None:
    """Decide once and be killed on the way."""
    from experiments import connect

    os.environ["EXPERIMENTS_REGISTRY"] = str(path / "registry.toml")
    with connect(path) as ledger:
        desk = ledger.decisions
        kill_at(step, random.Random(seed))  # noqa: S311  no secret
        if what == "prune":
            desk.prune(COMMODITY)
        elif what == "restore":
            desk.restore("hopeless", COMMODITY)
        elif what == "rollback":
            desk.rollback(COMMODITY)
        else:
            desk.promote(what, COMMODITY, force=True, reason="to be killed")


def kill_at(step: str, rng: random.Random) -> None:
    """Arrange for this process to be killed at a step."""
    from experiments.services.decisions import active, chain, desk

    merge, project = chain.merge_together, desk.project

    def killed(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    def killed_after(done: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **how: Any) -> Any:
            done(*given, **how)
            killed()

        return call

    if step == STEPS[0]:
        chain.merge_together = killed
    elif step == STEPS[1]:
        chain.merge_together = killed_after(merge)
    elif step == STEPS[2]:
        desk.project = killed
    elif step == STEPS[3]:
        desk.project = killed_after(project)
    elif step == STEPS[4]:
        active.write_pruned = killed
    elif step == STEPS[5]:
        Path.replace = killed  # type: ignore[method-assign,assignment]
    else:
        threading.Timer(rng.uniform(0, LONGEST), killed).start()


if __name__ == "__main__":
    main()
