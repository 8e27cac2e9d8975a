"""`DatasetManager`: versions of data that never change, and their parts."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_count, check_text, storable
from experiments.errors import EngineError, InvalidInputError, NotFoundError, first_line, unknown
from experiments.identity import digest
from experiments.services.datasets import reading, splits, values
from experiments.services.datasets.content import order_of, read_content
from experiments.services.datasets.meaning import Meaning
from experiments.services.datasets.record import Dataset, from_row, to_row
from experiments.services.ledger import current
from experiments.services.provenance import user
from experiments.services.tracking import active
from experiments.services.tracking.artifacts import holder_of, store_of
from experiments.services.tracking.rows import KEYS, merge
from experiments.storage.folder import read_folder
from experiments.storage.table import correct, rows_with_key, select

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from experiments.services.ledger import Ledger
    from experiments.services.rows import Row


class DatasetManager:
    """Versions of data: registered once, never changed, kept once, and linked to the runs that read them.

    Parameters
    ----------
    ledger : Ledger, optional
        By default the one opened last, else the default one.

    Examples
    --------
    >>> datasets = DatasetManager()  # doctest: +SKIP
    >>> dataset_id = datasets.register_dataset(  # doctest: +SKIP
    ...     "coffee.csv", "coffee", time_column="ds", splits={"train": 0.7, "validation": 0.15, "test": 0.15}
    ... )
    >>> train = datasets.load(dataset_id, split="train")  # doctest: +SKIP
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = current() if ledger is None else ledger

    def register_dataset(  # noqa: PLR0913  what a dataset is
        self,
        data: pd.DataFrame | str | Path,
        name: str,
        *,
        time_column: str | None = None,
        feature_columns: Sequence[str] | None = None,
        target_columns: Sequence[str] | None = None,
        splits: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep a version of a dataset; the same again is the same version, and equal content is kept once.

        Content that is kept already is read and checked; where it is damaged or gone, it is kept again.

        Parameters
        ----------
        data : DataFrame, str or Path
            A frame, or the path of a .csv, .csv.gz, .parquet or .feather file. An index with a name is kept as a
            column; row numbers are not kept.
        name : str
            What its versions have in common.
        time_column : str, optional
            The column of dates, times or numbers that orders the rows.
        feature_columns, target_columns : sequence of str, optional
            Columns a model learns from, and is to forecast.
        splits : mapping, optional
            Of each split its share of the rows, ``{"train": 0.7, "test": 0.3}``, in the order of time where there is a
            `time_column`, else of the rows; or its first and last time, ``{"train": ("2015-01-01", "2020-12-31")}``,
            both in it.
        metadata : mapping, optional
            Anything JSON can hold, dates, paths, and numpy's numbers and arrays.

        Returns
        -------
        str
            The `dataset_id`: a digest of content, name and all of the above.

        Raises
        ------
        InvalidInputError
            If the data, a split or the metadata cannot be kept, or there is no place to keep it.
        NotFoundError
            If there is no such file or column.
        EngineError
            If it cannot be written.
        """
        meaning = Meaning(
            name=name,
            time_column=time_column,
            feature_columns=feature_columns,
            target_columns=target_columns,
            splits=splits,
            metadata=metadata,
        )
        return self._register(reading.read(data), meaning)

    def register_table(  # noqa: PLR0913  as register_dataset
        self,
        table_name: str,
        version: int | None = None,
        *,
        name: str | None = None,
        time_column: str | None = None,
        feature_columns: Sequence[str] | None = None,
        target_columns: Sequence[str] | None = None,
        splits: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Register a Delta table at a version as a dataset; nothing of it is copied.

        A table's rows have no order: they are put in that of the time column and then of the others.

        Parameters
        ----------
        table_name : str
            A table of the engine's catalog, or the folder of one.
        version : int, optional
            A whole number of at least 0. By default the newest; to be given where the engine cannot tell which that
            is.
        name : str, optional
            By default the table's.
        time_column, feature_columns, target_columns, splits, metadata
            As in `register_dataset`.

        Returns
        -------
        str
            The `dataset_id`.

        Raises
        ------
        InvalidInputError, NotFoundError
            As `register_dataset`, and if there is no such table or version.
        """
        if version is not None:
            version = check_count("version", version, least=0)
        folder = Path(str(table_name))
        meaning = Meaning(
            name=folder.name if name is None else name,
            time_column=time_column,
            feature_columns=feature_columns,
            target_columns=target_columns,
            splits=splits,
            metadata=metadata,
        )
        location = str(folder.absolute()) if folder.is_dir() else str(table_name)
        rows, read = self._read_table(location, version, time_column)
        if read is None:
            msg = f"the engine does not tell which version of {table_name} is the newest: give version."
            raise InvalidInputError(msg)
        return self._register(reading.Data(schema=rows.schema, table=rows), meaning, table=(location, read))

    def load(self, dataset_id: str, split: str | None = None) -> pd.DataFrame:
        """The rows of a dataset, or of one split of it; the run under way here is recorded to have read them.

        Parameters
        ----------
        dataset_id : str
            Or its first characters, where no other has them.
        split : str, optional
            By default all rows, those of no split as well.

        Returns
        -------
        DataFrame
            The rows in the order they were registered in, a table's in that of their values. Equal content is kept
            once, so the order and types of its columns are those of its first registration, under whatever name; a
            CSV's types are told from its cells, and the file that repairs damaged content brings its own.

        Raises
        ------
        NotFoundError
            If there is no such dataset, split or, any more, content, folder or version of a table.
        EngineError
            If the content is not what was registered.
        """
        dataset = self.get_dataset(dataset_id)
        part = _part_of(dataset, split)
        table = self.read(dataset)
        if part is not None:
            time = dataset.time_column
            order = None if time is None else order_of(values.plain_column(table.column(time)), time)
            table = table.filter(splits.rows_of(part, order, table.num_rows))
        active.link(self.ledger.where, dataset.dataset_id, split or splits.WHOLE)
        return reading.to_frame(table)

    def get_dataset(self, dataset_id: str) -> Dataset:
        """All that is known of a dataset.

        Raises
        ------
        NotFoundError
            If there is none of this id, or none or several whose id begins so.
        """
        given = check_text("dataset_id", dataset_id)
        found = self._rows("dataset_id", given) or self._rows("dataset_id", self._only(given))
        return from_row(found[0])

    def list_datasets(self, name: str | None = None) -> pd.DataFrame:
        """One row a version: id, name, number of the version, when and by whom, size, and how many runs read it.

        Parameters
        ----------
        name : str, optional
            Only the versions of this dataset.

        Raises
        ------
        NotFoundError
            If there is no dataset of this name.
        """
        found = select(self.ledger.engine, "datasets_listed", dataset=name)
        if found.empty and name is not None:
            raise unknown("dataset", name, set(select(self.ledger.engine, "datasets_known")["name"]))
        return found

    def read(self, dataset: Dataset) -> pa.Table:
        """All rows of a dataset, found to be those registered; no run is recorded to have read them.

        Raises
        ------
        NotFoundError, EngineError
            As `load`.
        """
        if dataset.file_sha256 is None:
            table, _ = self._read_table(dataset.location, dataset.table_version, dataset.time_column)
            if (found := read_content(table.to_batches()).sha256) != dataset.content_sha256:
                msg = (
                    f"version {dataset.table_version} of {dataset.location} is not what was registered as "
                    f"{dataset.dataset_id}: its content is {found[:16]}, and was {dataset.content_sha256[:16]}."
                )
                raise EngineError(msg)
            return table
        import pyarrow.parquet as pq

        store = holder_of(self.ledger, dataset.file_sha256, dataset.location)
        with store.open(dataset.file_sha256) as file:
            return pq.read_table(file)

    def _register(self, given: reading.Data, meaning: Meaning, *, table: tuple[str, int] | None = None) -> str:
        meaning.check(given.schema.names)
        content = read_content(given.batches(), meaning.time_column)
        said = meaning.of(content)
        dataset_id = digest([content.sha256, said, table])
        same = self._rows("content_sha256", content.sha256)
        kept = self._kept(given, same) if table is None else _of_table(*table)
        if dataset_id not in {row["dataset_id"] for row in same}:
            source = given.source if table is None else f"{table[0]}@v{table[1]}"
            found = Dataset(
                **said,
                **kept,
                dataset_id=dataset_id,
                content_sha256=content.sha256,
                created_at=dt.datetime.now(dt.UTC),
                created_by=user(),
                source=storable("source", source),
                **{one: getattr(content, one) for one in ("n_rows", "column_types", "minimums", "maximums", "missing")},
            )
            merge(self.ledger.engine, "datasets", [to_row(found)])
        return dataset_id

    def _kept(self, given: reading.Data, same: Sequence[Row]) -> Row:
        """Where the content is kept: where it is already and intact, else in the store of the ledger."""
        rows = [row for row in same if row["format"] == "parquet"]
        files = {(row["file_sha256"], row["location"]) for row in rows}
        intact = {(sha256, at) for sha256, at in files if holder_of(self.ledger, sha256, at).intact(sha256)}
        row = next((row for row in rows if (row["file_sha256"], row["location"]) in intact), None)
        kept = self._keep(given) if row is None else _of_file(row["location"], row["file_sha256"], row["size_bytes"])
        if lost := [row["dataset_id"] for row in rows if (row["file_sha256"], row["location"]) not in intact]:
            self._point(lost, kept)
        return kept

    def _point(self, ids: Sequence[str], kept: Row) -> None:
        """Point datasets whose content was lost to where it is kept now."""
        engine = self.ledger.engine

        def find(column: str) -> list[Row]:
            found = rows_with_key(engine, "datasets", "dataset_id", ids)
            return [
                {"dataset_id": row["dataset_id"], column: kept[column]} for row in found if row[column] != kept[column]
            ]

        for column in ("file_sha256", "location", "size_bytes"):  # the first of them finds it in the ledger's own store
            correct(engine, "datasets", column, partial(find, column), key=KEYS["datasets"], pins=())

    def _keep(self, given: reading.Data) -> Row:
        """Keep the content in the store of the ledger."""
        store = store_of(self.ledger)
        with tempfile.TemporaryDirectory() as folder:
            path = given.path if given.table is None else _written(given, Path(folder) / "data.parquet")
            kept = store.keep(str(path), "data.parquet", "data")
        if not given.unchanged():
            msg = f"{given.path} changes while it is read: register it once whatever writes it is done."
            raise InvalidInputError(msg)
        return _of_file(kept.location, kept.sha256, kept.size_bytes)

    def _read_table(self, location: str, version: int | None, time: str | None) -> tuple[pa.Table, int | None]:
        """The rows of a table in an order of their own, and the version read."""
        folder = Path(location)
        # no name of a table has a slash: it is a folder that is gone
        is_folder = folder.is_dir() or os.sep in location
        found = read_folder(folder, version) if is_folder else self.ledger.read_table(location, version)
        table = reading.of_frame(found[0])
        return reading.in_order(table, time), found[1]

    def _rows(self, key: str, value: str) -> list[Row]:
        return rows_with_key(self.ledger.engine, "datasets", key, [value])

    def _only(self, beginning: str) -> str:
        """The id that begins so."""
        known = select(self.ledger.engine, "datasets_known")
        ids = [str(one) for one in known["dataset_id"] if str(one).startswith(beginning)]
        if len(ids) > 1:
            msg = f"{len(ids)} datasets have an id that begins with {beginning!r}, such as {ids[0]} and {ids[1]}."
            raise NotFoundError(msg)
        if not ids:
            what = "dataset"
            raise unknown(what, beginning, nearest(beginning, known["dataset_id"].tolist()))
        return ids[0]


def nearest(given: str, ids: Sequence[str]) -> list[str]:
    """The few ids most like one that is not known: a ledger may have thousands."""
    import difflib

    return difflib.get_close_matches(given, ids, n=5, cutoff=0)


def _part_of(dataset: Dataset, split: str | None) -> splits.Part | None:
    if split is None:
        return None
    parts = dataset.splits or {}
    if split not in parts:
        what = f"split of {dataset.name} {dataset.dataset_id}"
        raise unknown(what, split, parts)
    return dict(parts[split])


def _of_file(location: str, sha256: str, size_bytes: int) -> Row:
    return {
        "format": "parquet",
        "location": location,
        "file_sha256": sha256,
        "size_bytes": int(size_bytes),
        "table_version": None,
    }


def _of_table(location: str, version: int) -> Row:
    return {
        "format": "delta",
        "location": location,
        "table_version": version,
        "file_sha256": None,
        "size_bytes": None,
    }


def _written(given: reading.Data, path: Path) -> Path:
    """A Parquet file of rows that are in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.write_table(given.table, path, compression="zstd")
    except (pa.ArrowException, OSError) as error:
        msg = f"the data cannot be written as Parquet: {first_line(error)}"
        raise EngineError(msg) from error
    return path
