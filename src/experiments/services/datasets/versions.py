"""`DatasetVersionManager`: versions of frames, each with what its maker says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.services.datasets.manager import DatasetManager
from experiments.services.ledger import connect, current
from experiments.storage.table import records

if TYPE_CHECKING:
    import pandas as pd

NAME = "data"
"""Name of the dataset whose versions are made here, where the metadata has no "name"."""


class DatasetVersionManager:
    """Versions of frames in a folder: content-hashed, never changed, kept once.

    They are datasets of a ledger; `DatasetManager` and ``experiments datasets`` show them as well.

    Parameters
    ----------
    storage_dir : str or Path, optional
        The folder of a ledger of their own, made where there is none; it is open only while it is used. By default the
        ledger opened last, else the default one: only there is a run under way linked to what it loads.

    Raises
    ------
    EngineError
        If the folder cannot be written.

    Examples
    --------
    >>> versions = DatasetVersionManager(storage_dir="data/versions/")  # doctest: +SKIP
    >>> version_id = versions.create_version(data=df, metadata={"source": "historical_data.csv"})  # doctest: +SKIP
    >>> data, metadata = versions.load_version(version_id)  # doctest: +SKIP
    """

    def __init__(self, storage_dir: str | Path | None = None) -> None:
        self.storage_dir = None if storage_dir is None else Path(storage_dir)
        self._ledger = current() if storage_dir is None else None
        with self._datasets():  # it is made, or found to be of no use, now
            pass

    def create_version(self, data: pd.DataFrame | str | Path, metadata: Mapping[str, Any] | None = None) -> str:
        """Keep a version; the same data with the same metadata is the same version.

        Parameters
        ----------
        data : DataFrame, str or Path
            As for `DatasetManager.register_dataset`.
        metadata : mapping, optional
            As for `DatasetManager.register_dataset`; its "name", if it has one, names the dataset.

        Returns
        -------
        str
            The `version_id`: a digest of content and metadata.

        Raises
        ------
        InvalidInputError, NotFoundError, EngineError
            As `DatasetManager.register_dataset`.
        """
        name = metadata.get("name", NAME) if isinstance(metadata, Mapping) else NAME
        with self._datasets() as datasets:
            return datasets.register_dataset(data, name, metadata={} if metadata is None else metadata)

    def load_version(self, version_id: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The data of a version, and the metadata it was made with.

        Raises
        ------
        NotFoundError, EngineError
            As `DatasetManager.load`.
        """
        with self._datasets() as datasets:
            dataset = datasets.get_dataset(version_id)
            return datasets.load(dataset.dataset_id), dict(dataset.metadata or {})

    def list_versions(self) -> list[dict[str, Any]]:
        """Of each version, the oldest first: `version_id`, `name`, `version`, `created_at`, `n_rows`, `n_columns`."""
        with self._datasets() as datasets:
            found = datasets.list_datasets().rename(columns={"dataset_id": "version_id"})
        shown = found[["version_id", "name", "version", "created_at", "created_by", "n_rows", "n_columns"]]
        return records(shown.sort_values(["created_at", "version_id"]))

    def get_version_info(self, version_id: str) -> dict[str, Any]:
        """All that is known of a version: what `Dataset` has, its id as `version_id`.

        Raises
        ------
        NotFoundError
            If there is no such version.
        """
        with self._datasets() as datasets:
            dataset = datasets.get_dataset(version_id)
        return {"version_id": dataset.dataset_id} | {
            name: value for name, value in vars(dataset).items() if name != "dataset_id"
        }

    @contextmanager
    def _datasets(self) -> Iterator[DatasetManager]:
        """The datasets of the ledger, open as long as they are asked."""
        if self.storage_dir is None:
            yield DatasetManager(self._ledger)
            return
        # left open it would be the ledger opened last, and the next run be logged to it
        with connect(self.storage_dir) as ledger:
            yield DatasetManager(ledger)
