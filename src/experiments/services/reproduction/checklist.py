"""The reproducibility checklist of the specification, answered for a run from what is recorded of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.services.reproduction.agreement import compare_points
from experiments.services.reproduction.reproduce import repetitions
from experiments.services.reproduction.snapshot import MATTER
from experiments.services.tracking.rows import DIFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from experiments.services.ledger import Ledger
    from experiments.services.tracking.runs import Run

YES, NO, UNKNOWN, NOT_APPLICABLE = "yes", "no", "unknown", "does not apply"

F1_TARGET = 0.70
"""The least F1 score the specification asks for."""

SEED = 42
"""The seed the specification asks for."""

REQUIRED = (
    *("name", "experiment_type", "status", "started_at", "ended_at", "random_seed", "git_commit", "git_branch"),
    *("python_version", "environment_id", "run_by", "command"),
)
"""Fields of a run that have to be filled."""

GENERATORS = ("numpy", "tensorflow", "torch")
"""Packages with random numbers of their own that a seed can determine for the whole process."""

_PINS = re.compile(
    r"(requirements|constraints)[^/]*\.(txt|in)$|environment\.ya?ml$|(^|/)(poetry|uv|pdm|conda|pylock)[^/]*\.(lock|toml|yml)$"
    r"|(^|/)Pipfile\.lock$"
)
_F1 = re.compile(r"(^|[^a-z0-9])f1($|[^a-z0-9])")
_CALIBRATION = re.compile(r"calibrat|brier|(^|[^a-z])ece($|[^a-z])")
_IMPORTANCE = re.compile(r"importance|shap")

Answer = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item of the checklist: `answer` is yes, no, unknown or does not apply, `seen` what it rests on."""

    section: str
    item: str
    answer: str
    seen: str


