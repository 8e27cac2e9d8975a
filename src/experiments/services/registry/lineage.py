"""Where a version of a model came from and where it went."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import SIGNIFICANCE_LEVEL, counted, known, pvalue_in_words, series_name, step_name
from experiments.services.decisions.chain import PRUNE, ROLLBACK, Decision, read_decisions
from experiments.services.registry.deployment import chain_of
from experiments.services.tracking.rows import month_of
from experiments.storage.table import records, select

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry
    from experiments.storage.engine import Engine

_RUN = (
    *("experiment_id", "name", "experiment_type", "status", "started_at", "ended_at", "run_by"),
    *("git_commit", "git_branch", "git_dirty", "environment_id"),
)
_DATASET = ("name", "role", "dataset_id", "n_rows", "n_columns", "source", "table_version", "content_sha256")
_TYPES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("model_id", "forecast_horizon_days", "n_windows", "n_rows", "n_columns", "table_version"), int),
    "beats_baseline": bool,
}


@dataclass(frozen=True, kw_only=True)
class Relative:
    """A version that the one asked about was made from, or that was made from it.

    Attributes
    ----------
    model_id : int
    model_name, version, model_type, created_at
        None where they are not known any more; a deletion leaves the name and the version.
    alias : str or None
    parents : tuple of int
        What it was made from itself; a deletion leaves none.
    parentage : str or None
        "fine-tuned" or "ensemble".
    deleted_at, deleted_by, deleted_because
        Of one that was deleted.
    """

    model_id: int
    model_name: str | None = None
    version: str | None = None
    model_type: str | None = None
    alias: str | None = None
    parents: tuple[int, ...] = ()
    parentage: str | None = None
    created_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = None
    deleted_by: str | None = None
    deleted_because: str | None = None

    @property
    def label(self) -> str:
        """The version as people call it."""
        return f"model {self.model_id}" if self.model_name is None else f"{self.model_name} {self.version}"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The latest evaluation of a version on a series; its columns are told in `sql/tables/model_runs.sql`."""

    experiment_id: str
    run_timestamp: dt.datetime
    commodity: str
    unique_id: str
    frequency: str | None
    forecast_horizon_days: int
    n_windows: int | None
    data_as_of: dt.date | None
    mae_path: float | None
    mae_14day: float | None
    mase_14day: float | None
    directional_accuracy: float | None
    dm_test_vs_naive: float | None
    dm_pvalue: float | None
    beats_baseline: bool | None
    evidence_note: str | None
    metrics_source: str

    @property
    def subject(self) -> str:
        """What was forecast, and how far."""
        step = step_name(self.frequency or "irregular")
        ahead = counted(self.forecast_horizon_days, step)
        return f"{series_name(self.commodity, self.unique_id)}, {ahead} ahead"

    @property
    def error(self) -> str:
        """The mean absolute error, and over how many windows."""
        mae, of = (self.mae_path, "MAE") if self.mae_path is not None else (self.mae_14day, "MAE at step 14")
        told = "no error is recorded" if mae is None else f"{of} {mae:,.4g}"
        return told if self.n_windows is None else f"{told} over {counted(self.n_windows, 'window')}"

    @property
    def verdict(self) -> str:
        """What the test against naive says, as the evaluation has it."""
        if self.dm_pvalue is None:
            untested = f"not tested against naive{f': {self.evidence_note}' if self.evidence_note else ''}"
            return "reported to beat naive, not tested here" if self.beats_baseline else untested
        pvalue = pvalue_in_words(self.dm_pvalue)
        if self.beats_baseline:
            return f"better than naive (Diebold-Mariano, {pvalue})"
        if (self.dm_test_vs_naive or 0.0) > 0 and self.dm_pvalue < SIGNIFICANCE_LEVEL:
            return f"worse than naive (Diebold-Mariano, {pvalue})"
        return f"not shown to be better than naive (Diebold-Mariano, {pvalue})"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A decision by which a version got an alias or lost it.

    Attributes
    ----------
    what : str
        "promoted" or "restored" (another was rolled back): it got the alias. "replaced" or "rolled back": it lost it.
    alias : str
    other : str or None
        The version that lost the alias to it, or got it from it; None for none.
    decided_at : datetime
        UTC.
    decided_by : str
    reason : str or None
    forced : bool
    verdict : str
        What the evidence said of the version that got the alias.
    decision_id : str
    """

    what: str
    alias: str
    other: str | None
    decided_at: dt.datetime
    decided_by: str
    reason: str | None
    forced: bool
    verdict: str
    decision_id: str

    @property
    def event(self) -> str:
        """What happened, in words."""
        if self.what == "promoted":
            return f"promoted to {self.alias}" + ("" if self.other is None else f", in place of {self.other}")
        if self.what == "restored":
            return f"{self.alias} again" + ("" if self.other is None else f", {self.other} was rolled back")
        if self.what == "replaced":
            return f"replaced as {self.alias} by {self.other}"
        return f"rolled back, {self.alias} is " + ("none" if self.other is None else f"{self.other} again")


@dataclass(frozen=True, kw_only=True, repr=False)
class Lineage:
    """Where a version came from and where it went, as recorded.

    Attributes
    ----------
    model : ModelVersion
    run : dict or None
        The run that made it: some columns of its row of `experiments`. None where there is none, or it is gone:
        `model.experiment_id` tells which.
    datasets : tuple of dict
        What the run read: `name` (None of one that is not registered), `role`, `dataset_id` (the version), `n_rows`,
        `n_columns`, `source`, `table_version`, `content_sha256`.
    environment : dict or None
        What saved it: `python_version`, `platform`, `hardware_config`, `packages`.
    ancestors : tuple of Relative
        What it was made from, up to the roots, each once, the nearest first.
    descendants : tuple of Relative
        What was made from it, each once, the nearest first.
    evaluations : tuple of Evaluation
    deployments : tuple of Deployed
        In the order of the decisions.
    """

    model: ModelVersion
    run: dict[str, Any] | None
    datasets: tuple[dict[str, Any], ...]
    environment: dict[str, Any] | None
    ancestors: tuple[Relative, ...]
    descendants: tuple[Relative, ...]
    evaluations: tuple[Evaluation, ...]
    deployments: tuple[Deployed, ...]

    def __repr__(self) -> str:
        return f"<Lineage of {self.model.label}>\n{self.text}"

    @property
    def text(self) -> str:
        """All of it as a tree."""
        from experiments.services.registry.telling import tree_of

        return tree_of(self)

    @property
    def info(self) -> dict[str, Any]:
        """All of it as plain values, times as ISO text in UTC."""
        return {
            "model": self.model.info,
            "run": plain(self.run),
            "datasets": plain(self.datasets),
            "environment": plain(self.environment),
            "ancestors": [plain(vars(one)) for one in self.ancestors],
            "descendants": [plain(vars(one)) for one in self.descendants],
            "evaluations": [plain(vars(one)) | {"verdict": one.verdict} for one in self.evaluations],
            "deployments": [plain(vars(one)) for one in self.deployments],
        }


def lineage(registry: ModelRegistry, found: ModelVersion) -> Lineage:
    """Where a version came from and where it went.

    Parents are followed up to those made from no other, however many there are; one that was deleted is there as such,
    and what it was made from is not known any more.

    Parameters
    ----------
    registry : ModelRegistry
    found : ModelVersion
        From `registry.get`.
    """
    return lineages(registry, [found])[0]


def lineages(registry: ModelRegistry, versions: Sequence[ModelVersion]) -> list[Lineage]:
    """The lineage of each of several versions; what they share is read once."""
    engine = registry.ledger.engine
    family = _family(engine, versions)
    environments = {one: _environment(engine, one) for one in {one.environment_id for one in versions}}
    runs = {one: _run(engine, one) for one in {one.experiment_id for one in versions}}
    chains = {one: read_decisions(engine, chain_of(one)) for one in {one.model_name for one in versions}}
    made = []
    for one in versions:
        run, datasets = runs[one.experiment_id]
        ancestors, descendants = _relatives(family, one)
        made.append(
            Lineage(
                model=one,
                run=run,
                datasets=datasets,
                environment=environments[one.environment_id],
                ancestors=ancestors,
                descendants=descendants,
                evaluations=_evaluations(engine, one),
                deployments=_deployments(chains[one.model_name], one.version),
            )
        )
    return made


def plain(value: Any) -> Any:
    """A value as JSON has a form for it, but for NaN: times as ISO text, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def _evaluations(engine: Engine, found: ModelVersion) -> tuple[Evaluation, ...]:
    """The latest evaluation of a version for each series and horizon that `model_runs` has."""
    rows = select(engine, "evaluations_of_version", model_name=found.model_name, model_version=found.version)
    return tuple(Evaluation(**_typed(row)) for row in _rows(rows))


