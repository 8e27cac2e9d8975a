"""From what a user names, a file, a Delta table, a table of the engine or an example, to the frames of a backtest."""

from __future__ import annotations

import csv
import difflib
import gzip
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.errors import InvalidInputError, NotFoundError, unknown
from experiments.storage.folder import read_folder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from experiments.services.ledger import Ledger

ACCEPTED = (
    "a .csv, .csv.gz or .parquet file, the folder of a Delta table, a table's name such as a.b.c, "
    "example:wti or example:vix"
)
"""What a source may be, in words."""

_EXAMPLES = ("wti", "vix")
_MISSING = {"", "na", "n/a", "nan", "null"}
_TABLE = re.compile(r"[A-Za-z_]\w*(\.\w+){0,2}", re.ASCII)
_FILES = ("csv", "gz", "tsv", "txt", "json", "parquet", "xls", "xlsx", "zip", "pkl", "pickle", "feather", "orc")
_VERSION = re.compile(r"(?P<name>.+)@v(?P<version>[^/\\@]*)", re.DOTALL)
_UNNAMED = re.compile(r"|__index_level_\d+__")  # what pandas writes for an index without a name
_LISTED = 30


@dataclass(frozen=True, kw_only=True)
class Source:
    """The prices that were read.

    Parameters
    ----------
    frame : DataFrame
        Columns `ds`, `y` (float, in the unit of the source) and, if the source has it, `unique_id`.
    version : str
        What was read, in short: "prices.csv", or "prices@v3" for version 3 of a Delta table.
    """

    frame: pd.DataFrame
    version: str


def read_prices(
    source: str | Path, *, ledger: Ledger | None, date_column: str = "ds", value_column: str = "y"
) -> Source:
    """Read the prices of a commodity.

    Parameters
    ----------
    source : str or Path
        A .csv, .csv.gz or .parquet file; the folder of a Delta table, or `folder@v3` for its version 3; where there is
        no such path, the name of a table (`a`, `a.b` or `a.b.c`, with `@v3` for a version); `example:wti` or
        `example:vix`.
    ledger : Ledger or None
        Whose engine is asked for tables by name; not needed for anything else.
    date_column, value_column : str
        The source's columns of dates and of values.

    Raises
    ------
    NotFoundError
        If there is no such file, table, version or example.
    InvalidInputError
        If it cannot be read as what it seems to be, lacks a column or has text among the values.
    EngineError
        If a Delta table is to be read and the package for it is not installed.
    """
    raw, version = _read(source, ledger)
    if _example(source):
        date_column, value_column = raw.columns
    lacking = [
        (option, name)
        for option, name in (("--date-column", date_column), ("--value-column", value_column))
        if name not in raw.columns
    ]
    if lacking:
        _refuse_columns(raw, version, lacking)
    frame = _dated(raw, date_column)
    frame["y"] = _numbers(raw, value_column, version)
    if "unique_id" in raw.columns:
        frame.insert(0, "unique_id", raw["unique_id"])
    return Source(frame=frame.reset_index(drop=True), version=version)


def read_covariates(
    sources: Sequence[str], *, ledger: Ledger | None, date_column: str = "ds"
) -> dict[str, pd.DataFrame]:
    """Read covariates: every column of a source but its date is one, under its own name.

    Parameters
    ----------
    sources : sequence of str
        As for `read_prices`.
    ledger : Ledger or None
        Whose engine is asked for tables by name.
    date_column : str
        The sources' column of dates; `ds` is taken where a source lacks it.

    Returns
    -------
    dict of str to DataFrame
        By name, a frame with `ds` and the covariate.

    Raises
    ------
    NotFoundError
        If there is no such file, table, version or example.
    InvalidInputError
        If a source cannot be read, has no dates or no covariate, has text in one, or two sources have the same.
    """
    found: dict[str, pd.DataFrame] = {}
    read_from: dict[str, str | Path] = {}
    for source in sources:
        raw, version = _read(source, ledger)
        dates = date_column if date_column in raw.columns else "ds"
        if dates not in raw.columns:
            _refuse_columns(raw, version, [("--date-column", date_column)])
        names = [str(name) for name in raw.columns if name not in (dates, "ds")]
        if not names:
            msg = f"{version} has no covariate: its only column is {dates!r}. Give a column of values beside the dates."
            raise InvalidInputError(msg)
        for name in names:
            if name in read_from:
                msg = f"the covariate {name!r} is in both {read_from[name]} and {source}: rename or remove one."
                raise InvalidInputError(msg)
            read_from[name] = source
            found[name] = _dated(raw, dates).assign(**{name: _numbers(raw, name, version)}).reset_index(drop=True)
    return found