@dataclass(frozen=True, kw_only=True)
class Checklist:
    """The checklist of a run."""

    experiment_id: str
    name: str
    items: tuple[Item, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many items have each answer."""
        return {
            answer: sum(one.answer == answer for one in self.items) for answer in (YES, NO, UNKNOWN, NOT_APPLICABLE)
        }


@dataclass(frozen=True, kw_only=True)
class _Repetition:
    """A repetition of the run asked about: what both have in common, and the metrics that came out otherwise."""

    same_seed: bool
    same_commit: bool
    same_environment: bool
    metrics: tuple[str, ...]
    different: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the answers rest on."""

    run: Run
    repetitions: tuple[_Repetition, ...]
    dataset_version: str | None

    @property
    def row(self) -> dict[str, Any]:
        return self.run.row

    @property
    def packages(self) -> dict[str, str]:
        return dict((self.run.environment or {}).get("packages") or {})

    def metrics(self, named: re.Pattern[str]) -> list[str]:
        """The metrics with such a name."""
        return [str(name) for name in self.run.metrics["name"] if named.search(str(name).lower())]

    def artifacts(self, artifact_type: str | None = None) -> list[dict[str, Any]]:
        """The artifacts, of one type."""
        rows = self.run.artifacts.to_dict("records")
        return [
            {str(name): value for name, value in row.items()}
            for row in rows
            if artifact_type in (None, row["artifact_type"])
        ]


def checklist(ledger: Ledger, experiment_id: str) -> Checklist:
    """Answer the specification's reproducibility checklist for a run, all twenty items, in its words.

    Answers follow from what is recorded alone: what is not recorded is unknown, what the run is not concerned by does
    not apply. That a run gives the same again is seen from its repetitions, see `reproduce`.

    Parameters
    ----------
    ledger : Ledger
    experiment_id : str
        The run, or the beginning of its id.

    Raises
    ------
    NotFoundError
        If there is no such run.
    InvalidInputError
        If more than one begins so.
    """
    from experiments.services.tracking.runs import read_run

    run = read_run(ledger.engine, experiment_id)
    facts = _Facts(run=run, repetitions=_repetitions(ledger, run), dataset_version=_dataset_version(ledger, run))
    items = tuple(
        Item(section=section, item=item, answer=answer, seen=seen)
        for section, asked in ITEMS.items()
        for item, ask in asked
        for answer, seen in [ask(facts)]
    )
    return Checklist(experiment_id=str(run.row["experiment_id"]), name=str(run.row["name"]), items=items)


def _repetitions(ledger: Ledger, run: Run) -> tuple[_Repetition, ...]:
    """The completed repetitions of a run; one that failed says nothing of its metrics."""
    from experiments.services.tracking.runs import points

    row = run.row
    made = [one for one in repetitions(ledger, str(row["experiment_id"])) if one["status"] == "completed"]
    if not made:
        return ()
    before = points(ledger.engine, str(row["experiment_id"]))
    found = []
    for one in made:
        if one["name"] != row["name"]:  # a run beside it that the same command starts
            continue
        agreements = compare_points(before, points(ledger.engine, str(one["experiment_id"])))
        found.append(
            _Repetition(
                same_seed=row.get("random_seed") is not None and one["random_seed"] == row["random_seed"],
                same_commit=row.get("git_commit") is not None and one["git_commit"] == row["git_commit"],
                same_environment=one["environment_id"] == row.get("environment_id"),
                metrics=tuple(each.name for each in agreements),
                different=tuple(each.name for each in agreements if not each.same),
            )
        )
    return tuple(found)


def _dataset_version(ledger: Ledger, run: Run) -> str | None:
    """The dataset of an evaluation, which is named in its row of model_runs."""
    if run.row["experiment_type"] != "backtest":
        return None
    from experiments.storage.table import rows_with_key

    rows = rows_with_key(ledger.engine, "model_runs", "experiment_id", [str(run.row["experiment_id"])])
    version = rows[0]["dataset_version"] if rows else None
    return version if isinstance(version, str) else None


def _clean(facts: _Facts) -> Answer:
    dirty = facts.row.get("git_dirty")
    if facts.row.get("git_commit") is None or dirty is None:
        return UNKNOWN, "no commit is recorded"
    if not dirty:
        return YES, "no tracked file had changes"
    kept = any(one["name"] == DIFF for one in facts.artifacts())
    return NO, "tracked files had changes; " + ("they are kept as " + DIFF if kept else "they were not kept")


def _pinned(facts: _Facts) -> Answer:
    found = [str(one["name"]) for one in facts.artifacts() if _PINS.search(str(one["name"]))]
    if found:
        return YES, f"kept with the run: {', '.join(found)}"
    versions = counted(len(facts.packages), "package")
    return UNKNOWN, f"the exact versions of {versions} are recorded, but no file that pins them is kept with the run"


def _seed_is_42(facts: _Facts) -> Answer:
    seed = facts.row.get("random_seed")
    if seed is None:
        return NO, "no seed is recorded"
    return (YES if seed == SEED else NO), f"the seed is {int(seed)}"


def _captured(facts: _Facts) -> Answer:
    if facts.run.environment is None:
        return NO, "none is recorded"
    return YES, f"{facts.row['environment_id']}: Python {facts.run.environment['python_version']}"


def _hardware(facts: _Facts) -> Answer:
    found = (facts.run.environment or {}).get("hardware_config")
    return (YES, str(found)) if found else (NO, "none is recorded")


def _seeded(facts: _Facts) -> Answer:
    listed = facts.row.get("seeded")
    found = [] if listed is None or isinstance(listed, float) else [str(name) for name in listed]
    if not found:
        return NO, "no library is recorded as seeded: call set_deterministic_seeds before the run starts"
    missing = [name for name in GENERATORS if name in facts.packages and name not in found]
    if missing:
        return NO, f"seeded: {', '.join(found)}; not {', '.join(missing)}"
    return YES, f"seeded: {', '.join(found)}"


def _packages(facts: _Facts) -> Answer:
    if not facts.packages:
        return NO, "no packages are recorded"
    relevant = [f"{name} {version}" for name, version in sorted(facts.packages.items()) if name in MATTER]
    return YES, f"{counted(len(facts.packages), 'package')}, of those that compute {', '.join(relevant) or 'none'}"


def _commit(facts: _Facts) -> Answer:
    commit = facts.row.get("git_commit")
    return (YES, str(commit)) if commit else (NO, "no commit is recorded")


def _dataset(facts: _Facts) -> Answer:
    rows = facts.run.datasets.to_dict("records")
    if rows:
        return YES, ", ".join(dict.fromkeys(f"{row['name']} {row['dataset_id']}" for row in rows))
    if facts.dataset_version:
        return YES, facts.dataset_version
    return NO, "no dataset is linked to the run"


def _calibrated(facts: _Facts) -> Answer:
    models = facts.artifacts("model")
    if not models:
        return NOT_APPLICABLE, "the run kept no model as an artifact"
    without = [
        str(one["name"])
        for one in models
        if not any("calibrat" in str(key).lower() for key in dict(one.get("metadata") or {}))
    ]
    if without:
        return NO, f"without calibration in their metadata: {', '.join(without)}"
    return YES, f"{counted(len(models), 'model')} with calibration in the metadata"


def _f1(facts: _Facts) -> Answer:
    names = facts.metrics(_F1)
    if not names:
        return NOT_APPLICABLE, "no F1 score is logged"
    last = {str(row["name"]): float(row["last"]) for row in facts.run.metrics.to_dict("records")}
    reached = all(last[name] >= F1_TARGET for name in names)
    return (YES if reached else NO), ", ".join(f"{name} {last[name]:.3f} at last" for name in names)


def _generated(facts: _Facts) -> Answer:
    return YES, "this is it"


def _fields(facts: _Facts) -> Answer:
    asked = [name for name in REQUIRED if name != "command" or facts.row["experiment_type"] != "backtest"]
    missing = [name for name in asked if facts.row.get(name) is None]
    return (NO, f"missing: {', '.join(missing)}") if missing else (YES, f"{', '.join(asked)}")


def _card(facts: _Facts) -> Answer:
    if not len(facts.run.checkpoints) and not facts.artifacts("model"):
        return NOT_APPLICABLE, "the run made no model"
    found = [str(one["name"]) for one in facts.artifacts() if "card" in str(one["name"]).lower()]
    if found:
        return UNKNOWN, f"kept with the run: {', '.join(found)}; whether it has a feature schema is not looked at"
    return UNKNOWN, "model cards are not recorded yet"


def _comprehensive(facts: _Facts) -> Answer:
    if facts.row["experiment_type"] == "backtest":
        return YES, "every metric of an evaluation follows from its stored forecasts"
    n_points = int(facts.run.metrics["n"].sum()) if len(facts.run.metrics) else 0
    if not n_points:
        return NO, "no metric is logged"
    return YES, f"{counted(len(facts.run.metrics), 'metric')}, {counted(n_points, 'point')}"


def _again(wanted: str, having: Callable[[_Repetition], bool]) -> Callable[[_Facts], Answer]:
    """Whether repetitions that have something in common with the run came out the same."""

    def answer(facts: _Facts) -> Answer:
        return _compared([one for one in facts.repetitions if having(one)], wanted)

    return answer


def _compared(found: Sequence[_Repetition], wanted: str) -> Answer:
    if not found:
        return UNKNOWN, f"no repetition with the same {wanted}: see 'experiments reproduce'"
    different = sorted({name for one in found for name in one.different})
    if different:
        return NO, f"in {counted(len(found), 'repetition')} not the same: {_some(different)}"
    return YES, f"{counted(len(found), 'repetition')}, all metrics the same to the bit"


def _stable(named: re.Pattern[str], what: str) -> Callable[[_Facts], Answer]:
    """Whether metrics of some name are the same in every repetition."""

    def answer(facts: _Facts) -> Answer:
        names = facts.metrics(named)
        if not names:
            return NOT_APPLICABLE, f"no metric of {what} is logged"
        if not facts.repetitions:
            return UNKNOWN, "the run has no repetition: see 'experiments reproduce'"
        different = sorted({name for one in facts.repetitions for name in one.different if name in names})
        return (NO, f"not the same: {_some(different)}") if different else (YES, f"the same to the bit: {_some(names)}")

    return answer


def _some(names: Iterable[str], at_most: int = 5) -> str:
    listed = list(names)
    rest = f" and {len(listed) - at_most} more" if len(listed) > at_most else ""
    return ", ".join(listed[:at_most]) + rest


ITEMS: dict[str, tuple[tuple[str, Callable[[_Facts], Answer]], ...]] = {
    "Pre-Training Setup": (
        ("Git repository is clean (`git status` shows no uncommitted changes)", _clean),
        ("All dependencies are installed with pinned versions", _pinned),
        ("Random seed is set to 42 (automatic)", _seed_is_42),
        ("Environment snapshot captured (automatic)", _captured),
        ("Hardware configuration documented", _hardware),
    ),
    "Training Execution": (
        ("Deterministic seed setting verified across all libraries", _seeded),
        ("Environment snapshot includes all relevant packages", _packages),
        ("Git commit hash recorded in metadata", _commit),
        ("Dataset version ID stored with experiment", _dataset),
        ("Model artifacts include calibration metadata", _calibrated),
    ),
    "Post-Training Validation": (
        ("F1 score meets target (≥0.70)", _f1),
        ("Reproducibility checklist generated", _generated),
        ("Experiment metadata includes all required fields", _fields),
        ("Model card created with feature schema", _card),
        ("Performance metrics logged comprehensively", _comprehensive),
    ),
    "Reproduction Testing": (
        ("Same random seed produces identical results", _again("seed", lambda one: one.same_seed)),
        ("Same Git commit produces identical results", _again("commit", lambda one: one.same_commit)),
        ("Same environment produces identical results", _again("environment", lambda one: one.same_environment)),
        ("Model calibration is consistent", _stable(_CALIBRATION, "calibration")),
        ("Feature importance scores are stable", _stable(_IMPORTANCE, "feature importance")),
    ),
}
"""Section to its items, each in the specification's words, and what answers it."""
