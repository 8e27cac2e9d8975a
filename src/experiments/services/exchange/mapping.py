"""Where a SQLite file keeps what the ledger keeps: tables and columns, as assumed or as a TOML file says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from experiments.definitions import check_identifier, check_text
from experiments.errors import InvalidInputError, NotFoundError, first_line, unknown
from experiments.services.tracking.rows import STATUSES

Part = TypeVar("Part", bound="_Part")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One table of the file; every field but those of `LITERAL` names a column."""

    LITERAL = ("table", "experiment_type", "prefix")

    table: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, each once."""
        named: list[str] = []
        for one in fields(self):
            given = getattr(self, one.name)
            if one.name not in self.LITERAL and given is not None:
                named += [given] if isinstance(given, str) else given
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, kw_only=True)
class RunTable(_Part):
    """The table of runs, one row each.

    `notes`, `parameters` and `results` name several columns: texts to be joined, hyperparameters, and figures that are
    final when the run has ended. `experiment_type` is the type of all of them, not a column.
    """

    id: str
    name: str
    started_at: str
    ended_at: str | None = None
    status: str | None = None
    tags: str | None = None
    random_seed: str | None = None
    git_commit: str | None = None
    git_branch: str | None = None
    python_version: str | None = None
    run_by: str | None = None
    notes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    experiment_type: str = "training"


@dataclass(frozen=True, kw_only=True)
class PointTable(_Part):
    """A table of metrics: a row a point (`name` and `value`), or a column a metric (`values`, named after `prefix`)."""

    experiment: str
    name: str | None = None
    value: str | None = None
    values: tuple[str, ...] = ()
    prefix: str = ""
    step: str | None = None
    episode: str | None = None
    epoch: str | None = None
    time: str | None = None

    def __post_init__(self) -> None:
        one_a_row = self.name is not None and self.value is not None
        if one_a_row == bool(self.values) or (self.name is None) != (self.value is None):
            msg = f"the metrics of {self.table} need either 'name' and 'value', or 'values', a list of columns."
            raise InvalidInputError(msg)

    @property
    def journals(self) -> tuple[str, ...]:
        """What its points say they were imported through: the table, and the column where a row has several."""
        return tuple(f"sqlite:{self.table}:{column}" for column in self.values) or (f"sqlite:{self.table}",)


@dataclass(frozen=True, kw_only=True)
class ParameterTable(_Part):
    """A table of hyperparameters, one row each."""

    experiment: str
    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tables of a file, and what its words for a status mean."""

    runs: RunTable
    points: tuple[PointTable, ...] = ()
    parameters: tuple[ParameterTable, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[_Part, ...]:
        """All tables."""
        return (self.runs, *self.points, *self.parameters)


LEGACY = Layout(
    runs=RunTable(
        table="experiments",
        id="id",
        name="name",
        started_at="start_time",
        ended_at="end_time",
        status="status",
        notes=("description", "notes"),
        parameters=(
            "state_dim",
            "action_dim",
            "learning_rate",
            "gamma",
            "train_start_date",
            "train_end_date",
            "test_start_date",
            "test_end_date",
        ),
        results=("best_test_sharpe", "best_test_return", "final_episode", "early_stopped"),
        experiment_type="rl",
    ),
    points=(
        PointTable(
            table="episodes",
            experiment="experiment_id",
            episode="episode_num",
            time="timestamp",
            values=(
                "train_return",
                "train_reward",
                "episode_length",
                "test_return",
                "test_sharpe",
                "is_best_model",
                "avg_policy_loss",
                "avg_value_loss",
            ),
        ),
        PointTable(
            table="regime_analysis",
            experiment="experiment_id",
            time="analysis_date",
            prefix="regime.",
            values=(
                "final_value",
                "total_return",
                "total_steps",
                "bull_steps",
                "bear_steps",
                "neutral_steps",
                "bull_buy_prob",
                "bear_buy_prob",
                "neutral_buy_prob",
                "buy_prob_difference",
            ),
        ),
    ),
    parameters=(
        ParameterTable(table="hyperparameters", experiment="experiment_id", name="param_name", value="param_value"),
    ),
)
"""The schema of `experiments.db` that is assumed where no mapping is given."""


def read_layout(file: str | Path) -> Layout:
    """The layout a TOML file describes: `[experiments]`, `[[metrics]]`, `[[hyperparameters]]`, `[statuses]`.

    Each but the last has `table` and, by the names of the fields of `RunTable`, `PointTable` and `ParameterTable`, the
    columns; `[statuses]` says what the file's own words for a status mean.

    Raises
    ------
    NotFoundError
        If there is no such file, or a section, key or status is not known.
    InvalidInputError
        If it is not TOML, a required key is missing, or a table or column is not an identifier.
    """
    try:
        content = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"there is no mapping {file}: give a TOML file."
        raise NotFoundError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"the mapping {file} cannot be read as TOML: {first_line(error)}."
        raise InvalidInputError(msg) from error
    sections = ("experiments", "metrics", "hyperparameters", "statuses")
    if strange := next((name for name in content if name not in sections), None):
        raise unknown(f"section of {file}:", strange, sections)
    if not isinstance(content.get("experiments"), dict):
        msg = f"the mapping {file} has no section [experiments]: it names the table of runs and its columns."
        raise InvalidInputError(msg)
    return Layout(
        runs=_part(RunTable, "[experiments]", content["experiments"]),
        points=tuple(_part(PointTable, "[[metrics]]", one) for one in _several(content, "metrics")),
        parameters=tuple(
            _part(ParameterTable, "[[hyperparameters]]", one) for one in _several(content, "hyperparameters")
        ),
        statuses=_statuses(content.get("statuses", {})),
    )


def _several(content: Mapping[str, Any], section: str) -> list[Any]:
    """The tables of a section, which may have only one."""
    given = content.get(section, [])
    return given if isinstance(given, list) else [given]


def _part(kind: type[Part], section: str, given: Any) -> Part:
    """One table of the file, every name in it checked."""
    if not isinstance(given, dict):
        msg = f"{section} is {given!r}: give the keys table = ... and the columns."
        raise InvalidInputError(msg)
    known = {one.name: one for one in fields(kind)}
    if strange := next((key for key in given if key not in known), None):
        raise unknown(f"key of {section}", strange, known)
    required = [name for name, one in known.items() if one.default is MISSING and one.default_factory is MISSING]
    if missing := next((name for name in required if name not in given), None):
        msg = f"{section} has no {missing}: it needs {', '.join(required)}."
        raise InvalidInputError(msg)
    return kind(**{key: _checked(section, key, value, known[key].default == ()) for key, value in given.items()})


def _checked(section: str, key: str, value: Any, several: bool) -> Any:
    """A table, a column or several of them, as identifiers; the type of runs and a prefix as text."""
    if key == "prefix" and isinstance(value, str):
        return value
    if key in ("prefix", "experiment_type"):
        return check_text(f"{key} of {section}", value)
    if not several:
        return check_identifier(f"{key} of {section}", value)
    if not isinstance(value, list):
        msg = f"{key} of {section} is {value!r}: give a list of columns."
        raise InvalidInputError(msg)
    return tuple(check_identifier(f"{key} of {section}", one) for one in value)


def _statuses(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        msg = f'[statuses] is {given!r}: give lines such as done = "completed".'
        raise InvalidInputError(msg)
    for word, status in given.items():
        if status not in STATUSES:
            raise unknown(f"status for {word!r} in [statuses]:", status, STATUSES)
    return given