def names_table(source: str | Path) -> bool:
    """Whether a source is the name of a table, which only an engine can read: no such path, and the form of a name."""
    name, _ = _split(source)
    text = str(name)
    return not _there(name) and bool(_TABLE.fullmatch(text)) and text.rpartition(".")[2].casefold() not in _FILES


def at_version(source: str | Path) -> tuple[str | Path, int | None]:
    """The path or the name in a source, and the version of the table after its @v.

    Raises
    ------
    InvalidInputError
        If what stands after @v is no whole number.
    """
    name, version = _split(source)
    return name, None if version is None else _number_of(version, source)


def _read(source: str | Path, ledger: Ledger | None) -> tuple[pd.DataFrame, str]:
    """The columns of a source as they stand, the index naming lines or rows, and what was read."""
    if not isinstance(source, str | Path):
        msg = f"a source is {source!r}: give {ACCEPTED}."
        raise InvalidInputError(msg)
    if example := _example(source):
        return _read_example(example), str(source)
    if names_table(source):
        return _read_table(source, ledger)
    name, version = _split(source)
    path = Path(name)
    if not _there(path):
        raise _missing(path)
    if path.is_dir():
        at = None if version is None else _number_of(version, source)
        columns, number = read_folder(path, at)
        return _checked(columns, f"{path.absolute().name}@v{number}")
    if version is not None:
        msg = f"{path} is a file and has no versions: leave out @v{version}, or give the folder of a Delta table."
        raise InvalidInputError(msg)
    kinds = {".csv": _read_csv, ".csv.gz": _read_csv, ".parquet": _read_parquet}
    read = next((read for suffix, read in kinds.items() if path.name.casefold().endswith(suffix)), None)
    if read is None:
        msg = f"{path} cannot be read by its name: give {ACCEPTED}."
        raise InvalidInputError(msg)
    if not path.is_file():
        msg = f"{path} is neither a file nor a folder: give {ACCEPTED}."
        raise InvalidInputError(msg)
    try:
        return _checked(read(path), path.name)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        msg = f"{path} is no complete gzip file ({error}): write it again."
        raise InvalidInputError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}."
        raise InvalidInputError(msg) from error


def _example(source: str | Path) -> str:
    """The name after "example:", empty where the source is none."""
    head, _, name = str(source).partition(":")
    if head != "example":
        return ""
    if name not in _EXAMPLES:
        what = "example"
        raise unknown(what, name, _EXAMPLES)
    return name


def _read_example(name: str) -> pd.DataFrame:
    from experiments.science.example_data import load_vix, load_wti

    return {"wti": load_wti, "vix": load_vix}[name]().set_axis(["ds", name], axis=1)


def _split(source: str | Path) -> tuple[str | Path, str | None]:
    """Path or name, and the text after @v; a path that is there as it stands has no version."""
    match = None if _there(source) else _VERSION.fullmatch(str(source))
    return (match["name"], match["version"]) if match else (source, None)


def _there(path: str | Path) -> bool:
    return "\0" not in str(path) and os.path.lexists(path)


def _number_of(version: str, source: object) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", version):
        msg = f"the version in {str(source)!r} is {version!r}: give a whole number, such as @v3."
        raise InvalidInputError(msg)
    return int(version)


def _missing(path: Path) -> NotFoundError:
    """What to say of a path that is not there: the nearest name in its folder, if any."""
    try:
        names = sorted(os.listdir(path.parent))
    except (OSError, ValueError):
        return NotFoundError(f"there is no file {str(path)!r}: its folder cannot be listed. Give {ACCEPTED}.")
    stems = {Path(name).stem: name for name in reversed(names)}  # endings are alike too often
    nearest = difflib.get_close_matches(path.stem, stems, n=1)
    hint = f" Did you mean {str(path.parent / stems[nearest[0]])!r}?" if nearest else ""
    return NotFoundError(f"there is no file {str(path)!r}.{hint} Give {ACCEPTED}.")


