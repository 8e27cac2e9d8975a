"""From a file, a Delta folder, a table's name or an example to the frames of a backtest; every refusal in words."""

from __future__ import annotations

import gzip
import os
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from experiments.errors import ExperimentsError, InvalidInputError, NotFoundError
from experiments.science.series import prepare
from experiments.services.sources import names_table, read_covariates, read_prices

PRICES = "ds,y\n2024-01-02,1.5\n2024-01-03,2\n"
FRAME = pd.DataFrame({"ds": ["2024-01-02", "2024-01-03"], "y": [1.5, 2.0]})


class Tables:
    """A ledger that knows one table."""

    def read_table(self, name: str, version: int | None = None) -> tuple[pd.DataFrame, int | None]:
        if name != "lake.prices":
            msg = f"there is no table {name!r}."
            raise NotFoundError(msg)
        return (FRAME, 7) if version is None else (FRAME.head(version), version)


TABLES: Any = Tables()


def prices(path: object, **columns: str) -> pd.DataFrame:
    return read_prices(str(path), ledger=None, **columns).frame


def refusal(path: object, **columns: str) -> str:
    with pytest.raises(ExperimentsError) as caught:
        prices(path, **columns)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(PRICES)
    return path


@pytest.fixture
def delta(tmp_path: Path) -> Path:
    """A Delta table with two versions: one row, then two."""
    folder = tmp_path / "prices"
    write_deltalake(folder, pa.Table.from_pandas(FRAME.head(1)))
    write_deltalake(folder, pa.Table.from_pandas(FRAME.tail(1)), mode="append")
    return folder


