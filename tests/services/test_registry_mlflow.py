"""Versions of models published in a real MLflow registry on loopback, loaded from it, and served by MLflow."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import math
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from experiments.cli.main import cli
from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.exchange import server as exchange
from experiments.services.exchange.flavours import signature_of
from experiments.services.ledger import connect
from experiments.services.registry import loading, publishing
from experiments.services.registry.loading import (
    load_model_from_registry,
    load_model_with_card,
    load_model_with_fallback,
)
from experiments.services.registry.mlflow_registry import Place, place_of, versions_of
from experiments.services.registry.publishing import Published, publish
from experiments.services.registry.registry import ModelRegistry
from mlflow_server import free_port, wait_for

if TYPE_CHECKING:
    from mlflow_server import Server

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'experiment-ledger[mlflow]'")

pytestmark = [
    pytest.mark.engine,
    # what MLflow and its libraries warn of is not ours
    pytest.mark.filterwarnings("ignore:::mlflow"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

GONE = "http://127.0.0.1:9"
FEATURES = pd.DataFrame({"a": np.arange(6.0), "b": [1.0, 0.0, 2.0, 1.0, 3.0, 2.0]})
TARGET = FEATURES["a"] * 2 - FEATURES["b"]


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame * 2


class Offset:
    """A model of a class that no server has."""

    def __init__(self, by: float) -> None:
        self.by = by

    def predict(self, frame: pd.DataFrame) -> Any:
        return frame["a"].to_numpy() + self.by


class Trap:
    """What runs code where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


def test_a_registry_of_databricks_has_a_tracking_server_of_its_own() -> None:
    for given, tracking, registry in (
        ("databricks-uc", "databricks", "databricks-uc"),
        ("databricks", "databricks", "databricks-uc"),
        ("databricks-uc://desk", "databricks://desk", "databricks-uc://desk"),
        ("http://here", "http://here", "http://here"),
    ):
        assert place_of(given) == Place(tracking=tracking, registry=registry)


def test_tags_that_a_search_does_not_bring_are_asked_for() -> None:
    from mlflow.entities.model_registry import ModelVersion, ModelVersionSearch
    from mlflow.store.entities import PagedList

    class Unity:
        def search_model_versions(self, **_: Any) -> Any:
            return PagedList([ModelVersionSearch("a.b.c", number, 0) for number in ("2", "10")], None)

        def get_model_version(self, name: str, version: str) -> Any:
            return ModelVersion(name, version, 0, tags=[])

    found = list(versions_of(Unity(), "a.b.c"))  # type: ignore[arg-type]
    assert [(one.version, one.tags) for one in found] == [("10", {}), ("2", {})]


@pytest.fixture(scope="module")
def uri(mlflow_server: Server) -> str:
    return mlflow_server.uri


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    """One registry for the module, in the ledger that is the current one: each test has models of its own."""
    with connect(tmp_path_factory.mktemp("registry") / "ledger") as ledger:
        yield ModelRegistry(ledger=ledger)


@pytest.fixture(scope="module")
def client(uri: str) -> Any:
    return mlflow.MlflowClient(uri)


def save(registry: ModelRegistry, name: str, model: Any = None, **given: Any) -> int:
    model = Ridge(alpha=0.5).fit(FEATURES, TARGET) if model is None else model
    given = {"metrics": {"mae": 0.4}, "input_example": FEATURES} | given
    return registry.save_model(model, name, type(model).__name__, **given)


def files_of(server: Server, client: Any, name: str, version: str) -> Path:
    """Where the server keeps the files of a version."""
    location = client.get_model_version_download_uri(name, version)
    return server.folder / "artifacts" / str(location).removeprefix("mlflow-artifacts:/")


