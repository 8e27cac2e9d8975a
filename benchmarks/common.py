"""What the benchmarks share: processes timed in alternation, and a report that is printed and kept."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

HERE = Path(__file__).parent
RESULTS = Path(os.path.relpath(HERE)) / "results.md"
PACKAGES = ("pysail", "pyspark", "deltalake", "pandas", "pyarrow", "numpy")

Command = Sequence[str | Path]
T = TypeVar("T")


def parser(description: str | None, *, mlflow: bool = False) -> argparse.ArgumentParser:
    """A parser with the options every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--results", type=Path, default=RESULTS, help="file whose section of this benchmark is replaced (%(default)s)"
    )
    if mlflow:
        made.add_argument(
            "--mlflow-python",
            type=os.path.abspath,
            default=sys.executable,
            help="interpreter that has mlflow installed (by default this one)",
        )
    return made


def environment() -> dict[str, str]:
    """The environment of every process measured.

    Byte code is kept, as on any machine after the first use; MLflow does not phone home, which only makes it faster.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EXPERIMENTS_", "MLFLOW_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def experiments() -> list[str]:
    """The command `experiments` of the interpreter that runs the benchmark."""
    script = Path(sys.executable).with_name("experiments")
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "from experiments.cli.main import main; main()"]


def output(command: Command, *, cwd: Path | None = None) -> str:
    """What a command prints; a failure ends the benchmark with what the command said."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=environment(), cwd=cwd
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def answer(command: Command, *, cwd: Path | None = None) -> Any:
    """The JSON a command prints, on the last line where it prints more."""
    text = output(command, cwd=cwd).strip()
    return json.loads(text if text.startswith(("[", "{")) else text.splitlines()[-1])


@dataclass(frozen=True)
class Spent:
    """Seconds of a whole process: on the clock, and of processor time in all its threads and children."""

    wall: float
    cpu: float


def whole_process(command: Command, *, cwd: Path | None = None) -> Spent:
    """Seconds from starting a process to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    output(command, cwd=cwd)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def alternate(jobs: Mapping[str, Callable[[], T]], *, runs: int, warm_up: bool = True) -> dict[str, list[T]]:
    """Run every job in turn, `runs` times over: A B, B A, A B ..., so that a slow minute meets all of them."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for turn in range(-1 if warm_up else 0, runs):
        for name in list(jobs) if turn % 2 == 0 else list(reversed(jobs)):
            say(f"{'warm-up' if turn < 0 else f'run {turn + 1} of {runs}'}: {name}")
            result = jobs[name]()
            if turn >= 0:
                found[name].append(result)
    return found


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def mlflow_version(python: str) -> str:
    """MLflow's version in an interpreter; without one the benchmark ends here."""
    done = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('mlflow'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit("mlflow is not installed here: pip install -c constraints.txt -e '.[bench]', or give --mlflow-python.")
    return done.stdout.strip()


@dataclass
class Report:
    """One benchmark's figures: printed, and kept as a section of the results file."""

    arguments: argparse.Namespace
    mlflow: str | None = None
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        script = Path(sys.argv[0]).name
        options = " ".join(
            f"--{name.replace('_', '-')} {value}"
            for name, value in vars(self.arguments).items()
            if value is not None and not isinstance(value, Path) and not name.endswith("_python")
        )
        packages = [f"{name} {version(name)}" for name in PACKAGES] + ([f"mlflow {self.mlflow}"] if self.mlflow else [])
        self.lines = [
            f"## {script}",
            "",
            f"- {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}: `benchmarks/{script} {options}`",
            f"- {os.cpu_count()} cores ({_processor()}), {_gibibytes():.0f} GiB, {platform.system()} "
            f"{platform.machine()}; load when started {os.getloadavg()[0]:.1f}",
            f"- Python {platform.python_version()}, {', '.join(packages)}",
        ]
        say("\n".join(self.lines[2:]))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table: text left, figures right."""
        self.lines += ["", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]
        self.lines.append("")

    def seconds(self, figures: Mapping[str, Sequence[float]]) -> None:
        """A table of seconds: median and range."""
        rows = [
            [name, _short(median(s)), f"{_short(min(s))} to {_short(max(s))}", str(len(s))]
            for name, s in figures.items()
        ]
        self.table(("seconds", "median", "range", "runs"), rows)

    def ratio(self, what: str, value: float, *, most: float | None = None, least: float | None = None) -> None:
        """A ratio, and whether the goal is met."""
        goal = ""
        if most is not None:
            goal = f" (goal: at most {most:g}; {'met' if value <= most else '**missed**'})"
        if least is not None:
            goal = f" (goal: at least {least:g}; {'met' if value >= least else '**missed**'})"
        self.lines.append(f"- {what}: **{value:,.2f}**{goal}")

    def note(self, text: str) -> None:
        """A sentence."""
        self.lines.append(f"- {text}")

    def finish(self) -> None:
        """Print the report, and put it in the place of this benchmark's section of the results file."""
        section = "\n".join(self.lines).replace("\n\n\n", "\n\n").rstrip() + "\n"
        print(section)
        path: Path = self.arguments.results
        heading, *sections = path.read_text(encoding="utf-8").split("\n## ") if path.exists() else [_HEADING]
        kept = {text.partition("\n")[0]: f"## {text.strip()}\n" for text in sections}
        kept[self.lines[0].removeprefix("## ")] = section
        path.write_text("\n".join([heading.strip() + "\n", *(kept[name] for name in sorted(kept))]), encoding="utf-8")


_HEADING = """# Results

Written by the scripts in this folder, each its own section: do not edit. Figures are medians; compare them only
within a section, where they come from alternating runs on one machine."""


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}"


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=False).stdout.strip()

    found = git("rev-parse", "--short", "HEAD")
    return (found + ("+changes" if git("status", "--porcelain", "--", "../src", "../sql") else "")) or "none"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    named = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return named[0] if named else platform.processor() or "processor not named"


def _gibibytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