class TestCsv:
    @pytest.mark.parametrize(
        "text",
        [
            PRICES,
            PRICES.replace(",", ";"),
            PRICES.replace(",", "\t"),
            PRICES.replace("\n", "\r\n"),
            PRICES.replace("\n", "\r"),
            PRICES.rstrip(),
            f"\ufeff{PRICES}",
            f"\n{PRICES}\n\n",
            ' "ds" , y\n2024-01-02,"1.5"\n\n2024-01-03,  2.0 \n'.replace(' "ds" ', '"ds"'),
            ",ds,y\n0,2024-01-02,1.5\n1,2024-01-03,2e0\n",
            '"a,b;c";ds;y\nx,y;2024-01-02;1.5\n"z\n;";2024-01-03;2\n',
        ],
    )
    def test_it_is_read_however_it_is_written(self, csv: Path, text: str) -> None:
        csv.write_bytes(text.encode())
        pd.testing.assert_frame_equal(prices(csv), FRAME, check_dtype=False)
        assert prices(csv)["y"].dtype == float

    def test_compressed(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.CSV.GZ"
        path.write_bytes(gzip.compress(PRICES.encode()))
        source = read_prices(path, ledger=None)
        assert (source.version, source.frame["y"].tolist()) == ("prices.CSV.GZ", [1.5, 2.0])

    def test_columns_are_renamed_and_others_left_out(self, csv: Path) -> None:
        csv.write_text("Month,Sugar,unique_id,text\n2024-01-02,1.5,a,x\n2024-01-03,2,b,x\n")
        found = prices(csv, date_column="Month", value_column="Sugar")
        assert found.columns.tolist() == ["unique_id", "ds", "y"]
        assert found["unique_id"].tolist() == ["a", "b"]
        assert [one.unique_id for one in prepare(found, commodity="Sugar")] == ["a", "b"]

    @pytest.mark.parametrize("missing", ["", " ", "NA", "n/a", "NaN", "null"])
    def test_a_missing_value_is_missing(self, csv: Path, missing: str) -> None:
        csv.write_text(f"{PRICES}2024-01-04,{missing}\n")
        assert np.isnan(prices(csv)["y"].iloc[-1])
        assert prepare(prices(csv), commodity="Coffee")[0].y.tolist() == [1.5, 2.0]

    def test_numbers_are_read_to_the_last_digit(self, csv: Path) -> None:
        written = [0.1, 1 / 3, 1e-300, 123456789.12345679]
        csv.write_text("ds,y\n" + "".join(f"2024-01-0{day},{y!r}\n" for day, y in enumerate(written, 1)))
        assert prices(csv)["y"].tolist() == written

    @pytest.mark.parametrize("cell", ["1_000", "٣", "0x10", "True", "1.234,5", "12 USD", "-"])
    def test_what_is_no_number_is_named_with_its_line(self, csv: Path, cell: str) -> None:
        csv.write_text(f'ds,y\n2024-01-02,1\n\n2024-01-03,"{cell}"\n2024-01-04,x\n')
        assert f"prices.csv, line 4, column 'y': {cell!r} is not a number. Write numbers as 1234.5" in refusal(csv)

    def test_a_decimal_comma_is_not_guessed(self, csv: Path) -> None:
        csv.write_text("ds;y\n2024-01-02;1,5\n")
        assert "line 2, column 'y': '1,5' is not a number" in refusal(csv)

    def test_an_infinite_value_is_left_to_the_series(self, csv: Path) -> None:
        csv.write_text("ds,y\n2024-01-02,1\n2024-01-03,inf\n")
        with pytest.raises(InvalidInputError, match="infinite value"):
            prepare(prices(csv), commodity="Coffee")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "is empty"),
            (b"\n \n", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"ds,y\n", "has no rows, only the columns 'ds', 'y'"),
            (b"ds,y\n2024-01-02,1\n2024-01-03,1,2\n", "line 3 has 3 cells, the header 2 columns"),
            (b"ds,y\n2024-01-02\n", "line 2 has 1 cells, the header 2 columns"),
            (b"ds,y,y\n2024-01-02,1,2\n", "has two columns 'y'"),
            (b'ds,y\n2024-01-02,"1\n', "line 3 is no CSV"),
            (b'ds,y\n2024-01-02,"1"2\n', "line 2 is no CSV"),
            (b"ds,y\n2024-01-02,\x00\n", "is no text"),
            (b"ds,y\n2024-01-02,\xff\xfe\n", "is no UTF-8 text (line 2)"),
            (PRICES.encode("utf-16"), "is no UTF-8 text (line 1)"),
            (bytes(range(256)), "is no"),
            (b"ds,y\n2024-01-02," + b"1" * 200_000 + b"\n", "line 2 is no CSV"),
            (b"Date,Close\n2024-01-02,1\n", "has no column 'ds' and no column 'y'; its columns are 'Date', 'Close'."),
            (b"ds,Close\n2024-01-02,1\n", "Name the right one with --value-column."),
            (b"Date,y\n2024-01-02,1\n", "Name the right one with --date-column."),
            (b"ds y\n2024-01-02 1\n", "its columns are 'ds y'"),
            (",".join(f"c{number}" for number in range(99)).encode() + b"\n" + b"," * 98, "'c29' and 69 more"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, csv: Path, content: bytes, words: str) -> None:
        csv.write_bytes(content)
        message = refusal(csv)
        assert words in message
        assert "prices.csv" in message

    @pytest.mark.parametrize("content", [b"", b"ds,y\n", gzip.compress(PRICES.encode())[:-12], b"\x1f\x8b" + bytes(40)])
    def test_a_broken_archive_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.csv.gz").write_bytes(content)
        assert "a.csv.gz is" in refusal(tmp_path / "a.csv.gz")


