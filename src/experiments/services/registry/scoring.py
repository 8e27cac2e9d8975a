"""Batch scoring: the rows of a table through a registered model, in the Python workers of the ledger's engine.

The file of the model is found to be what was saved before anything of it is read; to the workers it goes as those
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_identifier
from experiments.errors import EngineError, InvalidInputError
from experiments.services.datasets import reading
from experiments.services.progress import progress_bar
from experiments.services.registry.formats import loaded
from experiments.services.registry.prediction import Predictor, arrow_type, in_worker, kind_of, predict
from experiments.services.registry.scored_files import check_target, write_file
from experiments.services.sources import at_version, names_table
from experiments.storage import mapping
from experiments.storage.folder import open_folder
from experiments.storage.table import named

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry
    from experiments.storage.engine import Engine

COLUMN = "prediction"
"""What the column of predictions is called, unless told otherwise."""

ACCEPTED = "a .csv, .csv.gz, .parquet or .feather file, the folder of a Delta table, or a table's name such as a.b.c"
"""What a table may be, in words."""

_ROWS = 1 << 17
"""Rows that go to the engine at once, of a table that is read here."""

_TRIED = 5
"""Rows that the model predicts here first: what is wrong is told before any work, and what it predicts is known."""

_LISTED = 20
_NUMBER = "n"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What was scored, and where the rows with their predictions are.

    Attributes
    ----------
    model : ModelVersion
    source : str
        What was read, in short: "prices.csv", or "prices@v3" for version 3 of a Delta table.
    n_rows : int
    column : str
        The column of predictions.
    target : str
        The file or table.
    """

    model: ModelVersion
    source: str
    n_rows: int
    column: str
    target: str


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table to score: read here in parts, or a frame of the engine."""

    label: str
    columns: tuple[str, ...]
    schema: pa.Schema
    parts: Iterator[pa.Table]
    n_rows: int = 0
    frame: Any = None


def score(
    registry: ModelRegistry, found: ModelVersion, table: pd.DataFrame | str | Path, *, column: str = COLUMN
) -> pd.DataFrame:
    """The rows of a table with a model's predictions.

    Parameters
    ----------
    registry : ModelRegistry
        Whose ledger's engine is used.
    found : ModelVersion
        As `registry.get` finds it.
    table : DataFrame, str or Path
        A frame; a .csv, .csv.gz, .parquet or .feather file; the folder of a Delta table, or `folder@v3` for its version
        3; where there is no such path, the name of a table of the engine (`a`, `a.b` or `a.b.c`, `@v3` too). The model
        predicts from the columns it is recorded with (`input_schema`), in its order; where none are, from all.
    column : str
        What the column of predictions is called.

    Returns
    -------
    DataFrame
        Every column of the table as it was, and the predictions; a row for each row, of a frame or file in their order.

    Raises
    ------
    NotFoundError
        If there is no such table or version of it, or the model's file is gone.
    InvalidInputError
        If the table has no rows, lacks a column the model predicts from or has one called like the predictions, or the
        model cannot predict from it.
    EngineError
        If the model's file is not what was saved, or the engine gives up.

    Examples
    --------
    >>> score(registry, registry.get("spread@champion"), "today.parquet")  # doctest: +SKIP
    """
    import pandas as pd
    import pyarrow as pa

    engine = registry.ledger.engine
    opened = _open_frame(table, found) if isinstance(table, pd.DataFrame) else _open(engine, table)
    predictor = _predictor(registry, found, opened, column)
    schema, parts = _scored(engine, opened, *predictor, column)
    whole = pa.concat_tables(parts).cast(schema)
    if isinstance(table, pd.DataFrame):
        return table.assign(**{column: whole[column].to_numpy()})
    return reading.to_frame(whole)


def score_into(  # noqa: PLR0913  what the command takes
    registry: ModelRegistry,
    found: ModelVersion,
    table: str | Path,
    *,
    output: str | Path | None = None,
    into: str | Path | None = None,
    column: str = COLUMN,
    progress: bool = False,
) -> Scored:
    """Write the rows of a table with a model's predictions to a new file or table: all of it, or nothing.

    Of a table that is read here, a file or a folder, the rows are in memory some at a time. On Databricks a table goes
    from the engine into the engine.

    Parameters
    ----------
    registry, found, table, column
        As in `score`.
    output : str or Path, optional
        A .csv or .parquet file.
    into : str or Path, optional
        A Delta table: its folder; on Databricks its name, too.
    progress : bool
        Whether to show a bar.

    Raises
    ------
    InvalidInputError
        As `score`, or if not exactly one of `output` and `into` is given, or there is something of that name.
    NotFoundError, EngineError
        As `score`, or if it cannot be written.
    """
    engine = registry.ledger.engine
    if (output is None) == (into is None):
        msg = "give output, a .csv or .parquet file, or into, a new Delta table: one of them."
        raise InvalidInputError(msg)
    managed = into is not None and engine.location is None and names_table(into)
    if managed:
        mapping.check_new(engine, str(into))
    else:
        check_target(output, into)
    opened = _open(engine, table)
    predictor = _predictor(registry, found, opened, column)
    if managed and opened.frame is not None:
        n_rows = _into_catalog(engine, opened, predictor[0], column, str(into))
    else:
        schema, parts = _scored(engine, opened, *predictor, column)
        with progress_bar(f"Scoring {opened.label}", total=opened.n_rows, enabled=progress) as done:
            n_rows = _write(engine, schema, _told(parts, done), output=output, into=into, managed=managed)
    target = str(output if into is None else into)
    return Scored(model=found, source=opened.label, n_rows=n_rows, column=column, target=target)


def _open(engine: Engine, table: str | Path) -> _Table:
    """See what a table is; its rows are not read yet."""
    given: Any = table
    if not isinstance(given, str | Path) or not str(given).strip() or "\0" in str(given):
        msg = f"the table is {str(given)!r:.60}: give {ACCEPTED}."
        raise InvalidInputError(msg)
    name, version = at_version(table)
    if names_table(table):
        frame, read = named(engine, str(name), version)
        return _of_engine(frame, str(name) if read is None else f"{name}@v{read}")
    if Path(name).is_dir():
        return _of_folder(Path(name), version)
    data = reading.read(table)
    n_rows = _length(data)
    names = tuple(data.schema.names)
    return _Table(label=data.source, columns=names, schema=data.schema, n_rows=n_rows, parts=_parts(data.batches()))


def _open_frame(frame: pd.DataFrame, found: ModelVersion) -> _Table:
    """The columns of a frame that are needed; the others stay where they are."""
    import pyarrow as pa

    names = [name for name in frame.columns if found.input_schema is None or name in found.input_schema]
    rows = reading.of_frame(frame[names].reset_index(drop=True)) if names else pa.table({})
    return _Table(
        label="the frame",
        columns=tuple(map(str, frame.columns)),
        schema=rows.schema,
        n_rows=len(frame),
        parts=_parts(rows.to_batches(_ROWS)),
    )


def _of_folder(folder: Path, version: int | None) -> _Table:
    found = open_folder(folder, version)
    return _Table(
        label=f"{folder.absolute().name}@v{found.version}",
        columns=tuple(found.rows.schema.names),
        schema=found.rows.schema,
        n_rows=found.rows.count_rows(),
        parts=_parts(found.rows.to_batches()),
    )


def _of_engine(frame: Any, label: str) -> _Table:
    """A table of the engine: its first rows are here, the others stay there."""
    first = mapping.rows_of(frame.limit(_TRIED))
    names = tuple(first.schema.names)
    return _Table(label=label, columns=names, schema=first.schema, parts=iter([first]), frame=frame)


def _length(data: reading.Data) -> int:
    import pyarrow.parquet as pq

    if data.table is not None:
        return int(data.table.num_rows)
    with pq.ParquetFile(data.path) as file:
        return int(file.metadata.num_rows)


def _parts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Rows in shares that are worth a call of the engine."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting += [batch] if batch.num_rows else []
        if sum(one.num_rows for one in waiting) >= _ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _predictor(
    registry: ModelRegistry, found: ModelVersion, table: _Table, column: str
) -> tuple[Predictor, Iterator[pa.Table]]:
    """The model, tried on the first rows of a table, and the table's parts with the first among them again."""
    names = table.columns
    features = names if found.input_schema is None else tuple(found.input_schema)
    if missing := [name for name in features if name not in names]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        msg = f"{table.label} has no column {missing[0]!r}{more}, which {found.label} predicts from; "
        msg += f"its columns are {_list(names)}."
        raise InvalidInputError(msg)
    check_identifier("the column", column)
    if column.casefold() in {name.casefold() for name in names}:
        msg = f"{table.label} has a column {column!r} already: call that of the predictions otherwise, with --column."
        raise InvalidInputError(msg)
    first = next(table.parts, None)
    if first is None or not first.num_rows:
        msg = f"{table.label} has no rows, only the columns {_list(names)}."
        raise InvalidInputError(msg)
    content = registry.files.read(found.file_path, found.sha256)
    predictor = Predictor(
        label=found.label,
        sha256=found.sha256,
        content=content,
        file_format=found.file_format,
        model_type=found.model_type,
        features=features,
    )
    model = loaded(content, found.file_format)
    tried = mapping.portable(first.slice(0, _TRIED).select(features)).to_pandas()
    kind = kind_of(predict(model, tried, found.label), found.label)
    return replace(predictor, kind=kind), _again(first, table.parts)


