"""Datasets of a ledger: registered once, never changed, split by time, linked to the runs that read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services import ledger as ledgers
from experiments.services.datasets import manager
from experiments.services.datasets.differences import Rows, difference
from experiments.services.datasets.manager import DatasetManager
from experiments.services.datasets.splits import split
from experiments.services.datasets.versions import DatasetVersionManager
from experiments.services.ledger import Ledger, connect
from experiments.services.tracking import active
from experiments.storage.table import version_of

pytestmark = pytest.mark.engine

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("datasets") / "ledger") as opened:
        ledgers._open_ledgers.remove(opened)
        yield opened
        ledgers._open_ledgers.append(opened)


@pytest.fixture
def datasets(shared: Ledger) -> DatasetManager:
    return DatasetManager(shared)


def prices(n: int = 100, *, start: str = "2024-01-01") -> pd.DataFrame:
    y = np.random.default_rng(n).normal(size=n)
    return pd.DataFrame({"ds": pd.date_range(start, periods=n), "y": y, "name": "WTI", "n": range(n)})


def test_the_same_again_is_the_same_version_and_content_is_kept_once(
    datasets: DatasetManager, shared: Ledger, tmp_path: Path
) -> None:
    frame = prices()
    frame.to_csv(tmp_path / "prices.csv", index=False)
    frame.to_parquet(tmp_path / "prices.parquet", row_group_size=7)
    about: dict[str, Any] = {
        "time_column": "ds",
        "feature_columns": ["n"],
        "target_columns": ["y"],
        "splits": SHARES,
        "metadata": {"source": "vendor", "when": dt.date(2024, 1, 1), "shape": np.int64(3)},
    }
    first = datasets.register_dataset(frame, "prices", **about)
    before = version_of(shared.engine, "datasets")
    assert first == datasets.register_dataset(tmp_path / "prices.csv", "prices", **about)
    assert first == datasets.register_dataset(str(tmp_path / "prices.parquet"), "prices", **about)
    assert version_of(shared.engine, "datasets") == before
    other = datasets.register_dataset(frame, "prices", time_column="ds")
    assert other != first
    found, second = datasets.get_dataset(first), datasets.get_dataset(other)
    assert (found.location, found.content_sha256) == (second.location, second.content_sha256)
    assert [path.name for path in (shared.path / "artifacts").rglob("*") if path.is_file()].count(
        found.file_sha256
    ) == 1
    assert (found.n_rows, found.n_columns, found.source, found.format) == (100, 4, "DataFrame", "parquet")
    assert (found.minimums["ds"], found.maximums["ds"]) == ("2024-01-01", "2024-04-09")
    assert (found.feature_columns, found.target_columns, second.target_columns) == (("n",), ("y",), None)
    assert found.metadata == {"source": "vendor", "when": "2024-01-01", "shape": 3}
    assert found.missing == {"ds": 0, "y": 0, "name": 0, "n": 0}
    assert found.splits is not None
    assert found.splits["train"] == {"n_rows": 70, "first": "2024-01-01", "last": "2024-03-10"}
    assert abs(dt.datetime.now(dt.UTC) - found.created_at) < dt.timedelta(minutes=1)
    listed = datasets.list_datasets("prices")
    assert listed["dataset_id"].tolist() == [first, other]
    assert listed["version"].tolist() == [1, 2]
    assert datasets.get_dataset(first[:8]) == found
    pd.testing.assert_frame_equal(datasets.load(first), frame)
    parts = [datasets.load(first, name) for name in SHARES]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), frame)


def test_what_a_frame_has_comes_back(datasets: DatasetManager) -> None:
    frame = prices(6).assign(
        kind=pd.Categorical(list("abcabc")),
        whole=pd.array([1, None, 3, 4, 5, 2**62 + 1], "Int64"),
        at=pd.date_range("2024-03-30", periods=6, tz="Europe/Berlin"),
        flag=[True, False] * 3,
        parts=[[1.0], [], [2.0], [3.0], None, [4.0]],
    )
    found = datasets.load(datasets.register_dataset(frame.set_index("ds"), "types"))
    pd.testing.assert_frame_equal(found.drop(columns="parts"), frame.drop(columns="parts"))


def test_a_run_under_way_is_linked_to_what_it_reads(datasets: DatasetManager, shared: Ledger) -> None:
    class Run:
        where = shared.where

        def __init__(self) -> None:
            self.read: list[tuple[str, str]] = []

        def link_dataset(self, dataset_id: str, role: str = "all") -> None:
            self.read.append((dataset_id, role))

    dataset_id = datasets.register_dataset(prices(), "linked", time_column="ds", splits=SHARES)
    run = Run()
    active.begin(run)
    try:
        datasets.load(dataset_id[:10], "train")
        datasets.load(dataset_id)
        datasets.get_dataset(dataset_id)
    finally:
        active.end(run)
    datasets.load(dataset_id, "test")
    assert run.read == [(dataset_id, "train"), (dataset_id, "all")]


def test_times_never_stand_in_two_splits(datasets: DatasetManager) -> None:
    days = pd.date_range("2024-01-01", periods=10)
    frame = pd.DataFrame({"ds": [*days, *days, *days], "unique_id": list("abc") * 10, "y": range(30)})
    dataset_id = datasets.register_dataset(frame, "panel", time_column="ds", splits={"train": 0.65, "test": 0.35})
    train, test = datasets.load(dataset_id, "train"), datasets.load(dataset_id, "test")
    assert (train["ds"].max(), test["ds"].min()) == (days[6], days[7])
    assert len(train) + len(test) == 30
    assert train["y"].tolist() == [y for y in range(30) if y % 10 < 7]  # in the order they were given
    ranges = {"train": ("2024-01-01", dt.date(2024, 1, 3)), "test": (pd.Timestamp("2024-01-05"), "2024-12-31")}
    dataset_id = datasets.register_dataset(frame, "panel", time_column="ds", splits=ranges)
    assert datasets.load(dataset_id, "train")["ds"].nunique() == 3
    assert datasets.load(dataset_id, "test")["ds"].min() == days[4]
    rows = datasets.register_dataset(frame, "panel", splits={"train": 0.5, "rest": 0.5})
    assert datasets.load(rows, "rest")["y"].tolist() == list(range(15, 30))
    numbered = datasets.register_dataset(frame, "panel", time_column="y", splits={"train": (0, 9), "test": (10, 99)})
    assert datasets.load(numbered, "test")["y"].tolist() == list(range(10, 30))


def test_the_last_day_of_a_split_is_in_it_as_a_whole() -> None:
    hours = np.arange("2024-01-01", "2024-01-04", np.timedelta64(1, "h"), dtype="datetime64[ns]")
    given = {"train": ("2024-01-01", "2024-01-02"), "test": ("2024-01-03T00:00:00+00:00", "2024-01-03 10:00")}
    parts = split(given, n_rows=len(hours), order=hours, time_column="ds")
    assert parts["train"] == {"n_rows": 48, "first": "2024-01-01", "last": "2024-01-02T23:00:00"}
    assert parts["test"]["n_rows"] == 11


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "the splits are {}: give shares"),
        (0.7, "the splits are 0.7: give shares"),
        ({"a b": 1.0}, "split 'a b' is not an identifier"),
        ({"all": 1.0}, "a split is named 'all', which means the whole"),
        ({"train": 0.9, "test": 0.2}, r"add up to 1\.1: give shares that add up to 1 at most"),
        ({"train": 0.0, "test": 1.0}, "the share of the split 'train' is 0.0"),
        ({"train": float("nan")}, "the share of the split 'train' is nan"),
        ({"train": 0.001, "test": 0.999}, "the split 'train' would have no rows"),
        ({"train": 0.5, "test": ("2024-01-01", "2024-01-02")}, "the split 'train' is 0.5: give its share"),
        ({"train": "2024-01-01"}, "the split 'train' is '2024-01-01': give its share"),
        ({"train": ("2024-01-05", "2024-01-02")}, "ends at 2024-01-02, before it begins at 2024-01-05"),
        ({"train": ("2024-01-01", "soon")}, "a time of the split 'train' is 'soon'"),
        ({"train": ("2024-01-01", None)}, "a time of the split 'train' is None"),
        ({"train": ("2020-01-01", "2020-12-31")}, "the split 'train' would have no rows"),
        (
            {"b": ("2024-01-03", "2024-01-05"), "a": ("2024-01-01", "2024-01-03")},
            "the splits 'a' and 'b' overlap",
        ),
    ],
)
def test_splits_that_are_none_are_refused(given: Any, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        split(given, n_rows=10, order=prices(10)["ds"].to_numpy(), time_column="ds")


def test_what_cannot_be_registered_is_refused_and_nothing_kept(
    datasets: DatasetManager, shared: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version_of(shared.engine, "datasets"), len(list((shared.path / "artifacts").rglob("*")))
    frame = prices(7).assign(gap=pd.to_datetime([None] + ["2024-01-01"] * 6))
    for about, why in (
        ({"name": " "}, "the name of a dataset is ' '"),
        ({"time_column": "DS"}, "unknown column 'DS'. Did you mean 'ds'"),
        ({"feature_columns": ["x"]}, "unknown column 'x'"),
        ({"target_columns": "y"}, "target_columns is 'y': give a list"),
        ({"time_column": "name"}, "the time column 'name' has values of type string"),
        ({"time_column": "gap", "splits": SHARES}, "1 rows have no gap"),
        ({"splits": {"train": ("2024-01-01", "2024-01-02")}}, "give time_column"),
        ({"metadata": {"x": float("nan")}}, "the metadata cannot be kept as JSON"),
        ({"metadata": [1]}, r"the metadata is \[1\]: give a dict"),
    ):
        with pytest.raises((InvalidInputError, NotFoundError), match=why):
            datasets.register_dataset(frame, **{"name": "refused", **about})  # type: ignore[arg-type]
    assert before == (version_of(shared.engine, "datasets"), len(list((shared.path / "artifacts").rglob("*"))))
    with pytest.raises(NotFoundError, match="unknown dataset 'nothing'"):
        datasets.get_dataset("nothing")
    with pytest.raises(NotFoundError, match="unknown dataset 'nothing'"):
        datasets.list_datasets("nothing")
    for dataset_id in ("xa", "xb"):
        monkeypatch.setattr(manager, "digest", lambda _, dataset_id=dataset_id: dataset_id)
        datasets.register_dataset(frame, "two")
    with pytest.raises(NotFoundError, match="2 datasets have an id that begins with 'x', such as x"):
        datasets.load("x")
    with pytest.raises(NotFoundError, match=r"unknown split of two xa 'train'\. Known: none yet"):
        datasets.load("xa", "train")


def test_content_that_was_changed_or_is_gone_is_not_handed_out(datasets: DatasetManager) -> None:
    dataset_id = datasets.register_dataset(prices(11), "damaged")
    file = Path(datasets.get_dataset(dataset_id).location)
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(EngineError, match=f"{file.name} is damaged"):
        datasets.load(dataset_id)
    file.unlink()
    with pytest.raises(NotFoundError, match=f"there is no artifact {file.name}"):
        datasets.load(dataset_id)
    other = datasets.register_dataset(prices(12), "damaged")
    found = difference(datasets, dataset_id, other)
    assert found.rows is None
    assert found.reason.startswith("there is no artifact")
    datasets.register_dataset(prices(11), "again")  # content that is gone is kept anew
    assert len(datasets.load(dataset_id)) == 11


def test_registering_again_keeps_damaged_content_again(
    datasets: DatasetManager, shared: Ledger, tmp_path: Path
) -> None:
    frame = prices(13)
    frame.to_parquet(tmp_path / "prices.parquet", row_group_size=2)
    dataset_id = datasets.register_dataset(tmp_path / "prices.parquet", "mended")
    first = datasets.get_dataset(dataset_id)
    file = Path(first.location)
    kept = file.read_bytes()
    for name in ("mended", "mended under another name"):  # of the same size, as a file that rots
        file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        again = datasets.register_dataset(tmp_path / "prices.parquet", name)
        assert (again == dataset_id) == (name == "mended")
        assert file.read_bytes() == kept
        assert datasets.get_dataset(dataset_id) == first
    before = version_of(shared.engine, "datasets")
    file.unlink()
    assert datasets.register_dataset(frame, "mended") == dataset_id  # the same values, in a file of other bytes
    found = datasets.get_dataset(dataset_id)
    assert (found.content_sha256, found.created_at) == (first.content_sha256, first.created_at)
    assert found.file_sha256 != first.file_sha256
    assert found.size_bytes == Path(found.location).stat().st_size
    for one in (dataset_id, again):
        pd.testing.assert_frame_equal(datasets.load(one), frame)
    assert version_of(shared.engine, "datasets") == (before or 0) + 3
    datasets.register_dataset(frame, "mended")
    assert version_of(shared.engine, "datasets") == (before or 0) + 3


def test_what_is_loaded_has_the_types_and_column_order_first_registered(datasets: DatasetManager) -> None:
    frame = prices(14)
    datasets.register_dataset(frame, "first")
    other = frame[["n", "y", "name", "ds"]].astype({"n": "float32"})
    pd.testing.assert_frame_equal(datasets.load(datasets.register_dataset(other, "second")), frame)


def test_a_delta_table_is_a_dataset_at_a_version(datasets: DatasetManager, shared: Ledger, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    for part in (prices(5), prices(5, start="2024-06-01")):
        deltalake.write_deltalake(str(tmp_path / "coffee"), part, mode="append")
    kept = len(list((shared.path / "artifacts").rglob("*")))
    old = datasets.register_table(str(tmp_path / "coffee"), 0, time_column="ds", splits={"a": 0.5, "b": 0.5})
    new = datasets.register_table(str(tmp_path / "coffee"), time_column="ds")
    found = datasets.get_dataset(new)
    assert (found.name, found.format, found.table_version, found.file_sha256) == ("coffee", "delta", 1, None)
    assert found.source.endswith("coffee@v1")
    assert len(list((shared.path / "artifacts").rglob("*"))) == kept
    assert datasets.load(old, "a")["n"].tolist() == [0, 1]
    assert datasets.load(new)["n"].tolist() == [0, 1, 2, 3, 4] * 2
    rows = difference(datasets, old, new).rows
    assert rows == Rows(by="ds", n_same=5, n_new=5, n_gone=0, n_changed=0)
    with pytest.raises(NotFoundError, match="has no version 9"):
        datasets.register_table(str(tmp_path / "coffee"), 9)
    for wrong in (-1, "x", True, 1.0):
        with pytest.raises(InvalidInputError, match=rf"version is {wrong!r}: it must be a whole number of at least 0"):
            datasets.register_table(str(tmp_path / "coffee"), wrong)  # type: ignore[arg-type]
    assert datasets.register_table(tmp_path / "coffee", np.int64(1), time_column="ds") == new  # type: ignore[arg-type]
    with pytest.raises(NotFoundError, match=r"there is no folder .*/nowhere: it was removed or renamed"):
        datasets.register_table(str(tmp_path / "nowhere"))
    named = datasets.register_table("schema_version", 1, name="migrations")
    assert datasets.register_table("schema_version", 1, name="migrations") == named
    assert len(datasets.load(named)) == datasets.get_dataset(named).n_rows > 0
    with pytest.raises(InvalidInputError, match="does not tell which version of schema_version is the newest"):
        datasets.register_table("schema_version")
    deltalake.write_deltalake(str(tmp_path / "other"), prices(6))
    (tmp_path / "coffee").rename(tmp_path / "away")
    with pytest.raises(NotFoundError, match=r"there is no folder .*/coffee, nor a version 0 of it"):
        datasets.load(old)
    (tmp_path / "other").rename(tmp_path / "coffee")
    with pytest.raises(EngineError, match=r"version 0 of .*coffee is not what was registered"):
        datasets.load(old)


def test_what_differs_is_told(datasets: DatasetManager) -> None:
    frame = prices(10)
    other = frame.drop(columns="name")[2:].reset_index(drop=True)
    other = other.assign(y=other["y"].where(other["n"] != 5, 99.5), n=other["n"].astype(float), new=None)
    other = pd.concat([other, prices(3, start="2024-02-01")[["ds", "y", "n"]]], ignore_index=True)
    first = datasets.register_dataset(frame, "differing", time_column="ds", splits={"train": 0.5})
    second = datasets.register_dataset(other, "differing", time_column="ds", target_columns=["y"])
    found = difference(datasets, first[:12], second)
    assert not found.same_content
    assert found.rows == Rows(by="ds", n_same=7, n_new=3, n_gone=2, n_changed=1)
    told = {(one.what, one.name): (one.before, one.after) for one in found.changes}
    assert told["column removed", "name"] == ("string", "")
    assert told["column added", "new"] == ("", "null")
    assert told["type", "n"] == ("int64", "double")
    assert told["rows", ""] == ("10", "11")
    assert told["largest value", "y"][1] == "99.5"
    assert told["smallest value", "ds"] == ("2024-01-01", "2024-01-03")
    assert told["target columns", ""] == ("", "y")
    assert told["split", "train"] == ("5 rows, 2024-01-01 to 2024-01-05", "")
    same = difference(datasets, first, datasets.register_dataset(frame, "renamed", time_column="ds"))
    assert (same.same_content, same.rows) == (True, Rows(by="ds", n_same=10, n_new=0, n_gone=0, n_changed=0))
    doubled = pd.concat([frame, frame[:2]], ignore_index=True)
    rows = difference(datasets, first, datasets.register_dataset(doubled, "differing", time_column="ds")).rows
    assert rows == Rows(by="", n_same=10, n_new=2, n_gone=0, n_changed=0)


def test_versions_as_the_specification_has_them(tmp_path: Path, shared: Ledger) -> None:
    df = prices(20)
    version_manager = DatasetVersionManager(storage_dir=tmp_path / "versions")
    metadata = {
        "source": "historical_data.csv",
        "date_range": "2023-01-01 to 2023-12-31",
        "features": list(df.columns),
    }
    version_id = version_manager.create_version(data=df, metadata=metadata)
    data, told = version_manager.load_version(version_id)
    pd.testing.assert_frame_equal(data, df)
    assert told == metadata
    with pytest.raises(InvalidInputError, match="the metadata cannot be kept as JSON: 'a' is <object obj"):
        version_manager.create_version(df, {"source": "x", "a": object()})
    other = version_manager.create_version(df.head(3), {"name": "short"})
    versions = version_manager.list_versions()
    assert [(one["version_id"], one["name"]) for one in versions] == [(version_id, "data"), (other, "short")]
    info = version_manager.get_version_info(version_id)
    assert (info["version_id"], info["n_rows"], info["metadata"]) == (version_id, 20, metadata)
    assert not ledgers._open_ledgers  # it is not the ledger the next run is logged to
    ledgers._open_ledgers.append(shared)
    try:
        here = DatasetVersionManager()
        assert here.load_version(here.create_version(df))[1] == {}
    finally:
        ledgers._open_ledgers.remove(shared)
