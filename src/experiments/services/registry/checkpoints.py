"""Checkpoints of runs: noted through the journal, as quickly as a metric and as safe from a kill."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import InvalidInputError
from experiments.identity import uuid7
from experiments.services.tracking.values import as_count, as_number
from experiments.storage.journal import NOTHING

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger


def register(
    ledger: Ledger,
    experiment_id: str,
    checkpoint_path: str | os.PathLike[str],
    episode_num: int | None,
    val_metric: float | None,
    is_best: bool,
) -> str:
    """Register a checkpoint of a run; see `ModelRegistry.register_model`."""
    tracking = ledger.tracking
    tracking.check_known(experiment_id)
    episode = as_count("episode_num", episode_num)
    row = {
        "model_id": uuid7(dt.datetime.now(dt.UTC)),
        "checkpoint_path": check_text("checkpoint_path", os.fspath(checkpoint_path)),
        "episode_num": None if episode == NOTHING else episode,
        "val_metric": None if val_metric is None else as_number("val_metric", val_metric),
        "is_best": _truth(is_best),
        **_file(Path(checkpoint_path)),
    }
    tracking.journal.record("model", {"run": experiment_id, "row": row})
    return str(row["model_id"])


def _truth(value: Any) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):  # numpy's, which a comparison of its numbers gives
        msg = f"is_best is {value!r:.60}: it is True or False."
        raise InvalidInputError(msg)
    return bool(value)


def _file(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file; nothing of one that is not there."""
    try:
        with path.open("rb") as file:
            return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size_bytes": path.stat().st_size}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = f"the checkpoint {path} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InvalidInputError(msg) from error
