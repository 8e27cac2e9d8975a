"""Two versions side by side: metrics, evaluations, hyperparameters, data, code, environment and file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.services.registry.lineage import lineages, plain
from experiments.services.registry.merit import is_better, mode_of
from experiments.services.registry.telling import numbered, status_of, time
from experiments.services.tracking.comparing import Compared, Section

if TYPE_CHECKING:
    from experiments.services.registry.lineage import Evaluation, Lineage
    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry

_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Measured(Compared):
    """A figure of both versions, or of one of them.

    Attributes
    ----------
    mode : str
        "max" or "min": whether larger or smaller is better.
    better : str or None
        "a" or "b"; None where they are equal, one is missing, neither is a number, or they were not measured on the
        same. NaN is never better.
    """

    mode: str
    better: str | None


@dataclass(frozen=True, kw_only=True)
class VersionComparison:
    """Two versions side by side.

    Attributes
    ----------
    a, b : ModelVersion
    sections : tuple of Section
        metrics, evaluations, version, hyperparameters, data, code, environment, file; of metrics and evaluations the
        rows are `Measured`.
    """

    a: ModelVersion
    b: ModelVersion
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """One of the sections."""
        return next(one for one in self.sections if one.name == name)

    @property
    def verdict(self) -> str:
        """Which is better in how many of the metrics that both have as numbers."""
        rows = [row for row in self.section("metrics").rows if isinstance(row, Measured)]
        both = [row for row in rows if None not in (row.a, row.b)]
        if not both:
            return "No metric is recorded of both."
        won = {side: [row.name for row in both if row.better == side] for side in ("a", "b")}
        parts = [
            f"{one.label} is better in {len(won[side])} of {len(both)} metrics ({', '.join(won[side])})"
            for side, one in (("a", self.a), ("b", self.b))
            if won[side]
        ]
        return f"{'; '.join(parts)}." if parts else f"Neither is better in any of {len(both)} metrics."

    @property
    def info(self) -> dict[str, Any]:
        """All of it as plain values."""
        told = {side: {"model_id": one.model_id, "label": one.label} for side, one in (("a", self.a), ("b", self.b))}
        sections = {one.name: [plain(vars(row)) for row in one.rows] for one in self.sections}
        return {**told, "verdict": self.verdict, "sections": sections}


def compare_versions(registry: ModelRegistry, a: ModelVersion, b: ModelVersion) -> VersionComparison:
    """Compare two versions, of one model or of two, in all that is recorded of them.

    Metrics are compared as they are recorded; whether a difference is more than luck, only evaluations tell. Of
    evaluations the smaller error counts as better only where they are of the same series and horizon, with equally many
    windows up to the same date.

    Parameters
    ----------
    registry : ModelRegistry
    a, b : ModelVersion
        From `registry.get`.
    """
    first, second = lineages(registry, [a, b])
    return compared(first, second)


def compared(first: Lineage, second: Lineage) -> VersionComparison:
    """As `compare_versions`, of two versions whose lineages are known."""
    a, b = first.model, second.model
    sections = {
        "metrics": _metrics(a.metrics, b.metrics),
        "evaluations": _evaluations(first.evaluations, second.evaluations),
        "version": _side_by_side(_version(first), _version(second)),
        "hyperparameters": _side_by_side(a.hyperparameters or {}, b.hyperparameters or {}),
        "data": _side_by_side(_data(first), _data(second)),
        "code": _side_by_side(_code(a), _code(b)),
        "environment": _side_by_side(_environment(first), _environment(second)),
        "file": _side_by_side(_file(a), _file(b)),
    }
    return VersionComparison(
        a=a, b=b, sections=tuple(Section(name=name, rows=tuple(rows)) for name, rows in sections.items())
    )


def cell(row: Compared, side: str) -> str | None:
    """What is recorded of version "a" or "b", in one text; None where nothing is."""
    value = getattr(row, side)
    if isinstance(row, Measured) and isinstance(value, dict):
        return str(value["told"])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _side_by_side(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Compared]:
    """What either has, in the order of the first and then what only the second has."""
    rows = []
    for name in dict.fromkeys((*a, *b)):
        of_a, of_b = a.get(name), b.get(name)
        if name in a and name in b:
            rows.append(Compared(name=name, a=of_a, b=of_b, same=_canonical(of_a) == _canonical(of_b)))
        else:
            rows.append(Compared(name=name, a=of_a, b=of_b, same=False))
    return [row for row in rows if row.a is not None or row.b is not None]


def _canonical(value: Any) -> str:
    """A plain value so that equal ones of one type are equal: 1 is not 1.0, NaN is NaN."""
    return json.dumps(value, sort_keys=True)


def _metrics(a: Mapping[str, float], b: Mapping[str, float]) -> list[Compared]:
    rows: list[Compared] = []
    for name in dict.fromkeys((*a, *b)):
        mode = mode_of(name)
        rows.append(_measured(name, a.get(name), b.get(name), mode, comparable=True))
    return rows


def _measured(
    name: str, a: Any, b: Any, mode: str, *, comparable: bool, shown: tuple[Any, Any] | None = None
) -> Measured:
    """A figure of both: `shown` in place of it, where there is more to say."""
    better = None
    if comparable and a is not None and b is not None:
        better = "a" if is_better(a, b, mode) else "b" if is_better(b, a, mode) else None
    of_a, of_b = shown or (a, b)
    return Measured(name=name, a=of_a, b=of_b, same=_canonical(of_a) == _canonical(of_b), mode=mode, better=better)


def _evaluations(a: tuple[Evaluation, ...], b: tuple[Evaluation, ...]) -> list[Compared]:
    """By series and horizon the evaluations of both; errors are held against each other where the windows agree."""
    of_a, of_b = ({one.subject: one for one in side} for side in (a, b))
    rows: list[Compared] = []
    for subject in dict.fromkeys((*of_a, *of_b)):
        one, other = of_a.get(subject), of_b.get(subject)
        rows.append(
            _measured(
                subject,
                None if one is None else one.mae_path,
                None if other is None else other.mae_path,
                "min",
                comparable=one is not None and other is not None and _windows(one) == _windows(other),
                shown=(_told(one), _told(other)),
            )
        )
    return rows


def _windows(one: Evaluation) -> tuple[Any, ...]:
    return one.n_windows, one.data_as_of


def _told(one: Evaluation | None) -> dict[str, Any] | None:
    """An evaluation, as it is compared."""
    if one is None:
        return None
    names = ("experiment_id", "mae_path", "mae_14day", "n_windows", "data_as_of", "dm_test_vs_naive", "dm_pvalue")
    told: dict[str, Any] = plain({name: getattr(one, name) for name in names})
    return told | {"told": f"{one.error}, {one.verdict}"}


def _version(of: Lineage) -> dict[str, Any]:
    model = of.model
    parents = [one for one in of.ancestors if one.model_id in model.parents]
    made = [f"{model.parentage}: {', '.join(map(numbered, parents))}"] if parents else []
    return {
        "type": model.model_type,
        "status": status_of(model),
        "saved": f"{time(model.created_at)} by {model.created_by}",
        "description": model.description,
        "intended use": model.intended_use,
        "limitations": model.limitations,
        "made from": made[0] if made else None,
        "run": None if model.experiment_id is None else (of.run or {}).get("name") or model.experiment_id,
    }


def _data(of: Lineage) -> dict[str, Any]:
    """By role and name the versions of the datasets, and the features by their names."""
    versions: dict[str, list[str]] = {}
    for row in of.datasets:
        versions.setdefault(f"{row['role']}: {row['name'] or 'not registered'}", []).append(str(row["dataset_id"]))
    read = {name: ", ".join(sorted(ids)) for name, ids in sorted(versions.items())}
    schema = of.model.input_schema or {}
    return read | {f"feature {name}": kind or "of no stated type" for name, kind in schema.items()}


def _code(model: ModelVersion) -> dict[str, Any]:
    return {"commit": model.git_commit, "changed since the commit": model.git_dirty}


def _environment(of: Lineage) -> dict[str, Any]:
    """Python and machine, and each package by its name."""
    if of.environment is None:
        return {}
    python, platform, hardware = (of.environment[name] for name in ("python_version", "platform", "hardware_config"))
    packages = {f"package {name}": version for name, version in sorted(of.environment["packages"].items())}
    return {"Python": python, "platform": platform, "hardware": hardware} | packages


def _file(model: ModelVersion) -> dict[str, Any]:
    return {"format": model.file_format, "bytes": model.size_bytes, "SHA-256": model.sha256}