def _deployments(decisions: Sequence[Decision], version: str) -> tuple[Deployed, ...]:
    """By which decisions on a model one of its versions got an alias or lost it."""
    held: dict[str, str] = {}
    found = []
    for one in decisions:
        if one.kind == PRUNE or one.unique_id is None:
            continue
        alias, before, after = one.unique_id, held.get(one.unique_id, ""), one.model_version
        held[alias] = after
        if version not in (before, after) or before == after:
            continue
        is_back = one.kind == ROLLBACK
        got = "restored" if is_back else "promoted"
        lost = "rolled back" if is_back else "replaced"
        found.append(
            Deployed(
                what=got if after == version else lost,
                alias=alias,
                other=(before if after == version else after) or None,
                decided_at=one.decided_at,
                decided_by=one.decided_by,
                reason=one.reason,
                forced=one.forced,
                verdict=one.verdict,
                decision_id=one.decision_id,
            )
        )
    return tuple(found)


def _run(engine: Engine, experiment_id: str | None) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], ...]]:
    """The run that made a version, and what it read."""
    rows = [] if experiment_id is None else _rows(select(engine, "run_row", experiment_id=experiment_id))
    if experiment_id is None or not rows:
        return None, ()
    try:
        month = month_of(experiment_id)
    except (ValueError, OverflowError):  # an id from outside: such a run has linked nothing here
        month = ""
    read = _rows(select(engine, "run_datasets", experiment_id=experiment_id, run_month=month))
    datasets = tuple(_typed({name: row[name] for name in _DATASET}) for row in read)
    return {name: rows[0][name] for name in _RUN}, datasets


