"""Two runs side by side: what differs in settings, code, data, environment and metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import known
from experiments.services.tracking.rows import DIFF
from experiments.services.tracking.runs import Run, read_run

if TYPE_CHECKING:
    import pandas as pd

    from experiments.storage.engine import Engine

NOT_KEPT = "changed, and the changes not kept"

_RUN = ("name", "experiment_type", "status", "random_seed", "command", "working_folder", "tags")
_CODE = ("git_commit", "git_branch", "git_dirty", "git_remote")
_ENVIRONMENT = ("python_version", "platform", "hardware_config")
_FIGURES = ("n", "last", "min", "max")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One thing that is recorded of both runs, or of one of them.

    Attributes
    ----------
    name : str
    a, b : object
        As recorded; None where the run has none.
    same : bool or None
        None where it cannot be told.
    """

    name: str
    a: Any
    b: Any
    same: bool | None


@dataclass(frozen=True, kw_only=True)
class Section:
    """What is compared of one kind."""

    name: str
    rows: tuple[Compared, ...]

    @property
    def differing(self) -> tuple[Compared, ...]:
        """What is not known to be the same."""
        return tuple(row for row in self.rows if row.same is not True)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    a, b : str
        Their ids.
    sections : tuple of Section
        run, parameters, code, data, environment, metrics.
    """

    a: str
    b: str
    sections: tuple[Section, ...]


def compare_runs(engine: Engine, a: str, b: str) -> Comparison:
    """Compare two runs in all that is recorded of them.

    What neither has is left out. Parameters are compared as JSON values of a type (so 1 is not 1.0), figures exactly,
    NaN being equal to NaN. Of code that was changed since its commit the kept changes are compared.

    Parameters
    ----------
    engine : Engine
    a, b : str
        Ids of runs, or the beginnings of them.

    Raises
    ------
    InvalidInputError
        If several runs begin so.
    NotFoundError
        If there is no such run.
    """
    first, second = read_run(engine, a), read_run(engine, b)
    sections = {
        "run": _side_by_side(_picked(first.row, _RUN), _picked(second.row, _RUN)),
        "parameters": _side_by_side(_parameters(first), _parameters(second), same=_same_parameter),
        "code": [*_side_by_side(_picked(first.row, _CODE), _picked(second.row, _CODE)), *_changes(first, second)],
        "data": _side_by_side(_data(first.datasets), _data(second.datasets)),
        "environment": _side_by_side(_environment(first), _environment(second)),
        "metrics": _side_by_side(_metrics(first.metrics), _metrics(second.metrics)),
    }
    return Comparison(
        a=first.experiment_id,
        b=second.experiment_id,
        sections=tuple(Section(name=name, rows=tuple(rows)) for name, rows in sections.items()),
    )


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal, NaN to NaN, and so within mappings."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[name], b[name]) for name in a)
    both_nan = isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b)
    return both_nan or bool(a == b)


def _side_by_side(
    a: Mapping[str, Any], b: Mapping[str, Any], same: Callable[[Any, Any], bool] = _same
) -> list[Compared]:
    """What either has, in the order of the first and then what only the second has."""
    rows = []
    for name in [*a, *(name for name in b if name not in a)]:
        of_a, of_b = a.get(name), b.get(name)
        if of_a is not None or of_b is not None:
            rows.append(Compared(name=name, a=of_a, b=of_b, same=same(of_a, of_b)))
    return rows


def _same_parameter(a: str | None, b: str | None) -> bool:
    """Whether two JSON texts are one value of one type, however their keys are ordered."""
    if a is None or b is None or a == b:
        return a == b
    return _canonical(a) == _canonical(b)


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _picked(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _parameters(run: Run) -> dict[str, str]:
    """JSON by name; those of a model under its file, which may have the same name in another run."""
    files = dict(zip(run.checkpoints["model_id"], run.checkpoints["checkpoint_path"], strict=True))
    return {
        f"{files.get(row['model_id'], row['model_id'])} {row['name']}".removeprefix(" "): str(row["value"])
        for row in run.parameters.to_dict("records")
    }


def _changes(first: Run, second: Run) -> list[Compared]:
    """Whether the changes since the commit are the same."""
    a, b = (_kept_changes(run) for run in (first, second))
    if a is None and b is None:
        return []
    unknown = NOT_KEPT in (a, b)
    return [Compared(name="changes since the commit", a=a, b=b, same=None if unknown else a == b)]


def _kept_changes(run: Run) -> str | None:
    """The digest of what was changed since the commit; None where nothing was, or there is no commit."""
    kept = run.artifacts[run.artifacts["name"] == DIFF]
    if len(kept):
        return f"sha256 {kept['sha256'].iloc[-1]}"
    return NOT_KEPT if run.row["git_dirty"] else None


def _data(frame: pd.DataFrame) -> dict[str, str]:
    """By role and name the versions of the dataset."""
    versions: dict[str, list[str]] = {}
    for row in frame.to_dict("records"):
        name = known(row["name"]) or "not registered"
        versions.setdefault(f"{row['role']}: {name}", []).append(str(row["dataset_id"]))
    return {name: ", ".join(sorted(ids)) for name, ids in sorted(versions.items())}


def _environment(run: Run) -> dict[str, Any]:
    """Python and machine, and each package and variable by its name."""
    snapshot = run.environment
    if snapshot is None:
        return {"python_version": run.row["python_version"]}
    packages, variables = (dict(snapshot[kind] or {}) for kind in ("packages", "variables"))
    return (
        _picked(snapshot, _ENVIRONMENT)
        | {f"package {name}": version for name, version in sorted(packages.items())}
        | {f"variable {name}": value for name, value in sorted(variables.items())}
    )


def _metrics(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By name how many points there are, the last, least and greatest."""
    return {
        str(row["name"]): {name: int(row[name]) if name == "n" else float(row[name]) for name in _FIGURES}
        for row in frame.to_dict("records")
    }
