"""A version, its code, environment, relatives and deployments in words; its lineage as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.definitions import counted
from experiments.services.reports.formats import one_line

if TYPE_CHECKING:
    import datetime as dt

    from experiments.services.registry.lineage import Deployed, Lineage, Relative
    from experiments.services.registry.record import ModelVersion

Line = tuple[int, str]
"""A line of a tree: how deep it is, 0 for the root, and what it says."""

MADE = {"fine-tuned": "fine-tuned from", "ensemble": "an ensemble of"}
"""How a version was made from others, in words."""

_COMMIT, _ID = 12, 12


def tree_of(lineage: Lineage) -> str:
    """A lineage as a tree, as one types it."""
    model = lineage.model
    lines: list[Line] = [(0, f"{numbered(model)}: {model.model_type}, {status_of(model)}")]
    lines += [(1, f"saved: {time(model.created_at)} by {model.created_by}, {file_of(model)}")]
    lines += _run(lineage)
    lines += [(1, f"code: {code_of(vars(model))}"), (1, f"environment: {environment_of(lineage.environment)}")]
    lines += origin_of(lineage) or [(1, "made from no other version")]
    lines += _destination(lineage) or [(1, "nothing was made from it")]
    lines += _listed("evaluations", [f"{one.subject}: {one.error}, {one.verdict}" for one in lineage.evaluations])
    lines += _listed("deployments", [deployment_of(one) for one in lineage.deployments])
    return drawn(lines)


def drawn(lines: Sequence[Line]) -> str:
    """Lines as a tree; however deep, since nothing calls itself.

    Examples
    --------
    >>> print(drawn([(0, "a"), (1, "b"), (2, "c"), (1, "d")]))
    a
    ├─ b
    │  └─ c
    └─ d
    """
    below: set[int] = set()
    told = []
    for depth, words in reversed(lines):
        mark = "" if depth == 0 else "├─ " if depth in below else "└─ "
        before = "".join("│  " if level in below else "   " for level in range(1, depth))
        told.append(f"{before}{mark}{one_line(words)}")
        below = {level for level in below if level < depth} | {depth}
    return "\n".join(reversed(told))


def numbered(model: ModelVersion | Relative) -> str:
    """A version with its number."""
    return model.label if model.model_name is None else f"{model.label} (model {model.model_id})"


def status_of(model: ModelVersion) -> str:
    """How far a version is deployed."""
    if model.alias is not None and model.deployed_at is not None:
        return f"{model.alias} since {time(model.deployed_at)}"
    return {"saved": "never deployed"}.get(model.deployment_status, model.deployment_status)


def time(moment: dt.datetime | None) -> str:
    """A moment to the minute, UTC."""
    return "at an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def size(n_bytes: int) -> str:
    """A size with its unit.

    Examples
    --------
    >>> size(999), size(1_234_567)
    ('999 bytes', '1.2 MB')
    """
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= of:
            return f"{n_bytes / of:.1f} {unit}"
    return counted(n_bytes, "byte")


def figure(value: float) -> str:
    """A number with six digits, NaN and infinities by name."""
    return "NaN" if value != value else f"{value:,.6g}"  # noqa: PLR0124


def file_of(model: ModelVersion) -> str:
    """The file of a version."""
    return f"{model.file_format}, {size(model.size_bytes)}, SHA-256 {model.sha256[:_ID]}…"


def code_of(row: Mapping[str, Any]) -> str:
    """The commit that code was at, and whether it was changed."""
    if not row["git_commit"]:
        return "no commit is recorded"
    changed = {True: ", with changes that are not in it", False: ""}.get(row["git_dirty"], "")
    return f"commit {str(row['git_commit'])[:_COMMIT]}{changed}"


def environment_of(environment: Mapping[str, Any] | None) -> str:
    """Python, how many packages, and the machine."""
    if environment is None:
        return "none is recorded"
    n_packages = counted(len(environment["packages"]), "package")
    return f"Python {environment['python_version']}, {n_packages}, {environment['platform']}"


def run_of(lineage: Lineage) -> str:
    """The run that made a version."""
    run = lineage.run
    if run is None:
        known = lineage.model.experiment_id
        return "none is recorded" if known is None else f"{known}, which is not recorded any more"
    by = f" by {run['run_by']}" if run["run_by"] else ""
    what = f"{run['experiment_type']}, {run['status']}"
    return f"{run['name']} ({what}), started {time(run['started_at'])}{by}, {run['experiment_id']}"


def dataset_of(row: Mapping[str, Any]) -> str:
    """A version of a dataset that a run read."""
    if row["name"] is None:
        return f"{row['dataset_id']}, which is not registered"
    rows = "" if row["n_rows"] is None else f", {counted(int(row['n_rows']), 'row')}"
    source = f" of {row['source']}" if row["source"] else ""
    return f"{row['name']} ({row['role']}){rows}{source}, version {str(row['dataset_id'])[:_ID]}"


def deployment_of(one: Deployed) -> str:
    """A decision on a version, in words."""
    forced = ", by force" if one.forced else ""
    why = f": {one.reason}" if one.reason else ""
    told = f" ({one.verdict})" if one.what == "promoted" else ""
    return f"{time(one.decided_at)} {one.event}, by {one.decided_by}{forced}{why}{told}"


def relative(one: Relative) -> str:
    """A version that is related, whether it is deployed, and whether it was deleted."""
    if one.model_name is None:
        return f"{one.label}, of which nothing is recorded any more"
    if one.deleted_at is not None:
        why = f": {one.deleted_because}" if one.deleted_because else ""
        return f"{numbered(one)}, deleted {time(one.deleted_at)} by {one.deleted_by}{why}"
    return f"{numbered(one)}, {one.model_type}" + (f", {one.alias}" if one.alias else "")


def origin_of(lineage: Lineage, depth: int = 1) -> list[Line]:
    """What a version was made from, up to the roots: a line of descent stays at one depth, an ensemble opens the next.

    What was shown before is named again and not followed again.
    """
    family = {one.model_id: one for one in lineage.ancestors}
    seen: set[int] = set()
    lines: list[Line] = []

    def follow(depth: int, parents: Sequence[int], parentage: str | None, *, first: bool) -> list[_Step]:
        how = ("" if first else "which is ") + MADE[parentage or "fine-tuned"]
        if len(parents) > 1:
            lines.append((depth, f"{how} {len(parents)}"))
            return [lambda one=one: show(depth + 1, one, "") for one in parents]  # type: ignore[misc]
        return [lambda: show(depth, parents[0], f"{how} ", in_line=True)] if parents else []

    def show(depth: int, model_id: int, how: str, *, in_line: bool = False) -> list[_Step]:
        one = family[model_id]
        again = model_id in seen and bool(one.parents)
        lines.append((depth, f"{how}{relative(one)}{', see above' if again else ''}"))
        if model_id in seen:
            return []
        seen.add(model_id)
        below = depth if in_line else depth + 1
        return [lambda: follow(below, one.parents, one.parentage, first=not in_line)]

    model = lineage.model
    _walk([lambda: follow(depth, model.parents, model.parentage, first=True)])
    return lines


def _destination(lineage: Lineage) -> list[Line]:
    """What was made from a version: one line of descent stays at one depth, several open the next."""
    root = lineage.model.model_id
    family = {one.model_id: one for one in lineage.descendants}
    children: dict[int, list[int]] = {}
    for one in lineage.descendants:
        for parent in dict.fromkeys(one.parents):
            children.setdefault(parent, []).append(one.model_id)
    seen: set[int] = set()
    lines: list[Line] = []

    def follow(depth: int, model_id: int) -> list[_Step]:
        own = children.get(model_id, [])
        return [lambda one=one: show(depth, one, model_id, in_line=len(own) == 1) for one in own]  # type: ignore[misc]

    def show(depth: int, model_id: int, parent: int, *, in_line: bool) -> list[_Step]:
        one = family[model_id]
        how = f"an ensemble of {len(one.parents)} with" if one.parentage == "ensemble" else MADE["fine-tuned"]
        again = ", see above" if model_id in seen and model_id in children else ""
        lines.append((depth, f"{relative(one)}, {how} {'it' if parent == root else f'model {parent}'}{again}"))
        if model_id in seen:
            return []
        seen.add(model_id)
        return [lambda: follow(depth if in_line else depth + 1, model_id)]

    _walk([lambda: follow(2, root)])
    return [(1, f"made from it: {counted(len(family), 'version')}"), *lines] if lines else []


_Step = Callable[[], "Iterable[_Step]"]


def _walk(steps: list[_Step]) -> None:
    """Take steps, each of which gives those to be taken right after it: no lineage is too deep."""
    waiting = steps[::-1]
    while waiting:
        waiting += reversed([*waiting.pop()()])


def _run(lineage: Lineage) -> list[Line]:
    """The run with what it read, and its code where that is not the code that saved the model."""
    lines: list[Line] = [(1, f"run: {run_of(lineage)}")]
    if lineage.run is None:
        return lines
    lines += [(2, f"data: {dataset_of(row)}") for row in lineage.datasets] or [(2, "data: none is recorded")]
    if code_of(lineage.run) != code_of(vars(lineage.model)):
        lines.append((2, f"code of the run: {code_of(lineage.run)}"))
    return lines


def _listed(what: str, told: list[str]) -> list[Line]:
    return [(1, f"{what}:"), *((2, one) for one in told)] if told else [(1, f"{what}: none is recorded")]
