"""Decisions under faults: processes that promote at once, and processes killed at every step of a decision.

In each round all processes promote a model of their own on evidence read before the round: one must win, the others be
told, one decision be added and one evaluation be in production. Killed processes promote, roll back, prune or restore;
afterwards, before anything is repaired, no two evaluations may be in production, and after the next connection what is
in production must follow from the decisions, each with its evidence, and the same must be possible again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import HERE, Report, environment, parser, say
from decisions_side import COMMODITY, STEPS
from evaluations_side import fill

SIDE = HERE / "decisions_side.py"


def main() -> None:
    """Run both, and keep what came out."""
    options = parser(__doc__)
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--kills", type=int, default=100)
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        path = Path(temporary) / "ledger"
        fill(path, 2 * given.processes, named="model", first=0)
        add_hopeless(path)
        if given.rounds:
            report.note(race(path, given.processes, given.rounds))
        if given.kills:
            report.note(kills(path, given.kills))
    report.finish()


def add_hopeless(path: Path) -> None:
    """A model that pruning finds."""
    from evaluations_side import windows

    from experiments import connect

    with connect(path) as ledger:
        for results in windows(0, 0):
            results["y_hat"] = [1.5 * results["day0"]] * len(results["y"])
            config = {"commodity": COMMODITY, "model_type": "Baseline", "n_windows": 8}
            config |= {"training_start_date": "2010-01-04", "data_as_of": "2012-04-20"}
            ledger.log_experiment("hopeless", results, config)


def race(path: Path, processes: int, rounds: int) -> str:
    """All promote at once, again and again; what is wrong ends the benchmark."""
    from experiments import connect

    say(f"{processes} processes, {rounds} rounds")
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, SIDE, "rounds", path, str(number), str(rounds)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number in range(processes)
    ]
    with connect(path) as ledger:
        for turn in range(rounds):
            _wait(path, f"ready {turn} *", processes, running)
            before = _decisions(ledger)
            (path / f"go {turn}").touch()
            _wait(path, f"done {turn} *", processes, running)
            if (added := _decisions(ledger) - before) != 1:
                sys.exit(f"round {turn} added {added} decisions")
            _check(ledger)
    told: Counter[str] = Counter()
    won: Counter[int] = Counter()
    for process in running:
        for line in process.communicate()[0].splitlines():
            end = json.loads(line)
            told[end["told"].partition(":")[0]] += 1
            won[end["turn"]] += end["told"] == "won"
    expected = {"won": rounds, "ConflictError": rounds * (processes - 1)}
    if told != expected or set(won.values()) != {1}:
        sys.exit(f"{expected} was expected, {told} came out")
    seconds = time.perf_counter() - started
    return (
        f"{rounds} rounds of {processes} processes: one won each, {processes - 1} were told, one decision and one "
        f"evaluation in production after each ({seconds / rounds:.1f} s a round)"
    )


def kills(path: Path, count: int) -> str:
    """Processes killed on the way, one after another; what is wrong ends the benchmark."""
    from experiments import connect

    rng = random.Random(1)  # noqa: S311  no secret
    kinds: Counter[str] = Counter()
    recorded = 0
    for number in range(count):
        with connect(path) as ledger:
            before, pruned = _decisions(ledger), not ledger.sql("select * from pruned_models").empty
            champions = ledger.sql("select model_name from champions")["model_name"].tolist()
        step = STEPS[number % len(STEPS)]
        what = ("restore" if pruned else "prune") if number % 2 or "registry" in step or "text" in step else "promote"
        if what == "promote":
            what = "rollback" if champions and rng.random() < 0.3 else _other(champions, rng)  # noqa: PLR2004  a third
        done = subprocess.run(
            [sys.executable, SIDE, "die", path, what, step, str(number)],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        kind = what if what in ("prune", "restore", "rollback") else "promote"
        kinds[f"{kind}{'' if done.returncode == -9 else ' (done before)'}"] += 1  # noqa: PLR2004  SIGKILL
        if done.returncode not in (0, 1, -9):
            sys.exit(f"{what} ended with {done.returncode}: {done.stderr}")
        if (two := _in_production_on_disk(path)) > 1:
            sys.exit(f"{what}, killed {step}: {two} evaluations in production")
        with connect(path) as ledger:
            _check(ledger)
            if not 0 <= _decisions(ledger) - before <= 1:
                sys.exit(f"{what}, killed {step}: several decisions")
            recorded += _decisions(ledger) - before
            os.environ["EXPERIMENTS_REGISTRY"] = str(path / "registry.toml")
            ledger.decisions.update_registry()
        if number % 10 == 9:  # noqa: PLR2004
            say(f"{number + 1} of {count} killed")
    listed = ", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items()))
    return (
        f"{count} processes killed ({listed}), {recorded} of them with their decision recorded: never two evaluations "
        "in production, never a decision without its evidence, and what is in production followed from the decisions"
    )


def _other(champions: list[str], rng: random.Random) -> str:
    return rng.choice([name for name in ("model 0", "model 1", "model 2") if name not in champions])


def _wait(path: Path, pattern: str, count: int, running: list[subprocess.Popen[str]]) -> None:
    while len(list(path.glob(pattern))) < count:
        if any(process.poll() for process in running):
            sys.exit("a process failed")
        time.sleep(0.005)


def _decisions(ledger: Any) -> int:
    return int(ledger.sql("select count(*) as n from decisions")["n"].item())


def _in_production_on_disk(path: Path) -> int:
    """Evaluations in production as the files have it, before anything is repaired."""
    from deltalake import DeltaTable

    flags = DeltaTable(str(path / "experiments" / "model_runs")).to_pyarrow_table(columns=["is_production"])
    return sum(flags["is_production"].to_pylist())


def _check(ledger: Any) -> None:
    """What is in production follows from the decisions, and each has its evidence."""
    marked = ledger.sql("select experiment_id from model_runs where is_production")["experiment_id"]
    champions = ledger.sql("select experiment_id from champions")["experiment_id"]
    if sorted(marked) != sorted(champions) or len(champions) > 1:
        sys.exit(f"in production: {[*marked]}; by the decisions: {[*champions]}")
    if problems := [one.problems for one in ledger.audit() if one.problems]:
        sys.exit(f"a decision does not hold: {problems[0]}")


if __name__ == "__main__":
    main()
