"""Bad input: one clear error before any fit, and the ledger's folder stays as it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import experiments
from experiments.cli import main as command_line
from experiments.errors import ExperimentsError
from experiments.science.series import prepare
from experiments.services.backtest import backtest
from experiments.services.ledger import Ledger, connect
from experiments.services.sources import read_covariates, read_prices

HEALTHY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
SMALL = ("--models", "naive", "--windows", "2", "--horizon", "2")
DAYS = pd.bdate_range("2024-01-01", periods=60)
PRICES = pd.DataFrame(
    {"ds": DAYS.astype(str), "y": (100 + np.random.default_rng(3).normal(size=60).cumsum()).round(2).astype(str)}
)


def ended(*arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of the command, run in this process; what it does not catch is raised."""
    out, err = StringIO(), StringIO()
    before, sys.argv = sys.argv, ["experiments", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            command_line.main()
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    return 0, out.getvalue(), err.getvalue()


def refused(*arguments: object) -> str:
    """What the command says on standard error, having refused as agreed."""
    code, out, err = ended(*arguments)
    assert out == ""
    assert well_refused(code, err), (code, err)
    return err


def as_frame(text: str) -> pd.DataFrame:
    """What pandas makes of a CSV; of one it cannot read, an empty frame."""
    try:
        return pd.read_csv(StringIO(text), dtype=object, on_bad_lines="skip")
    except pd.errors.ParserError:
        return pd.DataFrame()


def well_refused(code: int, err: str) -> bool:
    if code == 1:
        return err.startswith("error: ") and err.endswith("\n") and len(err.splitlines()) == 1
    return code == 2 and err.startswith("error: ") and err.count("\n") == 1


def files(folder: Path) -> Mapping[str, tuple[int, int]]:
    """Every file below a folder, Delta versions among them, with its size and when it was written."""
    below = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in below}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with one small backtest, never written again."""
    folder = tmp_path_factory.mktemp("book") / "ledger"
    frame = PRICES.astype({"y": float})
    with connect(folder) as opened:
        backtest(frame, commodity="Coffee", models=["naive"], n_windows=2, horizon=2, ledger=opened, progress=False)
    return folder


@pytest.fixture(scope="module")
def opened(book: Path) -> Iterator[Ledger]:
    """That ledger, open."""
    with connect(book) as ledger:
        yield ledger


@pytest.fixture
def unchanged(book: Path) -> Iterator[Path]:
    """The folder of that ledger, seen to be the same afterwards."""
    before = files(book)
    yield book
    assert files(book) == before


def written(folder: Path, frame: pd.DataFrame, name: str = "prices.csv") -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


# values a cell may hold: good ones, bad ones, and what merely looks like one
DATES = st.sampled_from(["2024-01-01", "2024-01-02", "2024-01-03", "20240104", "2024-01-05T00:00:00Z"])
ODD = st.sampled_from(
    ["", "nan", "inf", "-inf", "1e999", "x", "1,5", "01/02/2024", "2024-13-01", "0001-01-01", "99999-01-01", '"', "\0"]
) | st.sampled_from(
    ["2024-01-05T00:00:00+02:00", "2024", "1", "-0", "1e308", "true", "NaT", "45000", "é", "\u2028", "\x85", "'", "1_0"]
)
CELLS = DATES | ODD | st.floats(-1e3, 1e3).map(repr) | st.text(max_size=5)
CSVS = st.builds(
    lambda header, rows, separator, end: end.join(separator.join(row) for row in [header, *rows]),
    st.lists(st.sampled_from(["ds", "y", "unique_id", "", "z", '"y"', " ds"]), min_size=1, max_size=4),
    st.lists(st.lists(CELLS, max_size=4), max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
LONG = st.builds(
    lambda changes: (
        "ds,y\n" + "".join(f"{d},{y}\n" for d, y in [*zip(PRICES["ds"], PRICES["y"], strict=True), *changes])
    ),
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=3),
)
THINGS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.datetimes()
OBJECTS = THINGS | st.lists(THINGS, max_size=2) | st.timedeltas() | st.complex_numbers() | st.binary(max_size=3)
FRAMES = st.integers(0, 5).flatmap(
    lambda n: st.dictionaries(
        st.sampled_from(["ds", "y", "unique_id", "z", 0, None]),
        st.lists(DATES, min_size=n, max_size=n) | st.lists(OBJECTS, min_size=n, max_size=n),
        max_size=4,
    ).map(lambda columns: pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}))
)


class TestFuzz:
    @given(content=CSVS.map(str.encode) | LONG.map(str.encode) | st.binary(max_size=60))
    @example(content=b"ds,y\n2024-01-01T00:00:00+01:00,1\n2024-01-02T00:00:00+02:00,2\n")
    @settings(max_examples=300, deadline=None, suppress_health_check=HEALTHY)
    def test_any_csv_is_a_series_or_one_error(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "prices.csv"
        path.write_bytes(content)
        with suppress(ExperimentsError):
            frame = read_prices(path, ledger=None).frame
            assert all(len(one.ds) == len(one.y) > 0 for one in prepare(frame, commodity="Coffee"))
            covariates = read_covariates([str(path)], ledger=None)
            assert prepare(frame, commodity="Coffee", covariates=covariates)

    @given(frame=FRAMES, covariate=FRAMES)
    @settings(max_examples=200, deadline=None, suppress_health_check=HEALTHY)
    def test_any_frame_is_a_series_or_one_error(self, frame: pd.DataFrame, covariate: pd.DataFrame) -> None:
        with suppress(ExperimentsError):
            assert prepare(frame, commodity="Coffee")
        with suppress(ExperimentsError):
            assert prepare(PRICES, commodity="Coffee", covariates={"vix": covariate})

    @given(
        source=st.text(max_size=12).filter(lambda text: "@" not in text)
        | st.sampled_from(["a/b@v3", "example:x", "a.csv@vx"]),
        options=st.dictionaries(
            st.sampled_from(
                ["--horizon", "--windows", "--step", "--train-size", "--models", "--engine", "--date-column"]
            ),
            st.text(max_size=6) | st.integers().map(str),
            max_size=3,
        ),
    )
    @settings(max_examples=100, deadline=None, suppress_health_check=HEALTHY)
    def test_any_option_is_understood_or_refused(self, tmp_path: Path, source: str, options: dict[str, str]) -> None:
        from experiments.services.sources import names_table

        if names_table(source):
            source = f"{source}.csv"
        given_options = [word for option, value in options.items() for word in (option, value)]
        refused("backtest", *given_options, "--commodity", "Coffee", "--path", tmp_path / "ledger", "--", source)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.engine
    @given(frame=FRAMES | LONG.map(as_frame))
    @settings(max_examples=15, deadline=None, suppress_health_check=HEALTHY)
    def test_no_frame_leaves_half_a_table(self, book: Path, opened: Ledger, frame: pd.DataFrame) -> None:
        before = files(book)
        with pytest.raises(ExperimentsError):  # more windows than there are rows for: seen before a fit
            backtest(
                frame, commodity="Coffee", models=["naive"], n_windows=40, horizon=2, ledger=opened, progress=False
            )
        assert files(book) == before

    @pytest.mark.engine
    @given(text=CSVS | LONG)
    @settings(max_examples=4, deadline=None, suppress_health_check=HEALTHY)
    def test_no_file_leaves_half_a_table(self, tmp_path: Path, book: Path, text: str) -> None:
        path = tmp_path / "prices.csv"
        path.write_bytes(text.encode())
        before = files(book)
        refused("backtest", path, "--commodity", "Coffee", "--models", "naive", "--windows", 40, "--path", book)
        assert files(book) == before


def changed(**cells: object) -> pd.DataFrame:
    """The prices with the last row changed."""
    frame = PRICES.copy()
    for name, value in cells.items():
        frame.loc[len(frame) - 1, name] = value
    return frame


@pytest.mark.engine
class TestCommand:
    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (PRICES.rename(columns={"ds": "Date"}), "has no column 'ds'; its columns are 'Date', 'y'"),
            (PRICES.rename(columns={"y": "Close"}), "Name the right one with --value-column"),
            (changed(ds="22/03/2024"), "22/03/2024"),
            (changed(ds="2024-01-01"), "2024-01-01"),
            (changed(y="cheap"), "line 61, column 'y': 'cheap' is not a number"),
            (changed(y="inf"), "infinite value on 2024-03-22"),
            (PRICES.assign(y=""), "no row with a date and a value"),
            (PRICES.head(20), "20"),
        ],
        ids=["date column", "value column", "date", "twice", "text", "infinite", "no values", "too few rows"],
    )
    def test_a_file_that_cannot_be_used(self, tmp_path: Path, unchanged: Path, frame: pd.DataFrame, words: str) -> None:
        path = written(tmp_path, frame)
        assert words in refused("backtest", path, "--commodity", "Coffee", *SMALL, "--path", unchanged)

    def test_too_few_rows_says_how_many_it_takes(self, tmp_path: Path, unchanged: Path) -> None:
        path = written(tmp_path, PRICES.head(33))
        said = refused("backtest", path, "--commodity", "Other", *SMALL, "--path", unchanged)
        assert "33" in said
        assert "35" in said

    def test_a_file_that_is_not_there_or_not_readable(
        self, tmp_path: Path, unchanged: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = written(tmp_path, PRICES)
        common = ["--commodity", "Coffee", *SMALL, "--path", unchanged]
        assert "Did you mean" in refused("backtest", tmp_path / "price.csv", *common)
        monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(PermissionError(13, "Denied", path)))
        assert "cannot be read: Denied" in refused("backtest", path, *common)

    @pytest.mark.parametrize("option", ["--horizon", "--windows", "--step", "--train-size"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", ""])
    def test_a_count_below_one(self, tmp_path: Path, unchanged: Path, option: str, value: str) -> None:
        path = written(tmp_path, PRICES)
        assert option in refused("backtest", path, "--commodity", "Coffee", option, value, "--path", unchanged)

    def test_an_unknown_model(self, tmp_path: Path, unchanged: Path) -> None:
        path = written(tmp_path, PRICES)
        said = refused("backtest", path, "--commodity", "Coffee", "--models", "arma", "--path", unchanged)
        assert "Did you mean 'arima'? Known: " in said

    @pytest.mark.parametrize("commodity", ["", " ", "x" * 300])
    def test_a_commodity_that_is_none(self, tmp_path: Path, unchanged: Path, commodity: str) -> None:
        path = written(tmp_path, PRICES)
        assert "commodity" in refused("backtest", path, "--commodity", commodity, *SMALL, "--path", unchanged)

    @pytest.mark.parametrize("option", ["--covariates", "--known-covariates"])
    def test_covariates_that_cover_none_of_the_span(self, tmp_path: Path, unchanged: Path, option: str) -> None:
        path = written(tmp_path, PRICES)
        later = PRICES.assign(ds=pd.bdate_range("2030-01-01", periods=60).astype(str)).set_axis(["ds", "vix"], axis=1)
        arguments = [option, written(tmp_path, later, "vix.csv")]
        said = refused("backtest", path, "--commodity", "Coffee", *SMALL, *arguments, "--path", unchanged)
        assert "vix" in said

    def test_a_covariate_both_observed_and_known(self, tmp_path: Path, unchanged: Path) -> None:
        path = written(tmp_path, PRICES)
        vix = written(tmp_path, PRICES.set_axis(["ds", "vix"], axis=1), "vix.csv")
        arguments = ["--covariates", vix, "--known-covariates", vix]
        assert "vix" in refused("backtest", path, "--commodity", "Coffee", *SMALL, *arguments, "--path", unchanged)

    @pytest.mark.parametrize("command", ["best", "leaderboard", "history", "prune"])
    def test_an_unknown_commodity(self, unchanged: Path, command: str) -> None:
        said = refused(command, "--commodity", "Cofee", "--path", unchanged)
        assert said == "error: unknown commodity 'Cofee'. Did you mean 'Coffee'? Known: Coffee.\n"

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        path = written(tmp_path, PRICES)
        before = files(tmp_path)
        for place in (path, path / "below", tmp_path / ("x" * 300)):
            assert "cannot be" in refused("backtest", path, "--commodity", "Coffee", *SMALL, "--path", place)
        assert files(tmp_path) == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_without_the_right_to_write(self, tmp_path: Path) -> None:
        path = written(tmp_path, PRICES)
        (tmp_path / "closed").mkdir(mode=0o500)
        said = refused("backtest", path, "--commodity", "Coffee", *SMALL, "--path", tmp_path / "closed")
        assert "cannot be" in said

    def test_a_table_there_with_other_columns(self, tmp_path: Path) -> None:
        path = written(tmp_path, PRICES)
        write_deltalake(tmp_path / "ledger" / "experiments" / "model_runs", pa.table({"mine": [1]}))
        before = files(tmp_path)
        said = refused("backtest", path, "--commodity", "Coffee", *SMALL, "--path", tmp_path / "ledger")
        assert "model_runs" in said
        assert files(tmp_path) == before

    def test_a_schema_that_is_no_identifier(self, tmp_path: Path) -> None:
        config = tmp_path / "job.toml"
        config.write_text('[[backtest]]\ncommodity = "WTI"\ndata = "example:wti"\n')
        said = refused("job", "backtest", "--config", config, "--schema", "a b", "--path", tmp_path / "ledger")
        assert "schema 'a b' is not an identifier" in said
        assert [one.name for one in tmp_path.iterdir()] == ["job.toml"]


@pytest.mark.engine
class TestSaid:
    """What can be used all the same is used, and said."""

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (PRICES[::-1], "sorted"),
            (PRICES.drop(index=range(20, 30)), "gap"),
            (PRICES.assign(y=[*PRICES["y"][:30], PRICES["y"][29], *PRICES["y"][31:]]), "equal to the one before"),
            (PRICES.assign(y="7.5"), "never moves"),
        ],
        ids=["unsorted", "gap", "repeated close", "constant"],
    )
    def test_it_is_a_note(self, tmp_path: Path, frame: pd.DataFrame, words: str) -> None:
        path = written(tmp_path, frame)
        code, out, err = ended("backtest", path, "--commodity", "Coffee", *SMALL, "--path", tmp_path / "ledger")
        assert (code, err) == (0, "")
        assert [line for line in out.splitlines() if line.startswith("Note: ") and words in line]


NO_FRAME: Any = None
ABSURD: Mapping[str, Callable[[], object]] = {
    "connect(5)": lambda: connect(5),  # type: ignore[arg-type]
    "connect(schema='')": lambda: connect(schema=""),
    "connect(schema=5)": lambda: connect(schema=5),  # type: ignore[arg-type]
    "connect(schema='a b')": lambda: connect(schema="a b"),
    "connect(catalog='a b')": lambda: connect(catalog="a b"),
    "connect(engine='duckdb')": lambda: connect(engine="duckdb"),
    "connect(engine=5)": lambda: connect(engine=5),  # type: ignore[arg-type]
    "connect with a NUL": lambda: connect("a\0b"),
    "evaluate(None, None)": lambda: experiments.evaluate(NO_FRAME, NO_FRAME),
    "evaluate of empty frames": lambda: experiments.evaluate(pd.DataFrame(), pd.DataFrame()),
    "evaluate of text": lambda: experiments.evaluate(pd.DataFrame({"y": ["a"]}), pd.DataFrame({"y": ["a"]})),
    "diebold_mariano(None, None)": lambda: experiments.diebold_mariano(NO_FRAME, NO_FRAME),
    "choose(None, None)": lambda: experiments.choose(NO_FRAME, NO_FRAME),
}


@pytest.mark.parametrize("call", ABSURD.values(), ids=ABSURD)
def test_an_absurd_argument_is_one_error_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExperimentsError) as caught:
        call()
    assert str(caught.value).strip()
    assert list(tmp_path.iterdir()) == []


NOTHING: Any = None
ASKED: Mapping[str, Callable[[Ledger], object]] = {
    "sql(None)": lambda ledger: ledger.sql(NOTHING),
    "sql(5)": lambda ledger: ledger.sql(5),  # type: ignore[arg-type]
    "sql of nothing": lambda ledger: ledger.sql(" ; "),
    "leaderboard(5)": lambda ledger: ledger.leaderboard(5),  # type: ignore[arg-type]
    "leaderboard(None)": lambda ledger: ledger.leaderboard(NOTHING),
    "leaderboard of another backtest": lambda ledger: ledger.leaderboard("Coffee", "none"),
    "leaderboard of the backtest 5": lambda ledger: ledger.leaderboard("Coffee", 5),  # type: ignore[arg-type]
    "best(5)": lambda ledger: ledger.best(5),  # type: ignore[arg-type]
    "history(5)": lambda ledger: ledger.history(5),  # type: ignore[arg-type]
    "pruning_candidates(5)": lambda ledger: ledger.pruning_candidates(5),  # type: ignore[arg-type]
    "backtests(None)": lambda ledger: ledger.backtests(NOTHING),
    "leaderboard('Cofee')": lambda ledger: ledger.leaderboard("Cofee"),
    "best('Cofee')": lambda ledger: ledger.best("Cofee"),
    "choose(None)": lambda ledger: experiments.choose(ledger, NOTHING),
    "choose(5)": lambda ledger: experiments.choose(ledger, 5),  # type: ignore[arg-type]
    "choose another series": lambda ledger: experiments.choose(ledger, "Coffee", "none"),
    "choose the series 5": lambda ledger: experiments.choose(ledger, "Coffee", 5),  # type: ignore[arg-type]
    "read_table(None)": lambda ledger: ledger.read_table(NOTHING),
    "read_table of another": lambda ledger: ledger.read_table("none"),
    "read_table of no name": lambda ledger: ledger.read_table("a b; drop table model_runs"),
    "read_table at another version": lambda ledger: ledger.read_table("model_runs", 99),
    "read_table at a text": lambda ledger: ledger.read_table("model_runs", "x"),  # type: ignore[arg-type]
}


@pytest.mark.engine
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_an_absurd_question_is_one_error_and_changes_nothing(
    unchanged: Path, opened: Ledger, ask: Callable[[Ledger], object]
) -> None:
    with pytest.raises(ExperimentsError) as caught:
        ask(opened)
    assert str(caught.value).strip()