def _again(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _scored(
    engine: Engine, table: _Table, predictor: Predictor, parts: Iterator[pa.Table], column: str
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """The columns with that of the predictions, and the rows: of a table of the engine all at once."""
    import pyarrow as pa

    if table.frame is not None:
        whole = mapping.rows_of(_in_engine(table, predictor, column))
        return whole.schema, iter([whole])
    schema = table.schema.append(pa.field(column, arrow_type(predictor.kind)))
    return schema, (_with_predictions(engine, part, predictor, column) for part in parts)


def _with_predictions(engine: Engine, part: pa.Table, predictor: Predictor, column: str) -> pa.Table:
    """Rows of this process with their predictions: only what the model needs goes to the engine and back."""
    import pyarrow as pa

    given = mapping.portable(part.select(predictor.features))
    # by place: an engine may not take every name
    given = given.rename_columns([f"c{place}" for place in range(given.num_columns)])
    given = given.add_column(0, _NUMBER, pa.array(range(part.num_rows), pa.int64()))
    places = tuple(range(1, given.num_columns))
    work = partial(in_worker, predictor=predictor, places=places, kept=(0,), column=column)
    made = mapping.map_rows(engine, given, work, f"{_NUMBER} bigint, {column} {predictor.kind}").sort_by(_NUMBER)
    if made.num_rows != part.num_rows:
        msg = f"the engine returned {made.num_rows:,} predictions for {part.num_rows:,} rows. Nothing was written."
        raise EngineError(msg)
    return part.append_column(column, made[column].cast(arrow_type(predictor.kind)))


def _in_engine(table: _Table, predictor: Predictor, column: str) -> Any:
    """A table of the engine with predictions, computed when it is asked for."""
    names = table.schema.names
    places = tuple(names.index(name) for name in predictor.features)
    kept = tuple(range(len(names)))
    work = partial(in_worker, predictor=predictor, places=places, kept=kept, column=column)
    return mapping.map_table(table.frame, work, column, predictor.kind)


def _into_catalog(engine: Engine, table: _Table, predictor: Predictor, column: str, name: str) -> int:
    mapping.save_table(engine, _in_engine(table, predictor, column), name)
    frame, _ = named(engine, name)
    return int(mapping.run(frame.count))


def _write(
    engine: Engine,
    schema: pa.Schema,
    parts: Iterator[pa.Table],
    *,
    output: str | Path | None,
    into: str | Path | None,
    managed: bool,
) -> int:
    """Write rows where they are wanted; returns how many they were."""
    import pyarrow as pa

    n_rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal n_rows
        for part in parts:
            n_rows += part.num_rows
            yield part

    if output is not None:
        write_file(Path(output), schema, counted())
    elif managed:
        whole = mapping.portable(pa.concat_tables(counted()))
        mapping.save_table(engine, mapping.frame_of(engine, whole), str(into))
    else:
        taken = mapping.portable(schema.empty_table()).schema
        mapping.write_folder(Path(str(into)), taken, (mapping.portable(part) for part in counted()))
    return n_rows


def _told(parts: Iterator[pa.Table], done: Any) -> Iterator[pa.Table]:
    for part in parts:
        done("", part.num_rows)
        yield part


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more