class TestParquet:
    def test_columns_and_an_index_that_pandas_wrote(self, tmp_path: Path) -> None:
        path = tmp_path / "prices.parquet"
        dated = FRAME.assign(ds=pd.to_datetime(FRAME["ds"]))
        dated.to_parquet(path)
        assert prices(path)["y"].tolist() == [1.5, 2.0]
        dated.set_index("ds").to_parquet(path)
        assert prepare(prices(path), commodity="Coffee")[0].y.tolist() == [1.5, 2.0]
        assert list(read_covariates([str(path)], ledger=None)) == ["y"]
        dated.tail(1).to_parquet(path)  # with an index that has no name
        assert list(read_covariates([str(path)], ledger=None)) == ["y"]

    @pytest.mark.parametrize(
        ("values", "read"),
        [
            ([1, None], [1.0, None]),
            ([Decimal("1.5"), None], [1.5, None]),
            (["1.5", " "], [1.5, None]),
        ],
    )
    def test_numbers_of_any_kind(self, tmp_path: Path, values: list[Any], read: list[float | None]) -> None:
        pq.write_table(pa.table({"ds": ["2024-01-02", "2024-01-03"], "y": values}), tmp_path / "a.parquet")
        assert [None if np.isnan(y) else y for y in prices(tmp_path / "a.parquet")["y"]] == read

    @pytest.mark.parametrize("value", ["many", [1.0], True, b"1", pd.Timestamp("2024-01-01"), {"a": 1}])
    def test_other_values_are_named_with_their_row(self, tmp_path: Path, value: Any) -> None:
        pq.write_table(pa.table({"ds": ["2024-01-02", "2024-01-03"], "y": [value, value]}), tmp_path / "a.parquet")
        assert "a.parquet, row 1, column 'y':" in refusal(tmp_path / "a.parquet")

    @pytest.mark.parametrize("content", [b"", b"PAR1", PRICES.encode(), pickle.dumps(FRAME)])
    def test_rubbish_is_refused_and_nothing_executed(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.parquet").write_bytes(content)
        assert "is no Parquet file" in refusal(tmp_path / "a.parquet")

    def test_without_rows(self, tmp_path: Path) -> None:
        FRAME.head(0).to_parquet(tmp_path / "a.parquet")
        assert "has no rows" in refusal(tmp_path / "a.parquet")


class TestDelta:
    def test_the_newest_version_by_default_and_it_is_named(self, delta: Path) -> None:
        source = read_prices(f"{delta}/", ledger=None)
        assert (source.version, sorted(source.frame["y"])) == ("prices@v1", [1.5, 2.0])

    def test_at_a_version(self, delta: Path) -> None:
        source = read_prices(f"{delta}@v0", ledger=None)
        assert (source.version, source.frame["y"].tolist()) == ("prices@v0", [1.5])

    def test_a_folder_whose_name_ends_like_a_version_wins(self, delta: Path) -> None:
        write_deltalake(f"{delta}@v0", pa.Table.from_pandas(FRAME))
        assert read_prices(f"{delta}@v0", ledger=None).version == "prices@v0@v0"

    @pytest.mark.parametrize(
        ("version", "words"),
        [
            ("7", "has no version 7; its newest is @v1"),
            ("9" * 18, "its newest is @v1"),
            ("9" * 5000, "give a whole number"),
            ("x", "the version in"),
            ("-1", "give a whole number, such as @v3"),
            ("", "give a whole number"),
        ],
    )
    def test_another_version_is_refused(self, delta: Path, version: str, words: str) -> None:
        assert words in refusal(f"{delta}@v{version}")

    def test_a_folder_that_is_no_table(self, tmp_path: Path) -> None:
        assert "is a folder without a Delta log" in refusal(tmp_path)
        (tmp_path / "_delta_log").mkdir()
        assert "cannot be read" in refusal(tmp_path)

    def test_a_broken_log_or_file(self, delta: Path) -> None:
        next(delta.glob("*.parquet")).write_bytes(b"rubbish")
        assert "cannot be read" in refusal(delta)
        for log in (delta / "_delta_log").glob("*.json"):
            log.write_text("{broken")
        assert "cannot be read" in refusal(delta)
        assert "cannot be read at version 0" in refusal(f"{delta}@v0") or "cannot be read" in refusal(delta)


class TestTables:
    def test_by_name_and_version(self) -> None:
        assert read_prices("lake.prices", ledger=TABLES).version == "lake.prices@v7"
        source = read_prices("lake.prices@v1", ledger=TABLES)
        assert (source.version, len(source.frame)) == ("lake.prices@v1", 1)
        assert list(read_covariates(["lake.prices"], ledger=TABLES)) == ["y"]

    def test_what_is_a_name_of_a_table(self, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(csv.parent)
        (csv.parent / "here").mkdir()
        assert all(names_table(name) for name in ("a", "a.b", "a.b.c", "a.b@v3", "a@vx"))
        others = ("a.b.c.d", "a.csv", "b.PARQUET", "a b", "a/b", "", "example:wti", "1a", "here", "prices.csv", "./a")
        assert not any(names_table(name) for name in others)

    def test_one_that_is_not_there_may_have_been_meant_as_a_file(
        self, csv: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(csv.parent)
        with pytest.raises(NotFoundError, match=r"no table 'prices'.*no file 'prices'. Did you mean 'prices.csv'\?"):
            read_prices("prices", ledger=TABLES)

    def test_without_an_engine_and_with_a_version_that_is_none(self) -> None:
        with pytest.raises(InvalidInputError, match="no ledger is open"):
            read_prices("lake.prices", ledger=None)
        with pytest.raises(InvalidInputError, match="'x': give a whole number"):
            read_prices("lake.prices@vx", ledger=TABLES)


class TestExamples:
    def test_they_are_prices_and_covariates(self) -> None:
        source = read_prices("example:wti", ledger=None)
        assert (source.version, source.frame.columns.tolist()) == ("example:wti", ["ds", "y"])
        assert prices("example:vix")["y"].notna().any()
        found = read_covariates(["example:vix", "example:wti"], ledger=None, date_column="Date")
        assert {name: frame.columns.tolist() for name, frame in found.items()} == {
            "vix": ["ds", "vix"],
            "wti": ["ds", "wti"],
        }

    def test_another_is_refused(self) -> None:
        assert refusal("example:wtl") == "unknown example 'wtl'. Did you mean 'wti'? Known: vix, wti."


class TestPaths:
    def test_a_missing_file_suggests_the_nearest(self, csv: Path) -> None:
        assert f"no file {str(csv.parent / 'price.csv')!r}. Did you mean {str(csv)!r}?" in refusal(
            csv.parent / "price.csv"
        )
        assert "Did you mean" not in refusal(csv.parent / "sugar-cane.parquet")
        assert "its folder cannot be listed" in refusal(csv.parent / "none" / "prices.csv")

    @pytest.mark.parametrize("name", ["prices.xlsx", "prices.pkl", "prices", "prices.json", "csv"])
    def test_another_suffix_is_refused_with_those_accepted(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(pickle.dumps(FRAME))
        assert ".csv, .csv.gz or .parquet" in refusal(tmp_path / name)

    def test_a_file_has_no_versions(self, csv: Path) -> None:
        assert "is a file and has no versions: leave out @v3" in refusal(f"{csv}@v3")

    @pytest.mark.parametrize("source", ["", " ", "\0", "a\0.csv", "x" * 5000 + ".csv", "//", "a@v1@v2.csv", "\n.csv"])
    def test_names_of_nothing(self, source: str) -> None:
        refusal(source)

    @pytest.mark.parametrize("source", [None, 5, b"prices.csv", FRAME])
    def test_no_name_at_all(self, source: Any) -> None:
        with pytest.raises(InvalidInputError, match="a source is"):
            read_prices(source, ledger=None)

    def test_a_file_that_may_not_be_read(self, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path) -> bytes:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "read_bytes", refuse)
        assert f"{csv} cannot be read: Permission denied." in refusal(csv)

    def test_neither_file_nor_folder(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.csv")
        (tmp_path / "broken.csv").symlink_to(tmp_path / "nowhere")
        assert "is neither a file nor a folder" in refusal(tmp_path / "pipe.csv")
        assert "is neither a file nor a folder" in refusal(tmp_path / "broken.csv")


class TestCovariates:
    def test_every_column_but_the_date_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("day,rain,,sun\n2024-01-02,1,x,\n2024-01-03,2,x,4\n")
        (tmp_path / "b.csv").write_text("ds,vix\n2024-01-02,3\n")
        found = read_covariates([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], ledger=None, date_column="day")
        assert {name: frame.columns.tolist() for name, frame in found.items()} == {
            "rain": ["ds", "rain"],
            "sun": ["ds", "sun"],
            "vix": ["ds", "vix"],
        }
        assert found["rain"]["rain"].tolist() == [1.0, 2.0]

    def test_of_none_there_are_none(self) -> None:
        assert read_covariates([], ledger=None) == {}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("ds\n2024-01-02\n", "has no covariate: its only column is 'ds'"),
            ("day,rain\n2024-01-02,1\n", "has no column 'ds'; its columns are 'day', 'rain'."),
            ("ds,rain,where\n2024-01-02,1,Minas\n", "a.csv, line 2, column 'where': 'Minas' is not a number"),
        ],
    )
    def test_what_is_none_is_refused(self, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(InvalidInputError) as caught:
            read_covariates([str(tmp_path / "a.csv")], ledger=None)
        assert words in str(caught.value)

    def test_a_name_in_two_files_is_refused_with_both(self, tmp_path: Path) -> None:
        for name in ("a.csv", "b.csv"):
            (tmp_path / name).write_text("ds,vix\n2024-01-02,3\n")
        with pytest.raises(InvalidInputError, match=r"'vix' is in both .*a\.csv and .*b\.csv: rename or remove one"):
            read_covariates([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], ledger=None)