def _environment(engine: Engine, environment_id: str) -> dict[str, Any] | None:
    rows = _rows(select(engine, "run_environment", environment_id=environment_id))
    if not rows:
        return None
    kept = ("environment_id", "python_version", "platform", "hardware_config")
    return {name: rows[0][name] for name in kept} | {"packages": dict(rows[0]["packages"] or {})}


def _family(engine: Engine, versions: Sequence[ModelVersion]) -> dict[int, Relative]:
    """All that versions were made from and all that was made from them, by two queries however far that goes."""
    links = select(engine, "lineage_links")
    up: dict[int, list[int]] = {}
    down: dict[int, list[int]] = {}
    for child, parent in zip(links["model_id"].tolist(), links["parent_id"].tolist(), strict=True):
        up.setdefault(child, []).append(parent)
        down.setdefault(parent, []).append(child)
    wanted: set[int] = set()
    for one in versions:
        for neighbours in (up, down):
            wanted.update(_reached(one.model_id, lambda model_id, near=neighbours: near.get(model_id, ())))  # type: ignore[misc]
    if not wanted:
        return {}
    found = select(engine, "lineage_versions", ids=",".join(map(str, sorted(wanted))))
    return {one.model_id: one for one in map(_relative, _rows(found))}


def _relatives(
    family: Mapping[int, Relative], found: ModelVersion
) -> tuple[tuple[Relative, ...], tuple[Relative, ...]]:
    """What a version was made from, and what was made from it."""
    children: dict[int, list[int]] = {}
    for one in family.values():
        for parent in one.parents:
            children.setdefault(parent, []).append(one.model_id)

    def of(model_id: int) -> Relative:
        return family.get(model_id) or Relative(model_id=model_id)

    ancestors = _reached(found.model_id, lambda one: found.parents if one == found.model_id else of(one).parents)
    descendants = _reached(found.model_id, lambda one: children.get(one, ()))
    return tuple(map(of, ancestors)), tuple(map(of, descendants))


def _reached(start: int, neighbours: Callable[[int], Iterable[int]]) -> list[int]:
    """What is reached from a model, each once, the nearest first."""
    seen, order = {start}, [start]
    for one in order:  # grows while it is read
        new = [other for other in dict.fromkeys(neighbours(one)) if other not in seen]
        seen.update(new)
        order += new
    return order[1:]


def _relative(row: Mapping[str, Any]) -> Relative:
    fields = {name: row[name] for name in Relative.__dataclass_fields__}
    return Relative(**_typed(fields) | {"parents": tuple(int(one) for one in fields["parents"] or ())})


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers and truth values as such: a column with NULL has them as other types."""
    return {name: value if value is None else _TYPES.get(name, _same)(value) for name, value in row.items()}


def _same(value: Any) -> Any:
    return value


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame with plain values, times in UTC, None for NULL."""
    return [{name: _plain(value) for name, value in row.items()} for row in records(frame)]


def _plain(value: Any) -> Any:
    if getattr(value, "shape", ()):
        return value.tolist()
    if isinstance(value, list | tuple | dict | str):
        return value
    if type(value).__name__ in ("NAType", "NaTType") or known(value) is None:
        return None
    if hasattr(value, "to_pydatetime"):
        when: dt.datetime = value.to_pydatetime()
        return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when
    return value.item() if hasattr(value, "item") else value
