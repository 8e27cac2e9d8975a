"""Build the wheel by way of the sdist, install it in a clean environment without extras, and see that it is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMPORT_GOAL, IMPORT_LIMIT = 0.3, 1.0
"""Seconds `import experiments` should take, and may take on a busy machine."""

HEAVY = ("numpy", "pandas", "pyarrow", "pyspark", "scipy", "statsmodels")
"""What `import experiments` must leave for later."""

IMPORT_PROBE = f"""
import json, sys, time
start = time.perf_counter()
import experiments
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {HEAVY!r} if name in sys.modules]]))
"""

FILES_PROBE = """
import json
from importlib.resources import files
from pathlib import Path
root = Path(str(files("experiments")))
kept = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc"))
print(json.dumps(sorted(kept)))
"""

# Without the extras there is no engine, and every module of the science layer can be imported all the same.
EXTRAS_PROBE = """
import importlib, importlib.util, json, pkgutil
import experiments.science
present = [name for name in ("pyspark", "pysail", "deltalake", "xgboost") if importlib.util.find_spec(name)]
walk = pkgutil.walk_packages(experiments.science.__path__, "experiments.science.")
print(json.dumps([present, [importlib.import_module(module.name).__name__ for module in walk]]))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command printed, run as in a new shell: nothing but the clean environment can be imported."""
    done = attempt(*command, cwd=cwd)
    if done.returncode:
        words = " ".join(map(str, command))
        fail(f"{words[:200]}\nexited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def attempt(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def fail(message: str) -> None:
    """Say what is wrong and stop."""
    sys.exit(f"wheel check failed: {message}")


def say(message: str) -> None:
    """Report one step, at once."""
    sys.stdout.write(f"  {message}\n")
    sys.stdout.flush()


def build(target: Path) -> Path:
    """Return the wheel, built from the sdist as an index would serve it."""
    run(sys.executable, "-m", "build", "--outdir", target, ROOT, cwd=target)
    return next(target.glob("*.whl"))


def install(wheel: Path, target: Path) -> Path:
    """Return the scripts folder of a new environment that holds the wheel and what it requires, no extras."""
    venv.create(target, with_pip=True)
    scripts = target / "bin"
    constraints = ROOT / "constraints.txt"
    install = ("-m", "pip", "install", "--quiet", "--no-compile", "--constraint", constraints)
    run(scripts / "python", *install, wheel, cwd=target)
    return scripts


def check_import(scripts: Path, cwd: Path) -> None:
    """`import experiments` is quick and brings nothing heavy along."""
    answers = [json.loads(run(scripts / "python", "-c", IMPORT_PROBE, cwd=cwd)) for _ in range(3)]
    seconds, heavy = min(answers)
    say(f"import experiments: {seconds:.3f} s (goal {IMPORT_GOAL} s, limit {IMPORT_LIMIT} s)")
    if heavy:
        fail(f"import experiments also imports {', '.join(heavy)}")
    if seconds > IMPORT_LIMIT:
        fail(f"import experiments takes {seconds:.2f} s")


def check_files(scripts: Path, cwd: Path) -> None:
    """The packaged SQL files are those of the checkout, and whatever else is no Python is packaged too."""
    packaged = json.loads(run(scripts / "python", "-c", FILES_PROBE, cwd=cwd))
    source = ROOT / "src" / "experiments"
    others = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    expected = [path.as_posix() for path in others if path.suffix not in (".py", ".pyc")]
    expected += [path.relative_to(ROOT).as_posix() for path in (ROOT / "sql").rglob("*.sql")]
    say(f"files in the wheel beside Python: {len(packaged)}")
    if packaged != sorted(expected):
        fail(f"the wheel and the checkout differ in {sorted(set(packaged) ^ set(expected))}")


def check_without_extras(scripts: Path, cwd: Path) -> None:
    """The science layer imports, and the command line answers, where no engine and no model library is installed."""
    present, modules = json.loads(run(scripts / "python", "-c", EXTRAS_PROBE, cwd=cwd))
    if present:
        fail(f"{', '.join(present)} came along though no extra was asked for")
    say(f"science modules imported without extras: {len(modules)}")
    usage = run(scripts / "experiments", "--help", cwd=cwd)
    if "Usage" not in usage:
        fail(f"experiments --help shows no usage:\n{usage}")
    say("experiments --help works")
    refused = attempt(scripts / "experiments", "init", "--path", cwd / "ledger", cwd=cwd)
    if not refused.returncode or "[local]" not in refused.stderr or "Traceback" in refused.stderr:
        fail(f"without an engine, experiments init should name the extra to install:\n{refused.stdout}{refused.stderr}")
    say(f"experiments init without an engine: {refused.stderr.strip()}")


def main() -> None:
    """Run every check in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        start = time.perf_counter()
        wheel = build(scratch)
        say(f"built {wheel.name} in {time.perf_counter() - start:.0f} s")
        start = time.perf_counter()
        scripts = install(wheel, scratch / "clean")
        say(f"installed without extras in {time.perf_counter() - start:.0f} s")
        for check in (check_import, check_files, check_without_extras):
            check(scripts, scratch)


if __name__ == "__main__":
    main()
