"""The model registry, so far: checkpoints of runs."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import InvalidInputError
from experiments.identity import uuid7
from experiments.services.ledger import current
from experiments.services.tracking.values import as_count, as_number
from experiments.storage.journal import NOTHING

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger


class ModelRegistry:
    """Registers the checkpoints of runs.

    Parameters
    ----------
    ledger : Ledger, optional
        By default the ledger opened last, else the default one.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = current() if ledger is None else ledger

    def register_model(
        self,
        experiment_id: str,
        checkpoint_path: str | os.PathLike[str],
        episode_num: int | None = None,
        val_metric: float | None = None,
        is_best: bool = False,
    ) -> str:
        """Register a checkpoint of a run; it survives the death of the process once this returns.

        Parameters
        ----------
        experiment_id : str
            The run.
        checkpoint_path : path
            Its file. One that is there is recorded with size and SHA-256, else its name alone is.
        episode_num : int, optional
            The episode after which it was saved.
        val_metric : float, optional
            What it is measured by; NaN is kept as such.
        is_best : bool
            Whether it is the best of the run so far: the one called so last is in the view `best_checkpoints`.

        Returns
        -------
        str
            Its `model_id`.

        Raises
        ------
        NotFoundError
            If there is no such run.
        InvalidInputError
            If a value is of the wrong kind, or the path is a folder or cannot be read; nothing is registered.
        """
        tracking = self._ledger.tracking
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