def _read_table(source: str | Path, ledger: Ledger | None) -> tuple[pd.DataFrame, str]:
    name, number = at_version(source)
    if ledger is None:
        msg = f"{name} would be a table's name, and no ledger is open to ask for it: give a file, or open one."
        raise InvalidInputError(msg)
    try:
        frame, read = ledger.read_table(str(name), number)
    except NotFoundError as error:
        if number is not None:
            raise
        raise NotFoundError(
            f"{str(error).rstrip('.')}; {_missing(Path(name))}"
        ) from error  # a file may have been meant
    return _checked(frame, str(name) if read is None else f"{name}@v{read}")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return _to_pandas(file.read())
    except pa.ArrowException as error:
        msg = f"{path} is no Parquet file that can be read: {str(error).partition('.')[0]}."
        raise InvalidInputError(msg) from error


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """The columns as they are stored: an index that pandas wrote is a column again."""
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """The cells of a CSV as text, empty ones None; the index is the line a row ends on."""
    import pandas as pd

    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.name.casefold().endswith(".gz") else raw
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        msg = f"{path} is no UTF-8 text (line {line}): save it as CSV in UTF-8."
        raise InvalidInputError(msg) from error
    if "\0" in text:
        msg = f"{path} is no text: give a CSV file in UTF-8."
        raise InvalidInputError(msg)
    lines = re.sub(r"\r\n?", "\n", text).split("\n")
    header = next((line for line in lines if line.strip()), None)
    if header is None:
        msg = f"{path} is empty: give a file with a header and a row for each date."
        raise InvalidInputError(msg)
    plain = re.sub(r'"[^"]*"', "", header)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=max(",;\t", key=plain.count), strict=True)
    rows: list[tuple[str | None, ...]] = []
    ends: list[int] = []
    names: list[str] = []
    try:
        for cells in reader:
            if len(cells) <= 1 and not "".join(cells).strip():
                continue  # an empty line
            if not names:
                names = [cell.strip() for cell in cells]
            elif len(cells) != len(names):
                msg = f"{path}: line {reader.line_num} has {len(cells)} cells, the header {len(names)} columns."
                raise InvalidInputError(msg)
            else:
                rows.append(tuple(_cell(cell) for cell in cells))
                ends.append(reader.line_num)
    except csv.Error as error:
        msg = f"{path}: line {reader.line_num} is no CSV ({error}): check its quotes."
        raise InvalidInputError(msg) from error
    return pd.DataFrame(rows, columns=names, index=pd.Index(ends, name="line"), dtype=object)


def _cell(text: str) -> str | None:
    stripped = text.strip()
    return None if stripped.casefold() in _MISSING else stripped


def _checked(frame: pd.DataFrame, version: str) -> tuple[pd.DataFrame, str]:
    """The frame without unnamed columns, its rows numbered; refused if a name stands twice or there is no row."""
    names = [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis=1).loc[:, [_UNNAMED.fullmatch(name) is None for name in names]]
    if twice := [name for position, name in enumerate(frame.columns) if name in frame.columns[:position]]:
        msg = f"{version} has two columns {twice[0]!r}: rename or remove one."
        raise InvalidInputError(msg)
    if frame.empty:
        msg = f"{version} has no rows, only the columns {_listed(frame.columns)}."
        raise InvalidInputError(msg)
    if frame.index.name != "line":
        frame = frame.set_axis(range(1, len(frame) + 1), axis=0).rename_axis("row")
    return frame, version


def _dated(raw: pd.DataFrame, column: str) -> pd.DataFrame:
    return raw[[column]].set_axis(["ds"], axis=1)


def _numbers(raw: pd.DataFrame, column: str, version: str) -> list[float]:
    """A column as numbers, missing ones NaN."""
    found = []
    for where, value in raw[column].items():
        try:
            found.append(_number(value))
        except (TypeError, ValueError, OverflowError) as error:
            msg = (
                f"{version}, {raw.index.name} {where}, column {column!r}: {_shortened(value)} is not a number. "
                "Write numbers as 1234.5, and leave a missing one empty."
            )
            raise InvalidInputError(msg) from error
    return found


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, str):
        text = _cell(value)
        if text is None:
            return float("nan")
        if not text.isascii() or "_" in text:  # Python reads more as a number than anybody writes in a table
            raise ValueError(text)
        return float(text)
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        return float(value)
    raise TypeError(value)


def _refuse_columns(raw: pd.DataFrame, version: str, lacking: Sequence[tuple[str, str]]) -> NoReturn:
    """Say which columns a source lacks, which it has and how to name them."""
    wanted = " and no column ".join(repr(name) for _, name in lacking)
    options = " and ".join(option for option, _ in lacking)
    msg = (
        f"{version} has no column {wanted}; its columns are {_listed(raw.columns)}. Name the right one with {options}."
    )
    raise InvalidInputError(msg)


def _listed(names: Iterable[object]) -> str:
    shown = [repr(name) for name in names]
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


def _shortened(value: object, length: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."
