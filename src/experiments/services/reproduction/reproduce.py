"""Run a run again, from the commit it was made with, and see whether it logs the same."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.errors import InvalidInputError
from experiments.services import provenance
from experiments.services.reproduction import code
from experiments.services.reproduction import command as commands
from experiments.services.reproduction.agreement import Agreement, compare_points
from experiments.services.reproduction.snapshot import MACHINE_ONLY, Difference, compare, of_row
from experiments.services.reproduction.worktree import checked_out, repository_with
from experiments.services.tracking.rows import DIFF, MASK, RUNNING, reproduces
from experiments.services.tracking.tracking import REPRODUCES
from experiments.storage.table import records, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.services.ledger import Ledger
    from experiments.services.tracking.runs import Run

_NAMED = 5
"""Untracked files a note names."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What it takes to run a run again; `diff` is the SHA-256 of what its code had that the commit has not."""

    experiment_id: str
    name: str
    parent_id: str | None
    commit: str
    remote: str | None
    command: tuple[str, ...]
    folder: str
    diff: dict[str, Any] | None
    variables: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A run and its repetition.

    Attributes
    ----------
    experiment_id : str
        The run.
    again : str or None
        Its repetition, a run of the same ledger with the tag "reproduces=" and the run's id; None where it made none.
    verdict : str
        "same" where every point of every metric is the same to the bit, "different", or "failed".
    told : str
        The verdict in words.
    exit_code : int or None
        Of the command; None where it was ended at the timeout.
    seconds : float
        It took.
    environment : tuple of Difference
        What differs between the machine and packages then and now.
    metrics : tuple of Agreement
    notes : tuple of str
        What could not be made as it was.
    output : tuple of str
        The last lines the command printed.
    worktree : str or None
        Where the code was left, if it was to be kept.
    """

    experiment_id: str
    again: str | None
    verdict: str
    told: str
    exit_code: int | None
    seconds: float
    environment: tuple[Difference, ...]
    metrics: tuple[Agreement, ...]
    notes: tuple[str, ...]
    output: tuple[str, ...]
    worktree: str | None = None


def reproduce(
    ledger: Ledger,
    experiment_id: str,
    *,
    folder: Path | None = None,
    keep: bool = False,
    timeout: float | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Reproduction:
    """Check a run's code out beside the repository, run its command again and compare what it logs.

    The repetition is a run of the same ledger, tagged "reproduces=" and the run's id. It sees the commit and the diff
    that were recorded, the recorded environment variables, the packages as they are now. This runs code.

    Parameters
    ----------
    ledger : Ledger
        With the run; the command writes its repetition to the same one.
    experiment_id : str
        The run, or the beginning of its id.
    folder : Path, optional
        In the repository of the run; by default the current one.
    keep : bool
        Whether to leave the checked out code where it was run.
    timeout : float, optional
        Seconds after which the command is ended.
    progress : callable, optional
        Told what is done, and each line the command prints after "| ".

    Raises
    ------
    NotFoundError
        If there is no such run, repository or commit in it, or the script is not in the commit.
    InvalidInputError
        If the run cannot be run again by what is recorded of it, or the timeout is not positive.
    EngineError
        If the commit cannot be checked out, or the diff kept with the run is damaged.
    """
    from experiments.services.tracking.runs import points, read_run

    if timeout is not None and (type(timeout) not in (int, float) or not timeout > 0):
        msg = f"the timeout is {timeout!r}: give seconds, a number above 0."
        raise InvalidInputError(msg)
    run = read_run(ledger.engine, experiment_id)
    recipe = recipe_of(run)
    top = repository_with(recipe.commit, folder, recipe.remote)
    before = points(ledger.engine, recipe.experiment_id)
    differences = _environment(ledger, run)
    diff = _diff(ledger, recipe)
    progress(f"checking out {recipe.commit[:12]}{' and its diff' if diff else ''}")
    with checked_out(top, recipe.commit, diff=diff, keep=keep) as tree:
        call = commands.in_worktree(recipe.command, top=top, tree=tree, folder=recipe.folder)
        known = {str(row["experiment_id"]) for row in repetitions(ledger, recipe.experiment_id)}
        progress(f"running {' '.join(recipe.command)}")
        started = time.perf_counter()
        exit_code, output = commands.run(
            call,
            folder=_working_folder(tree, recipe),
            environment=_variables(ledger, recipe, commands.import_path(top, tree)),
            timeout=timeout,
            heard=lambda line: progress(f"| {line}"),
        )
        seconds = time.perf_counter() - started
    made = [row for row in repetitions(ledger, recipe.experiment_id) if str(row["experiment_id"]) not in known]
    again = _counterpart(recipe, made)
    agreements = () if again is None else tuple(compare_points(before, points(ledger.engine, again)))
    verdict, told = _verdict(recipe, exit_code, again, agreements, timeout)
    notes = _notes(ledger, run, recipe, top)
    if len(made) > 1:
        notes.append(f"the command made {counted(len(made), 'run')}: the one of the same name is compared")
    if verdict == "different" and run.environment is not None and "PYTHONHASHSEED" not in recipe.variables:
        notes.append("PYTHONHASHSEED was not set, then and now: sets of text come in another order each time")
    return Reproduction(
        experiment_id=recipe.experiment_id,
        again=again,
        verdict=verdict,
        told=told,
        exit_code=exit_code,
        seconds=seconds,
        environment=tuple(differences),
        metrics=agreements,
        notes=tuple(notes),
        output=output,
        worktree=str(tree) if keep else None,
    )


def repetitions(ledger: Ledger, experiment_id: str) -> list[dict[str, Any]]:
    """The runs that repeat a run, the first made first."""
    return records(select(ledger.engine, "reproductions_of", tag=reproduces(experiment_id)))


def recipe_of(run: Run) -> Recipe:
    """What it takes to run a run again.

    Raises
    ------
    InvalidInputError
        If that is not all recorded: the message says what is missing.
    """
    row = run.row
    recorded = [str(part) for part in _listed(row.get("command"))]
    refusal = _refusal(run, recorded)
    if refusal:
        msg = f"run {row['experiment_id']} ({row['name']}) cannot be reproduced: {refusal}."
        raise InvalidInputError(msg)
    kept = [one for one in run.artifacts.to_dict("records") if one["name"] == DIFF]
    variables = dict((run.environment or {}).get("variables") or {})
    return Recipe(
        experiment_id=str(row["experiment_id"]),
        name=str(row["name"]),
        parent_id=row.get("parent_id"),
        commit=str(row["git_commit"]),
        remote=row.get("git_remote"),
        command=tuple(recorded),
        folder=str(row.get("working_folder") or "."),
        diff={str(name): value for name, value in kept[-1].items()} if row.get("git_dirty") else None,
        variables={str(name): str(value) for name, value in variables.items()},
    )


def _refusal(run: Run, recorded: Sequence[str]) -> str | None:
    """Why a run cannot be run again; None where it can."""
    row = run.row
    folder = Path(str(row.get("working_folder") or "."))
    reasons = (
        (
            row["experiment_type"] == "backtest",
            "it is an evaluation of a backtest, whose figures follow from its stored forecasts: see 'experiments "
            "evaluate', or repeat it with 'experiments backtest'",
        ),
        (
            row.get("imported_from") is not None,
            f"it was imported from {row.get('imported_from')}, and what ran there is not recorded here",
        ),
        (row["status"] == RUNNING, "it is still running"),
        (row.get("git_commit") is None, "no commit is recorded, as its code was in no git repository with a commit"),
        (
            not recorded or not commands.is_script(recorded),
            "no command is recorded that could be given again: it was started from a notebook or interactively",
        ),
        (
            any(MASK in part for part in recorded),
            f"what looks like a secret in its command was not recorded: {' '.join(recorded)}",
        ),
        (
            bool(row.get("git_dirty")) and DIFF not in set(run.artifacts["name"]),
            f"its code had changes that are not in commit {row.get('git_commit')}, and they were not kept",
        ),
        (folder.is_absolute() or ".." in folder.parts, f"it was started in {folder}, outside of the repository"),
        (not len(run.metrics), "it logged no metrics that could be compared"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _listed(value: Any) -> list[Any]:
    """The items of an array column; none for NULL."""
    return [] if value is None or isinstance(value, float) else list(value)


def _environment(ledger: Ledger, run: Run) -> list[Difference]:
    if run.environment is None:
        return []
    now = provenance.environment(ledger.engine.cluster, whole=True)
    stored, found = of_row(run.environment), of_row(now)
    for one in (stored, found):  # the command is given those that were recorded
        one["environment_variables"] = {
            name: value for name, value in one["environment_variables"].items() if name in MACHINE_ONLY
        }
    return compare(stored, found)


def _diff(ledger: Ledger, recipe: Recipe) -> bytes | None:
    """What the run's code had that its commit has not, found to have its SHA-256."""
    if recipe.diff is None:
        return None
    from experiments.services.tracking.artifacts import holder_of

    sha256 = str(recipe.diff["sha256"])
    with holder_of(ledger, sha256, str(recipe.diff["location"])).open(sha256) as content:
        return content.read()