def test_a_version_is_published_with_all_that_is_known_of_it(registry: ModelRegistry, uri: str, client: Any) -> None:
    metrics = {"mae": 0.4, "r2": math.nan, "l(r": 1.0}
    settings = {"alpha": 0.5, "kind": "ridge", "on": True, "long": "x" * 7000}
    save(registry, "spread", metrics=metrics, hyperparameters=settings, intended_use="Tests.", limitations="x" * 6000)
    registry.promote("spread", "1.0.0")
    found = registry.get("spread")
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    first = publish(registry, found, uri)
    assert {name: os.environ.get(name) for name in before} == before
    assert (first.new, first.name, first.version, first.uri) == (True, "spread", "1", "models:/spread/1")
    assert first.changed == ("is the champion now", "has its card of now")
    assert first.notes == ("of spread 1.0.0 MLflow takes no hyperparameters: 'long'; metrics: 'l(r'.",)

    there = client.get_model_version_by_alias("spread", "champion")
    card = there.tags.pop("experiments_card")
    assert there.tags == {
        "experiments_model_id": str(found.model_id),
        "experiments_model_name": "spread",
        "experiments_version": "1.0.0",
        "experiments_model_type": "Ridge",
        "experiments_file_format": "joblib",
        "experiments_sha256": found.sha256,
    }
    run = client.get_run(first.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "spread 1.0.0")
    assert run.data.params == {"alpha": "0.5", "kind": "ridge", "on": "True"}
    assert repr(run.data.metrics) in ("{'mae': 0.4, 'r2': nan}", "{'r2': nan, 'mae': 0.4}")
    whole = Path(client.download_artifacts(first.run_id, "model_card.md")).read_text(encoding="utf-8")
    assert hashlib.sha256(whole.encode()).hexdigest() == card
    assert "Tests." in whole
    assert len(whole) > 6000
    assert len(there.description) <= 5000
    assert there.description.startswith("# spread 1.0.0")
    assert there.description.endswith("among the artifacts of its run.*\n")
    assert [one.path for one in client.list_artifacts(first.run_id)] == ["model_card.html", "model_card.md"]
    mlflow.set_tracking_uri(uri)
    try:
        described = mlflow.models.get_model_info("models:/spread@champion")
        served = mlflow.pyfunc.load_model("models:/spread@champion")
        assert served.predict(FEATURES).tolist() == registry.open(found).predict(FEATURES).tolist()
        native = mlflow.sklearn.load_model("models:/spread/1")
        ours = mlflow.artifacts.download_artifacts("models:/spread/1/ledger/model.pkl")
    finally:
        mlflow.set_tracking_uri("")
    assert type(native).__name__ == "Ridge"
    assert [(one.name, one.type.name) for one in described.signature.inputs] == [("a", "double"), ("b", "double")]
    assert described.signature.outputs is not None
    assert signature_of(native, None) is None
    assert signature_of(native, {"a": "float64", "b": "category"}) is None
    assert signature_of(Offset(1.0), {"other": "datetime64[ns]"}).outputs is None
    assert hashlib.sha256(Path(ours).read_bytes()).hexdigest() == found.sha256


def test_published_again_nothing_is_there_twice_and_aliases_and_cards_follow(
    registry: ModelRegistry, uri: str, client: Any
) -> None:
    def send(version: str, **given: Any) -> Published:
        return publish(registry, registry.get(f"twice/{version}"), uri, **given)

    def aliases() -> dict[str, str]:
        return dict(client.get_registered_model("twice").aliases)

    save(registry, "twice")
    first = send("1.0.0")
    assert (first.new, first.changed, aliases()) == (True, ("has its card of now",), {})
    again = send("1.0.0")
    assert (again.new, again.version, again.run_id, again.changed) == (False, "1", first.run_id, ())
    # what was deployed there only stays so
    client.set_registered_model_alias("twice", "champion", "1")
    assert (send("1.0.0").changed, aliases()) == ((), {"champion": "1"})
    # the next champion takes the alias, and the first one's card tells of it
    registry.promote("twice", "1.0.0")
    save(registry, "twice")
    registry.promote("twice", "1.0.1", reason="newer")
    second = send("1.0.1")
    assert (second.new, second.version, aliases()) == (True, "2", {"champion": "2"})
    assert send("1.0.0").changed == ("has its card of now",)
    # a rollback goes over too, and so does what is deployed no more
    registry.rollback("twice")
    assert send("1.0.1").changed == ("is the champion no more", "has its card of now")
    assert send("1.0.0").changed[0] == "is the champion now"
    send("1.0.1", alias="challenger")
    assert aliases() == {"champion": "1", "challenger": "2"}
    assert len(client.search_model_versions("name = 'twice'")) == 2
    assert len(client.search_runs([client.get_run(first.run_id).info.experiment_id])) == 2


