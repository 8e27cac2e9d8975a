"""Batch scoring: every column kept and the predictions added, whatever the table is; nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake
from sklearn.linear_model import Ridge

from experiments.cli.main import cli
from experiments.errors import EngineError, ExperimentsError, InvalidInputError, NotFoundError
from experiments.services.ledger import connect
from experiments.services.registry import scoring
from experiments.services.registry.registry import ModelRegistry
from experiments.services.registry.scoring import score, score_into

if TYPE_CHECKING:
    from experiments.services.registry.record import ModelVersion

pytestmark = pytest.mark.engine


class Named:
    """A model of one's own: a text for each row."""

    def predict(self, given: pd.DataFrame) -> list[str]:
        return [f"{b:g} of {a:g}" for a, b in zip(given["a"], given["b"], strict=True)]


class Moody:
    """Predicts whole numbers, and gives up at what is negative."""

    def predict(self, given: pd.DataFrame) -> pd.Series[int]:
        if (given["a"] < 0).any():
            msg = "negative a"
            raise ArithmeticError(msg)
        return given["a"].round().astype(int)


class Shaped:
    """Predicts two values a row."""

    def predict(self, given: pd.DataFrame) -> np.ndarray[Any, Any]:
        return np.zeros((len(given), 2))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, empty_path: Path) -> Iterator[ModelRegistry]:
    with connect(shutil.copytree(empty_path, tmp_path_factory.mktemp("scored") / "ledger")) as ledger:
        yield ModelRegistry(ledger=ledger)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    made = pd.DataFrame(rng.normal(size=(130, 2)), columns=["b", "a"])
    return made.assign(day=pd.date_range("2026-01-01", periods=130), of=[f"ä {n}" for n in range(130)], n=range(130))


@pytest.fixture(scope="module")
def save(registry: ModelRegistry, frame: pd.DataFrame) -> Callable[..., ModelVersion]:
    def saved(model: Any, *features: str, **how: Any) -> ModelVersion:
        example = frame[list(features)] if features else None
        name = type(model).__name__
        return registry.get(registry.save_model(model, name, name, {}, input_example=example, **how))

    return saved


@pytest.fixture(scope="module")
def ridge(save: Callable[..., ModelVersion], frame: pd.DataFrame) -> ModelVersion:
    return save(Ridge().fit(frame[["a", "b"]], frame["a"] - 2 * frame["b"]), "a", "b")


def test_every_kind_of_table_is_scored_in_its_order_with_its_columns_as_they_were(
    registry: ModelRegistry,
    ridge: ModelVersion,
    save: Callable[..., ModelVersion],
    frame: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = registry.open(ridge).predict(frame[["a", "b"]])
    indexed = frame.set_axis(pd.Index(range(130, 0, -1), name="back"))
    found = score(registry, ridge, indexed, column="y_hat")
    pd.testing.assert_frame_equal(found, indexed.assign(y_hat=expected))
    monkeypatch.setattr(scoring, "_ROWS", 50)  # several parts
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    write_deltalake(tmp_path / "rows", frame.head(3))
    write_deltalake(tmp_path / "rows", frame, mode="overwrite")
    for table, label, rows in (
        ("rows.parquet", "rows.parquet", frame),
        ("rows.csv", "rows.csv", frame),
        ("rows@v0", "rows@v0", frame.head(3)),
        ("rows", "rows@v1", frame),
    ):
        target = tmp_path / f"scored {label}.parquet"
        done = score_into(registry, ridge, tmp_path / table, output=target)
        assert (done.source, done.n_rows, done.target) == (label, len(rows), str(target))
        again = pd.read_parquet(target).astype({"day": "datetime64[ns]"})
        wanted = rows.assign(prediction=expected[: len(rows)]).astype({"day": "datetime64[ns]"})
        pd.testing.assert_frame_equal(again, wanted)
    done = score_into(registry, ridge, tmp_path / "rows", into=tmp_path / "made" / "table")
    table = DeltaTable(tmp_path / "made" / "table")
    assert table.version() == 0
    assert table.to_pandas().sort_values("n")["prediction"].to_numpy() == pytest.approx(expected)
    score_into(registry, save(Named(), "a", "b"), tmp_path / "rows@v0", output=tmp_path / "texts.csv")
    texts = (tmp_path / "texts.csv").read_text().splitlines()
    assert texts[0] == "b,a,day,of,n,prediction"
    assert texts[1].endswith(f'"ä 0",0,"{frame["b"][0]:g} of {frame["a"][0]:g}"')
    whole = score(registry, save(Moody(), "a"), (frame[["a"]].abs()))
    assert whole["prediction"].dtype == np.int64
    # a table of the engine stays there, whatever its types
    sizes = Ridge().fit(np.arange(4.0).reshape(2, 2)[:, :1], [0.0, 2.0])
    of_array = registry.get(registry.save_model(sizes, "sizes", "Ridge", {}, input_example=_named("size_bytes")))
    models = score(registry, of_array, "models")
    assert models["prediction"].to_numpy() == pytest.approx(sizes.predict(models[["size_bytes"]].to_numpy()))
    assert {"metrics", "saved_at", "parents"} < {*models.columns}


def _named(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns), dtype=float)