def _working_folder(tree: Path, recipe: Recipe) -> Path:
    folder = tree / recipe.folder
    folder.mkdir(parents=True, exist_ok=True)  # git keeps no empty folders
    return folder


def _variables(ledger: Ledger, recipe: Recipe, import_path: str | None) -> dict[str, str]:
    """The variables the command sees: ours, those recorded, and where and as what it is to be recorded."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for name in set(provenance.VARIABLES) - MACHINE_ONLY:
        found.pop(name, None)
    found |= {name: value for name, value in recipe.variables.items() if name not in MACHINE_ONLY}
    if import_path is not None:
        found["PYTHONPATH"] = import_path
    if ledger.path is not None:
        found["EXPERIMENTS_PATH"] = str(ledger.path.resolve())
        found["EXPERIMENTS_ENGINE"] = ledger.engine.name
    return found | {"EXPERIMENTS_SCHEMA": ledger.schema, REPRODUCES: recipe.experiment_id, "PYTHONUNBUFFERED": "1"}


def _counterpart(recipe: Recipe, made: Sequence[dict[str, Any]]) -> str | None:
    """Which of the runs a command made repeats the run: the first of its name, at its place in the hierarchy."""
    is_child = recipe.parent_id is not None
    same_name = [row for row in made if row["name"] == recipe.name]
    same_place = [row for row in same_name if isinstance(row["parent_id"], str) == is_child]
    found = next(iter(same_place or same_name or (made if len(made) == 1 else [])), None)
    return None if found is None else str(found["experiment_id"])


def _verdict(
    recipe: Recipe, exit_code: int | None, again: str | None, metrics: Sequence[Agreement], timeout: float | None
) -> tuple[str, str]:
    if exit_code is None:
        return "failed", f"the command was ended after {timeout:g} s; nothing is said of its metrics"
    if exit_code:
        return "failed", f"the command ended with exit code {exit_code}: the run was not reproduced"
    if again is None:
        return "failed", (
            f"the command made no run of the name {recipe.name!r} in this ledger: either it opens another one by "
            "itself, or it starts none"
        )
    different = [one for one in metrics if not one.same]
    if not different:
        n_points = sum(one.n_points for one in metrics)
        return "same", (
            f"reproduced: {counted(len(metrics), 'metric')}, {counted(n_points, 'point')}, all the same to the bit"
        )
    worst = max(different, key=lambda one: one.largest_relative)
    size = f", by up to {worst.largest_relative:.2g} of its value ({worst.name})" if worst.n_different else ""
    return "different", f"not reproduced: {len(different)} of {counted(len(metrics), 'metric')} not the same{size}"


def _notes(ledger: Ledger, run: Run, recipe: Recipe, top: Path) -> list[str]:
    """What could not be made as it was."""
    notes = []
    if run.environment is None:
        notes.append("no environment is recorded, so none is compared")
    if run.row.get("random_seed") is None:
        notes.append("the run has no recorded seed")
    if here := [name for name in code.state(top).untracked if not _holds(top / name, ledger.path)]:
        more = f" and {len(here) - _NAMED} more" if len(here) > _NAMED else ""
        notes.append(f"files git does not track here were not there: {', '.join(here[:_NAMED])}{more}")
    return notes


def _holds(path: Path, folder: Path | None) -> bool:
    """Whether the ledger's folder is this path or below it."""
    return folder is not None and folder.resolve().is_relative_to(path.resolve())
