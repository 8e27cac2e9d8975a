"""What a dataset's digest says: the values, and nothing of how they are stored."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from experiments.errors import InvalidInputError, NotFoundError
from experiments.services.datasets.content import Content, read_content
from experiments.services.datasets.meaning import _as_json_gives_back
from experiments.services.datasets.reading import in_order, read, to_frame

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def content(data: Any, order_by: str | None = None) -> Content:
    return read_content(read(data).batches(), order_by)


def digest(data: Any) -> str:
    return content(data).sha256


def arrow_digest(*columns: pa.Array | pa.ChunkedArray) -> str:
    table = pa.table({str(number): column for number, column in enumerate(columns)})
    return read_content(table.to_batches()).sha256


NUMBERS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=8)
FLOATS = st.lists(st.none() | st.floats(allow_infinity=True), min_size=3, max_size=8)
TEXTS = st.lists(st.none() | st.text(max_size=5), min_size=3, max_size=8)
TIMES = st.lists(st.none() | st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)), min_size=3, max_size=8)
FLAGS = st.lists(st.none() | st.booleans(), min_size=3, max_size=8)
COLUMNS = (
    NUMBERS.map(lambda values: pa.array(values, pa.int64()))
    | FLOATS.map(lambda values: pa.array(values, pa.float64()))
    | TEXTS.map(lambda values: pa.array(values, pa.string()))
    | TIMES.map(lambda values: pa.array(values, pa.timestamp("us")))
    | FLAGS.map(lambda values: pa.array(values, pa.bool_()))
)


def same_value(one: Any, other: Any) -> bool:
    """Whether two values are the same to the digest: NaN is NULL, 0.0 is -0.0."""
    missing = [pd.isna(value) for value in (one, other)]
    return all(missing) or (not any(missing) and type(one) is type(other) and one == other)


@given(column=COLUMNS, rows=st.integers(1, 8), cut=st.integers(0, 8), dictionary=st.booleans())
@QUICK
def test_neither_format_nor_layout_nor_encoding_changes_the_digest(
    tmp_path: Path, column: pa.Array, rows: int, cut: int, dictionary: bool
) -> None:
    plain = pa.table({"a": column, "b": column})
    encoded = column.dictionary_encode() if dictionary else column
    parts = pa.chunked_array([encoded[:cut], encoded[cut:]])
    pq.write_table(pa.table({"b": parts, "a": column}), tmp_path / "a.parquet", row_group_size=rows)
    feather.write_feather(pa.table({"a": column, "b": parts}), tmp_path / "a.feather", chunksize=rows)
    expected = read_content(plain.to_batches()).sha256
    assert digest(tmp_path / "a.parquet") == digest(tmp_path / "a.feather") == expected


@given(column=COLUMNS, data=st.data())
@QUICK
def test_changing_any_one_value_changes_the_digest(column: pa.Array, data: st.DataObject) -> None:
    values = column.to_pylist()
    position = data.draw(st.integers(0, len(values) - 1))
    of = {"int64": NUMBERS, "double": FLOATS, "string": TEXTS, "timestamp[us]": TIMES, "bool": FLAGS}
    other = data.draw(of[str(column.type)])[0]
    changed = pa.array([*values[:position], other, *values[position + 1 :]], column.type)
    assert (arrow_digest(column) == arrow_digest(changed)) == same_value(values[position], other)


def test_the_same_values_as_csv_gzip_parquet_feather_and_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "ds": pd.date_range("2024-02-28", periods=4),
            "at": pd.to_datetime(["2024-01-01 10:00:00.25", "2024-01-01 10:00:01.5", None, "1969-12-31 23:59:59.75"]),
            "n": [1, 2, -3, 2**53 + 1],
            "x": [0.1, None, 1e300, -np.inf],
            "whole": [1.0, 2.0, None, 4.0],
            "flag": [True, False, True, True],
            "name": ["a,b", 'say "é"', "two\nlines", None],
            "none": [None, None, None, None],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv.gz", index=False)
    frame.to_csv(tmp_path / "c.csv", sep=";", encoding="utf-8-sig")  # with row numbers
    frame.to_parquet(tmp_path / "a.parquet")
    frame[::-1].sort_index().to_parquet(tmp_path / "b.parquet")
    frame.to_feather(tmp_path / "a.feather")
    pa_csv.write_csv(pa.Table.from_pandas(frame), tmp_path / "d.csv")
    texts = frame.astype({"whole": "Int64", "name": "category", "n": "Int64", "flag": "boolean"})
    found = {path.name: digest(path) for path in sorted(tmp_path.iterdir())}
    assert set(found.values()) == {digest(frame)}
    assert digest(texts) == digest(frame[frame.columns[::-1]]) == digest(frame)
    assert len(found) == 7


def test_the_digest_stays_what_it_is() -> None:
    """Ids in ledgers are made of it: another algorithm would make every dataset a new one."""
    frame = pd.DataFrame(
        {
            "ds": pd.to_datetime(["2024-01-01", None]),
            "x": [1.5, 2],
            "s": ["é", None],
            "b": [True, None],
            "l": [[1], None],
        }
    )
    assert digest(frame) == "276e278e3b7c92d23e443de652b211bfd4f85a026815165f3735f6efc95a55e1"


def test_rows_that_come_in_any_order_are_put_in_the_only_one() -> None:
    frame = pd.DataFrame({"t": [2, 1, 1, None], "d": pd.to_timedelta([1, 2, 2, 3]), "l": [[1], [3], [2], None]})
    one, other = (
        in_order(pa.Table.from_pandas(frame.iloc[rows], preserve_index=False), "t")
        for rows in ([0, 1, 2, 3], [2, 3, 1, 0])
    )
    assert one.equals(other)
    assert one["l"].to_pylist() == [[2], [3], [1], None]


def test_numbers_and_times_are_what_they_equal_whatever_their_type() -> None:
    ones = [
        pa.array([1, None, 2**62]),
        pa.array([1.0, float("nan"), 2.0**62]),
        pa.array([1, None, 2**62], pa.uint64()),
        pa.array([Decimal("1.00"), None, Decimal(2**62)]),
        pa.array([1.0, None, 2.0**62], pa.float32()),
    ]
    assert len({arrow_digest(one) for one in ones}) == 1
    large = [pa.array([2**63], pa.uint64()), pa.array([2.0**63]), pa.array([Decimal(2**63)])]
    assert len({arrow_digest(one) for one in large}) == 1
    assert arrow_digest(pa.array([0.1])) == arrow_digest(pa.array([Decimal("0.1")]))
    assert arrow_digest(pa.array([0.5], pa.float16())) == arrow_digest(pa.array([0.5]))
    day, utc = dt.date(2024, 5, 1), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    times = [
        pa.array([day]),
        pa.array([day], pa.date64()),
        pa.array([utc.replace(tzinfo=None)], pa.timestamp("s")),
        pa.array([utc], pa.timestamp("ns", "America/New_York")),
    ]
    assert len({arrow_digest(one) for one in times}) == 1


def test_what_differs_has_another_digest() -> None:
    base = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    others = [
        base.rename(columns={"a": "c"}),
        base.set_axis(["b", "a"], axis=1),
        base[::-1],
        base.head(1),
        base.assign(a=["1", "2"]),
        base.assign(b=["xy", ""]),
        base.assign(b=["x", None]),
        base.assign(b=[b"x", b"y"]),
        base.assign(c=None),
        base.assign(a=[True, False]),
        base.assign(a=pd.to_datetime([1, 2], unit="us")),
        base.assign(a=pd.to_timedelta([1, 2], unit="us")),
        base.assign(a=[[1], [2]]),
        base.assign(a=[[1], [3]]),
        base.assign(a=[{"x": 1}, {"x": 2}]),
        base.assign(a=[dt.time(1), dt.time(2)]),
        base.assign(a=[Decimal("0.1234567890123456789"), Decimal(2)]),
        base.assign(a=[Decimal("0.1234567890123456788"), Decimal(2)]),
        base.assign(a=[2**53, 2]),
        base.assign(a=[2**53 + 1, 2]),
        base.assign(a=pd.to_datetime([1, 2], unit="ns")),
        base.assign(a=pd.to_datetime([1, 2], unit="ns") + pd.Timedelta(1, "ns")),
    ]
    digests = [digest(base), *(digest(other.reset_index(drop=True)) for other in others)]
    assert len(set(digests)) == len(digests)


def test_what_is_in_each_column_is_told() -> None:
    frame = pd.DataFrame(
        {
            "ds": pd.to_datetime(["2024-01-02", "2024-01-01 12:30", None], format="ISO8601"),
            "x": [1.5, np.nan, -2.0],
            "name": ["b" * 200, "a", None],
            "flag": [True, False, None],
            "parts": [[1], [2], None],
        }
    )
    found = content(frame, "ds")
    assert found.n_rows == 3
    types = {"ds": "timestamp[ns]", "x": "double", "name": "string", "flag": "bool"}
    assert found.column_types.items() >= types.items()
    assert list(found.column_types) == list(frame.columns)
    assert found.minimums == {"ds": "2024-01-01T12:30:00", "x": "-2.0", "name": "a", "flag": "false"}
    assert found.maximums == {"ds": "2024-01-02", "x": "1.5", "name": "b" * 100 + "…", "flag": "true"}
    assert found.missing == {"ds": 1, "x": 1, "name": 1, "flag": 1, "parts": 1}
    assert found.order is not None
    assert np.array_equal(found.order, frame["ds"].to_numpy(), equal_nan=True)
    assert content(frame, "x").order is not None
    with pytest.raises(InvalidInputError, match=r"the time column 'name' has values of type string: give one of dates"):
        content(frame, "name")


def test_ranges_are_those_of_all_batches() -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=9), "x": range(9), "s": list("bcadefghi")})
    found = read_content(pa.Table.from_pandas(frame).to_batches(max_chunksize=2))
    assert found.minimums == {"ds": "2024-01-01", "x": "0", "s": "a"}
    assert found.maximums == {"ds": "2024-01-09", "x": "8", "s": "i"}
    assert found == replace(content(frame), order=None)


def test_words_for_missing_among_numbers_of_a_csv_are_missing(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('a,b,c,d\n1,NA,NA,"x"\nNaN,2.5,Namibia,""\n3,null,NA,\n')
    frame = to_frame(read(file).table)
    assert frame["a"].tolist()[::2] == [1, 3]
    assert frame["b"].isna().tolist() == [True, False, True]
    assert frame["c"].tolist() == ["NA", "Namibia", "NA"]
    assert frame["d"].tolist() == ["x", "", None]


def test_words_for_missing_of_a_csv_are_text_where_another_cell_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('a,b,c,d,e,f\n2024-01-01,true,null,"NA",NA,\nNA,nan,NaT,"5",5,\n,,,1,"",\n')
    found = read(file).table
    assert found is not None
    assert found.to_pydict() == {
        "a": ["2024-01-01", "NA", None],
        "b": ["true", "nan", None],
        "c": [None, None, None],
        "d": [None, 5, 1],
        "e": ["NA", "5", ""],
        "f": [None, None, None],
    }
    assert [str(one) for one in found.schema.types] == ["string", "string", "int64", "int64", "string", "null"]


def test_metadata_is_what_json_can_hold_dates_paths_and_numpys_numbers() -> None:
    said: dict[str, Any] = {
        "day": dt.date(2024, 1, 2),
        "time": pd.Timestamp("2024-01-02T03:04"),
        "count": np.int64(3),
        "many": {"x": np.array([1.5, 2.0]), "path": Path("a/b"), "pair": (1, None)},
    }
    assert _as_json_gives_back(said) == {
        "day": "2024-01-02",
        "time": "2024-01-02T03:04:00",
        "count": 3,
        "many": {"x": [1.5, 2.0], "path": "a/b", "pair": [1, None]},
    }
    circle: list[Any] = []
    circle.append(circle)
    for wrong in (object(), {"b": [object()]}, {1, 2}, float("inf"), np.float64("nan"), circle, {(1, 2): 3}, b"x"):
        with pytest.raises(InvalidInputError, match=r"the metadata cannot be kept as JSON: 'bad' is .*; give finite"):
            _as_json_gives_back({"good": 1, "bad": wrong})


def test_an_index_with_a_name_is_a_column_and_row_numbers_are_none(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=3), "y": [1, 2, 3]})
    assert digest(frame.set_index("ds")) == digest(frame)
    assert digest(frame[frame["y"] > 1]) == digest(frame[1:].reset_index(drop=True))
    frame[frame["y"] > 1].to_parquet(tmp_path / "rows.parquet")
    assert digest(tmp_path / "rows.parquet") == digest(frame[1:])
    frame.set_index("ds").to_parquet(tmp_path / "index.parquet")
    assert digest(tmp_path / "index.parquet") == digest(frame)
    table = pq.read_table(tmp_path / "index.parquet")
    pd.testing.assert_frame_equal(to_frame(table), frame[["y", "ds"]])
    for wrong, why in (
        (frame.set_index(pd.Index(list("abc"))), "the index of the frame has values of type object and no name"),
        (frame.set_index(frame["ds"].rename(None)), "values of type datetime64"),
        (frame.set_index("ds", drop=False), "the index 'ds' of the frame is a column too"),
        (frame.set_axis([0, 1], axis=1), "the frame has a column 0: give every column one name"),
        (frame.set_axis(["y", "y"], axis=1), "the data has two columns 'y'"),
        (pd.concat({"a": frame}, axis=1), "columns of several levels"),
        (frame.assign(z=[1, "x", None]), r"a column of the frame has values of several types.*column z"),
        (frame[[]], "the data has no columns"),
        (frame.head(0), "the data has no rows"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            digest(wrong)


def test_data_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for name, raw, why in (
        ("a.csv", b"", "cannot be read"),
        ("b.csv", b"a,b\n1\n", "cannot be read: CSV parse error"),
        ("c.csv", b"a\n\xff\n", "cannot be read"),
        ("d.csv", b"a,a\n1,2\n", "two columns 'a'"),
        ("e.csv", b"a,\n1,x\n", "a column of type string without a name"),
        ("f.csv", b"a\n", "no rows"),
        ("g.csv.gz", b"no gzip", "cannot be read: Not a gzipped file"),
        ("h.parquet", b"PAR1", "cannot be read"),
        ("i.feather", b"x", "cannot be read"),
        ("j.xlsx", b"x", "is no file that is read by its name: give a DataFrame, or the path of a .csv"),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(InvalidInputError, match=why):
            digest(tmp_path / name)
    for wrong in (3, None, "", "a\0b", [1]):
        with pytest.raises(InvalidInputError, match=r"the data is .*: give a DataFrame, or the path"):
            digest(wrong)
    with pytest.raises(NotFoundError, match=r"there is no file .*none\.csv"):
        digest(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidInputError, match=r"folder\.csv is no file"):
        digest(tmp_path / "folder.csv")
    late = pa.table({"a": pa.array([2**62], pa.timestamp("s"))})
    with pytest.raises(InvalidInputError, match="the column 'a' has values that cannot be read"):
        read_content(late.to_batches())