def test_what_cannot_be_scored_is_refused_and_leaves_nothing(
    registry: ModelRegistry,
    ridge: ModelVersion,
    save: Callable[..., ModelVersion],
    frame: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, there = tmp_path / "rows.parquet", tmp_path / "there.csv"
    frame.to_parquet(rows, index=False)
    frame.drop(columns=["a", "b"]).to_csv(tmp_path / "lacking.csv", index=False)
    frame.head(0).to_csv(tmp_path / "empty.csv", index=False)
    there.write_text("")
    moody = save(Moody(), "a")
    monkeypatch.setattr(scoring, "_ROWS", 50)
    positive = frame.assign(a=frame["a"].abs())
    positive.assign(a=positive["a"].where(positive["n"] < 100, -1.0)).to_parquet(tmp_path / "late.parquet")
    before = sorted(tmp_path.iterdir())

    def refused(kind: type[ExperimentsError], words: str, model: ModelVersion, table: Any, **how: Any) -> None:
        with pytest.raises(kind, match=words):
            score_into(registry, model, table, **({"output": tmp_path / "new.csv"} | how))
        assert sorted(tmp_path.iterdir()) == before

    lacking = r"lacking.csv has no column 'a' and 1 more, which Ridge 1.0.0 predicts from; its columns are 'day', 'of'"
    refused(InvalidInputError, lacking, ridge, tmp_path / "lacking.csv")
    refused(InvalidInputError, "empty.csv has no rows", ridge, tmp_path / "empty.csv")
    refused(InvalidInputError, "has a column 'OF' already", ridge, rows, column="OF")
    refused(InvalidInputError, "the column 'a b' is not an identifier", ridge, rows, column="a b")
    refused(InvalidInputError, "something at .*there.csv already", ridge, rows, output=there)
    refused(InvalidInputError, "something at .* already", ridge, rows, output=None, into=tmp_path)
    refused(InvalidInputError, r"give a \.csv or \.parquet file", ridge, rows, output=tmp_path / "new.xlsx")
    refused(InvalidInputError, "one of them", ridge, rows, into="x")
    refused(InvalidInputError, "what is written is called ''", ridge, rows, output="")
    refused(InvalidInputError, "the table is ''", ridge, "")
    refused(NotFoundError, "there is no file", ridge, tmp_path / "none.csv")
    refused(NotFoundError, "no_such_table cannot be read", ridge, "no_such_table")
    refused(InvalidInputError, r"predicts an array \(5, 2\) from 5 rows", save(Shaped(), "a"), rows)
    refused(InvalidInputError, "a dict has no predict", save({"no": "model"}, "a"), rows)
    # found out on the way: by the engine's worker, in the model's own words
    late = "^Moody 1.0.1 cannot predict from these columns: ArithmeticError: negative a$"
    refused(InvalidInputError, late, moody, tmp_path / "late.parquet")
    refused(InvalidInputError, late, moody, tmp_path / "late.parquet", output=None, into=tmp_path / "table")
    place = Path(moody.file_path)
    place.write_bytes(place.read_bytes() + b"\0")
    refused(EngineError, "is not the file that was saved", moody, rows)


def test_the_command_prints_or_writes(
    registry: ModelRegistry, ridge: ModelVersion, frame: pd.DataFrame, tmp_path: Path
) -> None:
    rows, ledger = tmp_path / "rows.csv", str(registry.ledger.path)
    frame.head(3).to_csv(rows, index=False)
    run = CliRunner().invoke
    model, rows = f"{ridge.model_name}/{ridge.version}", str(rows)
    printed = run(cli, ["score", model, rows, "--path", ledger])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.splitlines()[0] == "b,a,day,of,n,prediction"
    assert len(printed.stdout.splitlines()) == 4
    listed = run(cli, ["score", model, rows, "--path", ledger, "--json", "--column", "y_hat"])
    assert '"y_hat"' in listed.stdout
    target = tmp_path / "scored.parquet"
    done = run(cli, ["score", model, rows, "--path", ledger, "--output", str(target)])
    assert done.stdout == f"3 rows of rows.csv scored by Ridge 1.0.0: {target}.\n"
    into = run(cli, ["score", model, rows, "--path", ledger, "--into", str(tmp_path / "table"), "--json"])
    assert '"n_rows": 3' in into.stdout
    both = run(cli, ["score", model, rows, "--path", ledger, "--into", "x", "--output", "y.csv"])
    assert both.exit_code == 2