def test_what_cannot_be_published_leaves_nothing(
    registry: ModelRegistry, uri: str, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(registry, "table", {"a": 1}, input_example=None)
    with pytest.raises(InvalidInputError, match=r"table 1\.0\.0 is a dict without a method predict"):
        publish(registry, registry.get("table"), uri)
    save(registry, "odd:name", Offset(1.0))
    odd = registry.get("odd:name")
    with pytest.raises(InvalidInputError, match="the name of the model in MLflow is 'odd:name': give one without"):
        publish(registry, odd, uri)
    with pytest.raises(InvalidInputError, match="the alias is 'best'"):
        publish(registry, odd, uri, name="odd", alias="best")
    with pytest.raises(InvalidInputError, match="the URI of MLflow is ''"):
        publish(registry, odd, "", name="odd")
    with pytest.raises(EngineError, match=f"MLflow at {GONE} cannot be reached"):
        publish(registry, odd, GONE, name="odd")
    with pytest.raises(NotFoundError, match="there is no folder"):
        publish(registry, odd, f"sqlite:///{tmp_path}/no/where.db", name="odd")

    def broken(*_: object) -> None:
        raise OSError("connection lost")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, "finalize_logged_model", broken)
        with pytest.raises(EngineError, match="refused a request: connection lost"):
            publish(registry, odd, uri, name="odd")
    assert client.search_model_versions("name = 'odd'") == []
    experiment = client.get_experiment_by_name("odd").experiment_id
    assert client.search_runs([experiment]) == []
    assert client.search_logged_models([experiment]) == []

    # where only the answer was lost, the version is there with its run
    save(registry, "answer", Offset(1.0))
    create = mlflow.MlflowClient.create_model_version
    with monkeypatch.context() as patched:
        patched.setattr(mlflow.MlflowClient, "create_model_version", lambda *a, **b: broken(create(*a, **b)))
        with pytest.raises(EngineError, match="refused a request: connection lost"):
            publish(registry, registry.get("answer"), uri)
    found = publish(registry, registry.get("answer"), uri)
    assert (found.new, found.version) == (False, "1")
    assert client.get_run(found.run_id).info.lifecycle_stage == "active"

    # what was killed long ago is removed, and of two at once from two machines the first stays
    client.create_run(experiment, start_time=1, tags={"experiments_sha256": odd.sha256})
    made = publish(registry, odd, uri, name="odd")
    with monkeypatch.context() as patched:
        answers = [None]
        real = publishing.copy_of
        patched.setattr(publishing, "copy_of", lambda *given: answers.pop() if answers else real(*given))
        late = publish(registry, odd, uri, name="odd")
    assert (late.version, late.run_id) == (made.version, made.run_id)
    assert len(client.search_model_versions("name = 'odd'")) == 1
    assert len(client.search_runs([experiment])) == 1


