"""A run as a folder: what it was told, what it logged, what it kept."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from experiments.errors import EngineError, InvalidInputError
from experiments.services.reproduction.snapshot import of_row
from experiments.services.tracking.names import LONGEST_PART, checked_name
from experiments.services.tracking.runs import COUNTED_BY
from experiments.storage.table import records

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.ledger import Ledger
    from experiments.services.tracking.runs import Run

POINTS = ("name", "value", *COUNTED_BY, "logged_at")
"""Columns of metrics.csv."""

LISTS = ("edges", "counts", "summary")
"""Columns of metrics.csv, as JSON, where the run logged distributions."""


def write(ledger: Ledger, experiment_id: str, folder: Path) -> list[Path]:
    """Write a run as a folder: `metadata.json`, `parameters.json`, `metrics.csv`, `artifacts/` and `logs/`.

    `metadata.json` holds everything recorded of the run; its `parameters` are the hyperparameters with the seed
    (`random_seed`) and what it ran on (`environment_snapshot`, as `capture_environment_snapshot` makes it).
    `parameters.json` holds the hyperparameters alone. Artifacts of the type log go to `logs/`, all others to
    `artifacts/`, each checked by its SHA-256; of two with the same name the earlier bears the beginning of its own.
    NaN and infinities are the texts "NaN", "Infinity" and "-Infinity" in JSON, nan, inf and -inf in metrics.csv.

    Parameters
    ----------
    ledger : Ledger
    experiment_id : str
        The run, or the beginning of its id.
    folder : Path
        New or empty. It is there whole, or not at all.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InvalidInputError
        If the folder is not empty or no folder, or an artifact has a name it could not be logged under: it is named.
    NotFoundError
        If there is no such run, or the content of an artifact is gone.
    EngineError
        If an artifact is damaged, or the folder cannot be written.
    """
    from experiments.services.tracking.runs import points, read_run

    target = Path(folder)
    _check_new(target)
    run = read_run(ledger.engine, experiment_id)
    logged = points(ledger.engine, str(run.row["experiment_id"]))
    places = _places(run.artifacts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        msg = f"the folder {target} cannot be made: {error.strerror}. Choose another."
        raise EngineError(msg) from error
    try:
        _write_texts(made, run, logged, places)
        _fetch(ledger, run.artifacts, made, places)
        made.chmod(0o777 & ~_umask())
        made.replace(target)
    except OSError as error:
        msg = f"the folder {target} cannot be written: {error.strerror}. Nothing was left of it."
        raise EngineError(msg) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return sorted(path for path in target.rglob("*") if path.is_file())


def _check_new(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        msg = f"{folder} is there already and is no empty folder: give one that is new or empty."
        raise InvalidInputError(msg)


def _umask() -> int:
    """What the user lets others do with new files; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _places(artifacts: pd.DataFrame) -> list[PurePosixPath]:
    """Where each artifact goes, relative to the folder; no two in each other's way."""
    rows = artifacts.to_dict("records")
    taken: set[PurePosixPath] = set()
    found: dict[int, PurePosixPath] = {}
    latest_first = sorted(range(len(rows)), key=lambda at: rows[at]["logged_at"], reverse=True)
    for at in latest_first:
        row = rows[at]
        top = PurePosixPath("logs" if row["artifact_type"] == "log" else "artifacts")
        name, own = PurePosixPath(checked_name(row["name"])), str(row["sha256"])[:8]
        candidates = (name, name.with_name(f"{name.stem}.{own}{name.suffix}"), own / name, f"{own}-{at}" / name)
        place = next(top / one for one in candidates if _is_short(one) and not _in_the_way(top / one, taken))
        taken.add(place)
        found[at] = place
    return [found[at] for at in range(len(rows))]


def _in_the_way(place: PurePosixPath, taken: set[PurePosixPath]) -> bool:
    """Whether a place is taken, is in one that is, or has one in it."""
    return any(place == one or one in place.parents or place in one.parents for one in taken)


def _is_short(place: PurePosixPath) -> bool:
    """Whether file systems take its own name, made longer to tell it from another."""
    return len(place.name.encode()) <= LONGEST_PART


def _write_texts(folder: Path, run: Run, logged: pd.DataFrame, places: Iterable[PurePosixPath]) -> None:
    for name in ("artifacts", "logs"):
        (folder / name).mkdir()
    parameters = _parameters(run.parameters)
    _write_json(folder / "parameters.json", parameters)
    _write_json(folder / "metadata.json", _metadata(run, parameters, places))
    columns = [*POINTS, *(name for name in LISTS if name in logged and logged[name].notna().any())]
    table = logged[columns].copy()
    table["value"] = [repr(float(value)) for value in table["value"]]
    for name in COUNTED_BY:
        table[name] = ["" if missing else str(int(value)) for value, missing in _known(table[name])]
    for name in columns[len(POINTS) :]:
        table[name] = ["" if missing else json.dumps(_plain(value)) for value, missing in _known(table[name])]
    table.to_csv(folder / "metrics.csv", index=False, lineterminator="\n")


def _known(column: pd.Series[Any]) -> Iterable[tuple[Any, bool]]:
    return zip(column, column.isna(), strict=True)


def _parameters(rows: pd.DataFrame) -> dict[str, Any]:
    """The hyperparameters by name; those of a model under `models` and its id."""
    found: dict[str, Any] = {}
    for row in rows.to_dict("records"):
        owner = found.setdefault("models", {}).setdefault(row["model_id"], {}) if row["model_id"] else found
        owner[row["name"]] = json.loads(row["value"])
    return found


def _metadata(run: Run, parameters: Mapping[str, Any], places: Iterable[PurePosixPath]) -> dict[str, Any]:
    """Everything recorded of a run; the keys of `parameters` that the specification names are always there."""
    environment = None if run.environment is None else of_row(run.environment, run.row)
    kept = [row | {"path": str(place)} for row, place in zip(records(run.artifacts), places, strict=True)]
    return {
        **run.row,
        "parameters": {**parameters, "random_seed": run.row.get("random_seed"), "environment_snapshot": environment},
        "metrics": records(run.metrics),
        "artifacts": kept,
        "datasets": records(run.datasets),
        "checkpoints": records(run.checkpoints),
        "children": records(run.children),
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """A value JSON has a form for."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        # the engine hands a map out as pairs
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, str | int | float):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _fetch(ledger: Ledger, artifacts: pd.DataFrame, folder: Path, places: Iterable[PurePosixPath]) -> None:
    from experiments.services.tracking.artifacts import holder_of

    for row, place in zip(artifacts.to_dict("records"), places, strict=True):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        store = holder_of(ledger, str(row["sha256"]), str(row["location"]))
        store.fetch(str(row["sha256"]), target, is_folder=bool(row["is_folder"]))
