"""Document 3's acceptance criteria, under the names it gives its tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge

from experiments import ModelRegistry
from experiments.services.registry.registry import DEFAULT_PATH
from made import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.engine

X: NDArray[np.float64] = np.arange(40.0).reshape(20, 2)
MODEL = Ridge(alpha=0.1).fit(X, X.sum(axis=1))


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    with ModelRegistry(storage_path=tmp_path_factory.mktemp("empty") / "registry") as made:
        yield made


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    """One registry for all: each test has a model of its own name and type."""
    with ModelRegistry(storage_path=str(tmp_path_factory.mktemp("data") / "registry")) as made:
        yield made


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def save(registry: ModelRegistry, name: str, f1: float = 0.75, **given: Any) -> int:
    return registry.save_model(MODEL, name, f"T_{name}", {"f1": f1, "roc_auc": 1 - f1}, **given)


# AC3.5.1: initialisation


def test_registry_class_exists() -> None:
    assert callable(ModelRegistry)


def test_registry_instantiation(registry: ModelRegistry) -> None:
    assert isinstance(registry, ModelRegistry)


def test_registry_creates_database(empty_registry: ModelRegistry) -> None:
    assert empty_registry.ledger.path is not None
    assert (empty_registry.ledger.path / "experiments" / "models" / "_delta_log").is_dir()


def test_registry_default_storage_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert DEFAULT_PATH == "data/models/registry"
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXPERIMENTS_PATH", raising=False)
    monkeypatch.setattr("experiments.services.ledger._open_ledgers", [])
    with ModelRegistry() as registry:
        assert registry.ledger.path == Path("data/models/registry")
        assert registry.files.location == str(tmp_path / "data/models/registry/models")


# AC3.5.2: saving


def test_save_model_basic(registry: ModelRegistry, name: str) -> None:
    model_id = registry.save_model(
        model=MODEL,
        model_name=name,
        model_type="Ridge",
        metrics={"f1": 0.75, "roc_auc": 0.85},
        hyperparameters={"max_depth": 5, "learning_rate": 0.1},
        description="Tuned model",
    )
    assert type(model_id) is int
    assert model_id > 0


def test_save_model_creates_pickle_file(registry: ModelRegistry, name: str) -> None:
    found = registry.get(save(registry, name))
    path = Path(found.file_path)
    assert path.relative_to(registry.files.location) == Path(name, f"T_{name}_1_0_0.pkl")
    assert path.stat().st_size == found.size_bytes


def test_save_model_stores_metadata_in_db(registry: ModelRegistry, name: str) -> None:
    model_id = save(registry, name, hyperparameters={"alpha": np.float64(0.1), "layers": [8, 4]}, description="told")
    row = rows_of(registry.ledger, "models", f"model_id = {model_id}")[0]
    assert (row["model_name"], row["model_type"], row["version"]) == (name, f"T_{name}", "1.0.0")
    assert dict(row["metrics"]) == {"f1": 0.75, "roc_auc": 0.25}
    assert row["hyperparameters"] == '{"alpha": 0.1, "layers": [8, 4]}'
    assert (row["description"], len(row["sha256"])) == ("told", 64)


def test_save_model_auto_version_increment(registry: ModelRegistry, name: str) -> None:
    ids = [save(registry, name) for _ in range(3)]
    assert [registry.get(one).version for one in ids] == ["1.0.0", "1.0.1", "1.0.2"]
    assert len(set(ids)) == 3


# AC3.5.3: loading


def test_load_model_by_id(registry: ModelRegistry, name: str) -> None:
    assert isinstance(registry.load_model(model_id=save(registry, name)), Ridge)


def test_load_model_by_version(registry: ModelRegistry, name: str) -> None:
    save(registry, name, version="71.1.0")
    assert isinstance(registry.load_model(version="71.1.0"), Ridge)


def test_load_model_predictions_work(registry: ModelRegistry, name: str) -> None:
    loaded = registry.load_model(model_id=save(registry, name))
    assert_array_equal(loaded.predict(X), MODEL.predict(X))


def test_load_model_returns_none_if_not_found(registry: ModelRegistry, caplog: pytest.LogCaptureFixture) -> None:
    assert registry.load_model(model_id=99_999) is None
    assert registry.load_model(version="99.99.99") is None
    assert "there is no model 99999" in caplog.text


# AC3.5.4: listing


def test_list_models_returns_all_models(registry: ModelRegistry, name: str) -> None:
    before = len(registry.list_models())
    ids = [save(registry, name), save(registry, f"{name}_2")]
    listed = registry.list_models()
    assert len(listed) == before + 2
    assert [one["model_id"] for one in listed[-2:]] == ids


def test_list_models_filters_by_model_type(registry: ModelRegistry, name: str) -> None:
    save(registry, name)
    assert {one["model_name"] for one in registry.list_models(model_type=f"T_{name}")} == {name}


def test_list_models_filters_by_min_f1(registry: ModelRegistry, name: str) -> None:
    for f1 in (0.69, 0.70, 0.71, float("nan")):
        save(registry, name, f1)
    registry.save_model(MODEL, name, f"T_{name}", {"roc_auc": 0.9})
    found = registry.list_models(model_type=f"T_{name}", min_f1=0.70)
    assert [one["metrics"]["f1"] for one in found] == [0.70, 0.71]


def test_list_models_includes_metadata(registry: ModelRegistry, name: str) -> None:
    save(registry, name, hyperparameters={"a": 1}, description="told")
    (info,) = registry.list_models(model_type=f"T_{name}")
    wanted = {"model_id", "model_name", "model_type", "version", "metrics", "hyperparameters", "file_path"}
    assert wanted | {"created_at", "description"} <= set(info)
    assert info["metrics"] == {"f1": 0.75, "roc_auc": 0.25}
    assert info["hyperparameters"] == {"a": 1}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", info["created_at"])


# AC3.5.5: the best


def test_get_best_model_by_f1(registry: ModelRegistry, name: str) -> None:
    ids = [save(registry, name, f1) for f1 in (0.5, 0.9, float("nan"), 0.7)]
    best = registry.get_best_model(metric="f1", model_type=f"T_{name}")
    assert best is not None
    assert (best["model_id"], best["metrics"]["f1"]) == (ids[1], 0.9)


def test_get_best_model_by_roc_auc(registry: ModelRegistry, name: str) -> None:
    ids = [save(registry, name, f1) for f1 in (0.5, 0.4, 0.9)]
    best = registry.get_best_model(metric="roc_auc", model_type=f"T_{name}")
    assert best is not None
    assert best["model_id"] == ids[1]


def test_get_best_model_filters_by_type(registry: ModelRegistry, name: str) -> None:
    mine = save(registry, name, 0.1)
    registry.save_model(MODEL, name, "another", {"f1": 0.2})
    best = registry.get_best_model(metric="f1", model_type=f"T_{name}")
    assert best is not None
    assert best["model_id"] == mine


# AC3.5.6: versions


def test_semantic_versioning_format(registry: ModelRegistry, name: str) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", registry.get(save(registry, name)).version)


def test_auto_increment_patch_version(registry: ModelRegistry, name: str) -> None:
    save(registry, name, version="1.0.9")
    assert [registry.get(save(registry, name)).version for _ in range(2)] == ["1.0.10", "1.0.11"]


def test_manual_major_version_bump(registry: ModelRegistry, name: str) -> None:
    versions = [registry.get(save(registry, name, version=one)).version for one in (None, "2.0.0", None)]
    assert versions == ["1.0.0", "2.0.0", "2.0.1"]


def test_get_model_by_specific_version(registry: ModelRegistry, name: str) -> None:
    ids = {version: save(registry, name, version=version) for version in ("1.0.0", "73.0.0")}
    found = registry.find(version="73.0.0")
    assert found is not None
    assert found.model_id == ids["73.0.0"]
    first = registry.find(version="1.0.0", model_name=name)
    assert first is not None
    assert first.model_id == ids["1.0.0"]


# AC3.5.7: deletion


def test_delete_model_by_id(registry: ModelRegistry, name: str) -> None:
    model_id = save(registry, name)
    assert registry.delete_model(model_id=model_id) is True
    assert registry.delete_model(model_id=model_id) is False
    assert registry.load_model(model_id=model_id) is None
    assert rows_of(registry.ledger, "models", f"model_id = {model_id}") == []


def test_delete_model_removes_pickle_file(registry: ModelRegistry, name: str) -> None:
    found = registry.get(save(registry, name))
    assert Path(found.file_path).is_file()
    registry.delete_model(found.model_id)
    assert not Path(found.file_path).exists()


# AC3.5.8: edge cases


def test_save_model_without_optional_params(registry: ModelRegistry, name: str) -> None:
    found = registry.get(registry.save_model(MODEL, name, "Ridge", {"f1": 0.5}))
    assert (found.hyperparameters, found.description, found.version) == (None, None, "1.0.0")


def test_list_models_empty_registry(empty_registry: ModelRegistry) -> None:
    assert empty_registry.list_models() == []


def test_get_best_model_empty_registry(empty_registry: ModelRegistry) -> None:
    assert empty_registry.get_best_model(metric="f1") is None


def test_handles_corrupted_pickle_file(registry: ModelRegistry, name: str, caplog: pytest.LogCaptureFixture) -> None:
    found = registry.get(save(registry, name))
    Path(found.file_path).write_bytes(b"corrupted")
    assert registry.load_model(model_id=found.model_id) is None
    assert "is not the file that was saved: its SHA-256 is" in caplog.text