def test_what_was_published_is_loaded_and_only_that(
    registry: ModelRegistry,
    uri: str,
    client: Any,
    mlflow_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the second has a function of this file in it, which skops does not take
    own = make_pipeline(FunctionTransformer(doubled), Ridge()).fit(FEATURES, TARGET)
    for number, given in enumerate((Ridge().fit(FEATURES, TARGET), own)):
        save(registry, "load", given, description=f"The {number}.")
        publish(registry, registry.get(f"load/1.0.{number}"), uri)
    expected = [registry.open(registry.get(f"load/1.0.{n}")).predict(FEATURES).tolist() for n in range(2)]
    model, card = load_model_from_registry("load", "1", uri=uri)
    assert model.predict(FEATURES).tolist() == expected[0]
    assert card.title == "load 1.0.0"
    assert "The 0." in card.markdown
    assert "<h1>" in card.html
    assert load_model_with_fallback("load", uri=uri)[1].title == "load 1.0.1"  # the highest one
    registry.promote("load", "1.0.0")
    publish(registry, registry.get("load/1.0.0"), uri)
    assert load_model_with_fallback("load", uri=uri)[0].predict(FEATURES).tolist() == expected[0]

    with pytest.raises(NotFoundError, match=r"unknown version of load in MLflow at .* '9'.* Known: 1, 2"):
        load_model_from_registry("load", "9", uri=uri)
    with pytest.raises(InvalidInputError, match=r"the version is '1\.0\.0': give MLflow's number"):
        load_model_from_registry("load", "1.0.0", uri=uri)
    with pytest.raises(NotFoundError, match="has no model 'none'"):
        load_model_from_registry("none", 1, uri=uri)
    with pytest.raises(EngineError, match="cannot be reached"):
        load_model_from_registry("load", 1, uri=GONE)

    # of another, who published it by MLflow's own means
    client.create_registered_model("foreign")
    of = client.get_model_version("load", "1")
    client.create_model_version("foreign", of.source, of.run_id, model_id=of.source.removeprefix("models:/"))
    with pytest.raises(InvalidInputError, match=r"was not published from a ledger.*load_model\('models:/foreign/1'\)"):
        load_model_with_fallback("foreign", uri=uri)

    # swapped behind our back: never read as a model
    mark = tmp_path / "ran"
    file = files_of(mlflow_server, client, "load", "1") / "ledger" / "model.pkl"
    swapped = io.BytesIO()
    joblib.dump(Trap(mark), swapped)
    file.write_bytes(swapped.getvalue())
    for load in (
        lambda: load_model_from_registry("load", 1, uri=uri),
        lambda: load_model_with_fallback("load", uri=uri),
    ):
        with pytest.raises(EngineError, match=r"is not what was published: .*Nothing of it was loaded"):
            load()
    # and with its tag: this ledger knows better
    client.set_model_version_tag("load", "1", "experiments_sha256", hashlib.sha256(swapped.getvalue()).hexdigest())
    with pytest.raises(EngineError, match=r"is not of the model load of the ledger .* is recorded there"):
        load_model_from_registry("load", 1, uri=uri)
    assert not mark.exists()


def test_the_copy_here_is_loaded_where_mlflow_has_none_and_that_is_said(
    registry: ModelRegistry, uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(registry, "away", Offset(3.0))
    expected = (FEATURES["a"] + 3.0).tolist()
    for name, where, why in (
        ("away", GONE, f"MLflow at {GONE} cannot be reached"),
        ("main.models.away", uri, f"MLflow at {uri} has no model 'main.models.away'"),
        ("away", f"sqlite:///{tmp_path}/none.db", "there is no MLflow store at"),
    ):
        caplog.clear()
        began = time.monotonic()
        with caplog.at_level(logging.WARNING, "experiments"):
            model, card = load_model_with_fallback(name, uri=where)
        assert time.monotonic() - began < 15
        assert model.predict(FEATURES).tolist() == expected
        assert (card.title, len(caplog.records)) == ("away 1.0.0", 1)
        assert why in caplog.text
        assert f"Loaded away 1.0.0 of the ledger {registry.ledger.where} instead." in caplog.text
    assert not (tmp_path / "none.db").exists()
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "experiments"):
        patched.setattr(exchange, "find_spec", lambda _: None)
        assert load_model_with_fallback("away", registry=registry)[0].by == 3.0
        assert "mlflow is not installed" in caplog.text
    with pytest.raises(NotFoundError, match=r"has no model 'never'\. The ledger .* has no model 'never' either"):
        load_model_with_fallback("never", uri=uri)
    # without a ledger none is made
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "opened_last", lambda **_: None)
    with pytest.raises(NotFoundError, match="There is no registry here to take a copy from either"):
        load_model_with_fallback("never", uri=GONE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_loaded_if_a_registry_recorded_it(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(registry, "file", Offset(5.0), description="Five.")
    path = Path(registry.get("file").file_path)
    model, card = load_model_with_card(path)
    assert (model.by, card.title) == (5.0, "file 1.0.0")
    elsewhere = tmp_path / "my_model.pkl"
    elsewhere.write_bytes(path.read_bytes())
    assert load_model_with_card(str(elsewhere))[1].title == "file 1.0.0"
    unknown = tmp_path / "unknown.pkl"
    joblib.dump(Trap(tmp_path / "ran"), unknown)
    with pytest.raises(InvalidInputError, match=r"unknown\.pkl was recorded by no registry"):
        load_model_with_card(unknown)
    with pytest.raises(NotFoundError, match="there is no model file"):
        load_model_with_card(tmp_path / "none.pkl")
    with pytest.raises(InvalidInputError, match="cannot be read: Is a directory"):
        load_model_with_card(tmp_path)
    # of a registry that is not open, by its place
    with ModelRegistry(tmp_path / "other") as other:
        save(other, "own", Offset(7.0))
        own = Path(other.get("own").file_path)
    monkeypatch.chdir(tmp_path)
    assert load_model_with_card(own.relative_to(tmp_path))[0].by == 7.0
    own.write_bytes(unknown.read_bytes())
    with pytest.raises(EngineError, match=r"is not the file that was saved as own 1\.0\.0"):
        load_model_with_card(own)
    assert not (tmp_path / "ran").exists()


def test_mlflow_serves_what_was_published(registry: ModelRegistry, uri: str, tmp_path: Path) -> None:
    """A class of this file, which the server's process does not have."""
    save(registry, "served", Offset(2.5))
    given = ["registry", "publish", "served", "--to", uri, "--path", str(registry.ledger.path)]
    done = json.loads(CliRunner().invoke(cli, [*given, "--json"], catch_exceptions=False).stdout)
    assert (done["new"], done["version"], done["target"]) == (True, "1", uri)
    registry.promote("served", "1.0.0")
    told = CliRunner().invoke(cli, given, catch_exceptions=False).stdout
    assert told.startswith(f"served 1.0.0 was already version 1 of served in MLflow at {uri}: models:/served/1\n")
    assert "It is the champion now.\n" in told
    port = free_port()
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/served@champion"]
    settings = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": ""}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*serve, "--env-manager", "local", "--port", str(port)],
            env={**os.environ, **settings},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process, log)
        local = registry.open(registry.get("served@champion"))
        for body in (
            {"dataframe_split": FEATURES.to_dict("split", index=False)},
            {"dataframe_records": FEATURES.to_dict("records")},
        ):
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations",
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
                assert json.load(answer)["predictions"] == local.predict(FEATURES).tolist()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGTERM)
        process.wait(timeout=30)
