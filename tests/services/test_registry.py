"""The registry: what it takes and refuses, which version is meant, deployment and its undoing, deletion and sweeps."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from experiments import ExperimentTracker, ModelRegistry
from experiments.definitions import check_commodity
from experiments.errors import ConflictError, EngineError, ExperimentsError, InvalidInputError, NotFoundError
from experiments.services.ledger import connect
from experiments.services.registry.deployment import Deployment, Hooks
from made import put, rows_of, run_row

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

X = pd.DataFrame(np.arange(40.0).reshape(20, 2), columns=["wind", "sun"])
Y = X.sum(axis=1)
MODEL = Ridge(alpha=0.1).fit(X, Y)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("registry") / "ledger") as opened:
        yield opened


@pytest.fixture(scope="module")
def registry(ledger: Ledger) -> ModelRegistry:
    """One registry for all: each test has a model of its own name."""
    return ModelRegistry(ledger=ledger)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.originalname).removeprefix("test_")[:60]


def save(registry: ModelRegistry, name: str, f1: float = 0.75, **given: Any) -> int:
    return registry.save_model(MODEL, name, "Ridge", {"f1": f1}, **given)


def state(registry: ModelRegistry, name: str) -> dict[str, tuple[str | None, str]]:
    """Alias and status of each version."""
    listed = registry.list_models(model_name=name)
    return {one["version"]: (one["alias"], one["deployment_status"]) for one in listed}


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("not me")


class TestSaving:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            *(({"version": one}, "give three whole numbers") for one in ("1.0", "v1", "1.0.0-beta", "01.0.0", 1, "")),
            *(
                ({"model_name": one}, "a folder or file is named after it")
                for one in ("a/b", "a\\b", "a@b", "..", ".a", "", " ", 5, "a\n")
            ),
            *(({"model_type": one}, "a folder or file is named after it") for one in ("a/b", "..", None)),
            ({"model_name": "n" * 300}, "is too long: use at most 120"),
            ({"model_name": "12"}, "digits alone would be taken for a model_id"),
            ({"ensemble_of": 1}, "ensemble_of is 1: give a list"),
            ({"model_name": "\udcff"}, "a folder or file is named after it"),
            ({"metrics": [0.5]}, "give a dictionary of numbers by name"),
            ({"metrics": {"f1": "good"}}, "f1"),
            ({"metrics": {"": 1.0}}, "the name of a metric"),
            ({"hyperparameters": [1]}, "give a dictionary by name"),
            ({"hyperparameters": {"a": object()}}, "object"),
            ({"description": 5}, "the description is 5"),
            ({"file_format": "pickle"}, "unknown file_format 'pickle'"),
            ({"model": Unpicklable()}, "cannot be saved as joblib: not me"),
            ({"model": lambda x: x}, "cannot be saved as joblib"),
            ({"file_format": "xgboost"}, "the format xgboost takes XGBoost's own models"),
            ({"file_format": "lightgbm"}, "the format lightgbm takes a Booster"),
            ({"fine_tuned_from": 10**6}, "unknown parent model 1000000"),
            ({"fine_tuned_from": 1, "ensemble_of": [1]}, "give fine_tuned_from or ensemble_of"),
            ({"ensemble_of": []}, "ensemble_of is empty"),
            ({"experiment_id": "no such run"}, "there is no run 'no such run'"),
            ({"input_example": [1, 2]}, "give a DataFrame"),
        ],
    )
    def test_what_is_no_model_is_refused_and_nothing_saved(
        self, registry: ModelRegistry, change: dict[str, Any], said: str
    ) -> None:
        given = {"model": MODEL, "model_name": "refused", "model_type": "Ridge", "metrics": {"f1": 0.5}} | change
        with pytest.raises(ExperimentsError, match=said):
            registry.save_model(**given)
        assert not registry.list_models(model_name="refused")
        assert not Path(registry.files.location, "refused").exists()

    def test_a_version_is_taken_once_also_when_it_was_deleted(self, registry: ModelRegistry, name: str) -> None:
        first = save(registry, name, version="2.0.0")
        registry.delete_model(first)
        with pytest.raises(InvalidInputError, match=r"has a version 2.0.0, or had one"):
            save(registry, name, version="2.0.0")
        second = save(registry, name)
        assert registry.get(second).version == "2.0.1"
        assert second > first

    @pytest.mark.parametrize("named", ["v1.2 of 'spread'; drop table models --", "Größe ☃", "a.b.c", "x" * 120])
    def test_odd_names_are_names(self, registry: ModelRegistry, named: str) -> None:
        found = registry.get(save(registry, named))
        assert found.model_name == named
        assert registry.get(f"{named}/1.0.0") == found
        registry.promote(named, "1.0.0")
        assert registry.aliases(named) == {"champion": "1.0.0"}

    def test_what_is_known_of_its_making_is_recorded(self, registry: ModelRegistry, ledger: Ledger, name: str) -> None:
        with ExperimentTracker(ledger) as run:
            run_id = run.start_experiment("training", "train")
            first = registry.get(save(registry, name, intended_use="prices", limitations="not floods"))
        second = registry.get(registry.save_model(MODEL, name, "Ridge", {}, fine_tuned_from=first.model_id))
        third = registry.get(save(registry, name, ensemble_of=[first.model_id, second.model_id], input_example=X))
        assert (first.experiment_id, second.experiment_id) == (run_id, None)
        assert first.input_schema == {"wind": "", "sun": ""}
        assert third.input_schema == {"wind": "float64", "sun": "float64"}
        assert (first.intended_use, first.limitations) == ("prices", "not floods")
        assert (second.parents, second.parentage) == ((first.model_id,), "fine-tuned")
        assert (third.parents, third.parentage) == ((first.model_id, second.model_id), "ensemble")
        (row,) = rows_of(ledger, "environments", f"environment_id = '{third.environment_id}'")
        assert dict(row["packages"])["scikit-learn"]

    def test_formats_that_run_nothing_give_the_same_predictions(self, registry: ModelRegistry, name: str) -> None:
        import lightgbm
        import xgboost

        boosted = xgboost.XGBRegressor(n_estimators=3).fit(X, Y)
        light = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2, verbose=-1).fit(X, Y)
        for model, model_type, file_format in (
            (MODEL, "Ridge", "skops"),
            (boosted, "my own words", "xgboost"),
            (boosted.get_booster(), "Booster", "xgboost"),
            (light.booster_, "anything", "lightgbm"),
        ):
            model_id = registry.save_model(model, name, model_type, {}, file_format=file_format)
            given = xgboost.DMatrix(X) if model_type == "Booster" else X
            assert_allclose(registry.load_model(model_id).predict(given), model.predict(given), rtol=1e-6)
        assert {Path(one["file_path"]).suffix for one in registry.list_models(model_name=name)} == {
            *(".skops", ".ubj", ".txt")
        }

    @pytest.mark.parametrize("scheme", ["memory://models", "file://"])
    def test_files_lie_where_fsspec_reaches(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
    ) -> None:
        monkeypatch.setattr("experiments.services.ledger._open_ledgers", [ledger])
        location = scheme if "memory" in scheme else f"file://{tmp_path}"
        registry = ModelRegistry(location) if "memory" in scheme else ModelRegistry(location, ledger=ledger)
        model_name = f"{name} {scheme[:3]}"
        found = registry.get(save(registry, model_name))
        assert found.file_path == f"{location.removeprefix('file://')}/{model_name}/Ridge_1_0_0.pkl"
        assert registry.load_model(found.model_id) is not None
        assert [path for path, _ in registry.files.all()] == [found.file_path]
        for file in (".new-0123456789abcdef", "Ridge_1_0_1.pkl", "thesis.docx"):
            registry.files.write(model_name, file, b"another's, but for the first")
        with pytest.raises(EngineError, match=r"Ridge_1_0_1\.pkl is there, and not this ledger's"):
            save(registry, model_name)
        here = f"{location.removeprefix('file://')}/{model_name}"
        assert registry.sweep(older_than_hours=0).files == (f"{here}/.new-0123456789abcdef",)
        assert ModelRegistry(ledger=ledger).delete_model(found.model_id), "from elsewhere, and the file with it"
        assert {path for path, _ in registry.files.all()} == {f"{here}/Ridge_1_0_1.pkl", f"{here}/thesis.docx"}


class TestWhichIsMeant:
    def test_a_version_alone_is_that_of_the_only_model_that_has_it(self, registry: ModelRegistry, name: str) -> None:
        save(registry, f"{name} a", version="81.0.0")
        assert registry.load_model(version="81.0.0") is not None
        save(registry, f"{name} b", version="81.0.0")
        with pytest.raises(
            InvalidInputError, match=f"several models have a version 81.0.0: name one of {name} a, {name} b"
        ):
            registry.load_model(version="81.0.0")

    def test_a_name_alone_is_its_champion_else_its_highest_version(self, registry: ModelRegistry, name: str) -> None:
        for version in ("1.0.10", "1.0.9", "1.0.2"):
            save(registry, name, version=version)
        assert registry.get(name).version == "1.0.10"
        registry.promote(name, "1.0.2")
        assert registry.get(name).version == registry.get(f"{name}@champion").version == "1.0.2"
        assert registry.get(f"{name}/1.0.9").version == "1.0.9"

    @pytest.mark.parametrize(
        "reference", ["no such", "no such/1.0.0", "no such@champion", "999999", "unversioned/v1", ""]
    )
    def test_what_is_unknown_is_named(self, registry: ModelRegistry, reference: str) -> None:
        with pytest.raises(ExperimentsError, match=r"unknown model|the version is|the model is"):
            registry.get(reference)

    def test_nothing_asked_for_is_refused(self, registry: ModelRegistry) -> None:
        for given in (
            {},
            {"alias": "champion"},
            {"model_id": "5"},
            {"model_name": "a", "alias": "king"},
            {"version": 1.0},
        ):
            with pytest.raises(InvalidInputError):
                registry.load_model(**given)  # type: ignore[arg-type]


class TestBest:
    def test_it_knows_the_direction_and_nan_is_never_best(self, registry: ModelRegistry, name: str) -> None:
        figures = {"1.0.0": 0.5, "1.0.1": math.nan, "1.0.2": 0.7, "1.0.3": -math.inf, "1.0.4": 0.7}
        for version, value in figures.items():
            registry.save_model(MODEL, name, name, {"mae": value, "f1": value}, version=version)
        registry.save_model(MODEL, name, name, {"other": 1.0})

        def best(**given: Any) -> Any:
            found = registry.get_best_model(model_type=name, **given)
            return None if found is None else found["version"]

        assert best(metric="f1") == "1.0.4", "of equal ones the newest"
        assert best(metric="mae") == "1.0.3"
        assert (best(metric="f1", mode="min"), best(metric="mae", mode="max")) == ("1.0.3", "1.0.4")
        assert best(metric="unheard of") is None
        with pytest.raises(InvalidInputError, match="the mode is 'up'"):
            best(metric="f1", mode="up")


class TestDeployment:
    def test_promoted_rolled_back_and_replaced(self, registry: ModelRegistry, ledger: Ledger, name: str) -> None:
        for _ in range(4):
            save(registry, name)
        for version in ("1.0.0", "1.0.1", "1.0.2"):
            registry.promote(name, version, reason="better")
        with pytest.raises(InvalidInputError, match="there is nothing to challenge"):
            registry.promote(name, "1.0.2", "challenger")
        registry.promote(name, "1.0.3", "challenger")
        registry.rollback(name, reason="drift")
        assert registry.aliases(name) == {"champion": "1.0.1", "challenger": "1.0.3"}
        assert state(registry, name) == {
            "1.0.0": (None, "replaced"),
            "1.0.1": ("champion", "deployed"),
            "1.0.2": (None, "rolled back"),
            "1.0.3": ("challenger", "deployed"),
        }
        registry.rollback(name)
        with pytest.raises(InvalidInputError, match=r"nothing to roll back to: 1\.0\.0 was its first champion"):
            registry.rollback(name)
        with pytest.raises(InvalidInputError, match=r"1\.0\.0 is the champion already"):
            registry.promote(name, "1.0.0")
        registry.promote(name, "1.0.3")
        assert registry.aliases(name) == {"champion": "1.0.3"}, "a champion is no challenger any more"
        registry.promote(name, "1.0.2")
        assert registry.aliases(name) == {"champion": "1.0.2"}
        assert all(not one.problems for one in ledger.audit())
        assert ledger.sql("select count(*) as n from champions")["n"][0] == 0, "of forecasts, which these are not"
        assert len(rows_of(ledger, "decision_history", f"commodity = 'registry:{name}'")) == 9

    def test_what_cannot_be_promoted(self, registry: ModelRegistry, name: str) -> None:
        found = registry.get(save(registry, name))
        for given, kind, said in (
            ((name, "9.9.9"), NotFoundError, f"unknown version of {name} '9.9.9'"),
            (("nobody", "1.0.0"), NotFoundError, "unknown model 'nobody'"),
            ((name, "1.0.0", "king"), InvalidInputError, "the alias is 'king'"),
            ((name, "v1"), InvalidInputError, "the version is 'v1'"),
        ):
            with pytest.raises(kind, match=said):
                registry.promote(*given)
        with pytest.raises(NotFoundError, match="has no champion"):
            registry.rollback(name)
        Path(found.file_path).write_bytes(b"another")
        with pytest.raises(EngineError, match="is not the file that was saved"):
            registry.promote(name, "1.0.0")
        assert registry.aliases(name) == {}

    def test_evaluations_that_do_not_beat_naive_speak_against_it(
        self, registry: ModelRegistry, ledger: Ledger, name: str
    ) -> None:
        def evaluated(version: str, statistic: float, pvalue: float) -> None:
            row = {"model_name": name, "model_version": version, "commodity": "Tin", "unique_id": "Tin"}
            tested = {"dm_test_vs_naive": statistic, "dm_pvalue": pvalue, "beats_baseline": pvalue < 0.05}
            put(ledger, "model_runs", run_row(**row, **tested, experiment_id=f"{name} {version}"))

        for _ in range(2):
            save(registry, name)
        evaluated("1.0.0", -0.5, 0.6)
        evaluated("1.0.1", -3.5, 0.001)
        with pytest.raises(InvalidInputError, match="not shown to be better than naive in any evaluation"):
            registry.promote(name, "1.0.0")
        with pytest.raises(InvalidInputError, match="a forced promotion needs a reason"):
            registry.promote(name, "1.0.0", force=True)
        assert registry.promote(name, "1.0.0", force=True, reason="a trial").forced
        decided = registry.promote(name, "1.0.1", force=True, reason="better")
        assert not decided.forced
        assert decided.verdict.startswith("better than naive on Tin (p = 0.001 after Holm's correction")
        assert not [one for one in ledger.audit() if one.problems]

    def test_hooks_run_around_it_and_a_failed_one_stops_or_undoes(self, registry: ModelRegistry, name: str) -> None:
        for _ in range(2):
            save(registry, name)
        told: list[Deployment] = []

        def fail(_: Deployment) -> None:
            raise OSError("the scorer is down")

        python = [sys.executable, "-c"]
        good = [*python, "import os; assert os.environ['MODEL_VERSION'] == '1.0.0'"]
        bad = [*python, "import sys; sys.exit('no such port')"]
        with pytest.raises(
            EngineError, match=r"1\.0\.0 was not deployed: the hook fail failed: OSError: the scorer is down"
        ):
            registry.promote(name, "1.0.0", hooks=Hooks(before=[told.append, fail]))
        assert state(registry, name)["1.0.0"] == (None, "saved")
        with pytest.raises(EngineError, match=r"was deployed and undone: the hook .* exited with 1: no such port"):
            registry.promote(name, "1.0.0", hooks=Hooks(after=[bad]))
        assert state(registry, name)["1.0.0"] == (None, "rolled back"), "there was nothing before"
        assert registry.aliases(name) == {}
        with pytest.raises(EngineError, match=r"was deployed and undone: the hook .* failed: SystemExit: 4"):
            registry.promote(name, "1.0.0", hooks=Hooks(after=[lambda _: sys.exit(4)]))
        with pytest.raises(KeyboardInterrupt):
            registry.promote(name, "1.0.0", hooks=Hooks(after=[_killed]))
        for nothing in ([], "echo hi", ["a\0b"], 5, ["sh", 5]):
            with pytest.raises(InvalidInputError, match="a hook is"):
                Hooks(after=[nothing])  # type: ignore[list-item]
        assert registry.aliases(name) == {}
        registry.promote(name, "1.0.0", hooks=Hooks(before=[told.append, good], after=[told.append]))
        with pytest.raises(EngineError, match="cannot be run: No such file"):
            registry.promote(name, "1.0.1", hooks=Hooks(after=[["no-such-command"]]))
        assert registry.aliases(name) == {"champion": "1.0.0"}
        registry.promote(name, "1.0.1", hooks=Hooks(before=[told.append]))
        assert [(one.model.version, one.replaces) for one in told] == [
            *[("1.0.0", None)] * 3,
            ("1.0.1", "1.0.0"),
        ]
        with pytest.raises(EngineError, match="was deployed and undone"):
            registry.rollback(name, hooks=Hooks(after=[fail]))
        assert registry.aliases(name) == {"champion": "1.0.1"}

    def test_the_best_is_deployed_where_it_is_better(self, registry: ModelRegistry, name: str) -> None:
        with pytest.raises(NotFoundError, match="no version of"):
            registry.deploy_best(name, "mae")
        for value in (0.5, 0.4, 0.6):
            registry.save_model(MODEL, name, "Ridge", {"mae": value})
        decided = registry.deploy_best(name, "mae")
        assert decided is not None
        assert (decided.model_version, decided.reason) == ("1.0.1", "best by mae, 0.4: there was no champion")
        assert registry.deploy_best(name, "mae") is None
        registry.save_model(MODEL, name, "Ridge", {"mae": 0.3})
        again = registry.deploy_best(name, "mae")
        assert again is not None
        assert again.reason == "best by mae, 0.3: the champion has 0.4"


class TestDeleting:
    def test_what_is_deployed_or_was_built_on_needs_force(self, registry: ModelRegistry, name: str) -> None:
        first = save(registry, name)
        second = save(registry, name, fine_tuned_from=first)
        registry.promote(name, "1.0.1")
        with pytest.raises(InvalidInputError, match=r"1\.0\.1 was made from"):
            registry.delete_model(first)
        with pytest.raises(InvalidInputError, match=r"1\.0\.1 is the champion"):
            registry.delete_model(second)
        assert len(registry.list_models(model_name=name)) == 2
        assert registry.delete_model(second, force=True, reason="wrong data")
        assert registry.aliases(name) == {}
        assert registry.find(model_name=name, alias="champion") is None
        assert registry.delete_model(first)
        assert state(registry, name) == {}

    def test_two_who_decide_at_once_are_told(
        self, registry: ModelRegistry, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from experiments.services.registry import deployment

        for _ in range(2):
            save(registry, name)
        before = deployment._state(registry.ledger.engine, name)
        registry.promote(name, "1.0.0")
        monkeypatch.setattr(deployment, "_state", lambda *_: before)
        with pytest.raises(ConflictError, match=r"another decision on registry:.* was taken meanwhile"):
            registry.promote(name, "1.0.1")
        with pytest.raises(ConflictError, match="was taken meanwhile"):
            registry.delete_model(registry.get(f"{name}/1.0.1").model_id)
        monkeypatch.undo()
        assert state(registry, name) == {"1.0.0": ("champion", "deployed"), "1.0.1": (None, "saved")}

    def test_all_but_the_latest_are_cleaned(self, registry: ModelRegistry, name: str) -> None:
        ids = [save(registry, name, version=f"1.0.{patch}") for patch in range(8, 12)]
        kept = [save(registry, name, fine_tuned_from=ids[1])]
        registry.promote(name, "1.0.10")
        registry.promote(name, "1.0.12")
        listed = registry.clean(name, keep_last=1, dry_run=True)
        assert [one.version for one in listed] == ["1.0.11", "1.0.8"], "1.0.9 is a parent, 1.0.10 a way back"
        assert len(registry.list_models(model_name=name)) == 5
        registry.clean(name, keep_last=1)
        assert set(state(registry, name)) == {"1.0.9", "1.0.10", "1.0.12"}
        registry.clean(name, keep_last=1, keep_champions=False)
        assert set(state(registry, name)) == {"1.0.9", "1.0.12"}
        assert registry.load_model(kept[0]) is not None
        with pytest.raises(InvalidInputError, match="keep_last"):
            registry.clean(name, keep_last=0)

    def test_a_save_that_fails_leaves_nothing(
        self, registry: ModelRegistry, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("experiments.services.registry.files._write_down", _full)
            with pytest.raises(EngineError, match=r"No space left on device. Nothing was saved"):
                save(registry, name)
        assert registry.sweep(older_than_hours=0).rows == ()
        assert registry.get(save(registry, name)).version == "1.0.0"

    def test_sweeps_find_what_was_left_and_what_was_lost(
        self, registry: ModelRegistry, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("experiments.services.registry.saving._recorded", _killed)
            with pytest.raises(KeyboardInterrupt):
                save(registry, name)
            patched.setattr("experiments.services.registry.saving.fill", _killed)
            patched.setattr("experiments.services.registry.saving.remove_models", lambda *_: None)
            with pytest.raises(KeyboardInterrupt):
                save(ModelRegistry("memory://far", ledger=registry.ledger), f"far {name}")
        assert registry.list_models(model_name=name) == registry.list_models(model_name=f"far {name}") == []
        with pytest.raises(InvalidInputError, match=r"a save of .* 1\.0\.0 was interrupted: give another version"):
            save(registry, name, version="1.0.0")
        lost = registry.get(save(registry, name))
        Path(lost.file_path).unlink()
        found = registry.sweep()
        assert (found.rows, found.files) == ((), ()), "somebody may be about to finish it"
        looked = registry.sweep(older_than_hours=0, dry_run=True)
        assert looked == registry.sweep(older_than_hours=0)
        left = lost.file_path.replace("1_0_1", "1_0_0")
        assert (looked.rows, looked.files, looked.missing) == ((f"far {name} 1.0.0",), (left,), (f"{name} 1.0.1",))
        assert registry.sweep(older_than_hours=0).rows == ()
        assert not list(Path(registry.files.location, name).glob("*"))
        with pytest.raises(InvalidInputError, match="older_than_hours is -1"):
            registry.sweep(older_than_hours=-1)


def test_a_registry_of_its_own_is_never_the_ledger_that_is_meant(tmp_path: Path) -> None:
    from experiments.services.ledger import opened_last

    before = opened_last()
    with ModelRegistry(tmp_path / "own") as own:
        assert opened_last() is before
        with ModelRegistry(tmp_path / "own") as again:
            assert again.ledger is own.ledger
        model_id = save(own, "spread")
        (tmp_path / "own").rename(tmp_path / "moved")
        (tmp_path / "moved").rename(tmp_path / "own")
        assert own.load_model(model_id) is not None


def test_no_commodity_is_named_like_the_decisions_on_models() -> None:
    with pytest.raises(InvalidInputError, match="decisions on registered models"):
        check_commodity("registry:spread")


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_the_view_says_the_same_as_the_registry(registry: ModelRegistry, ledger: Ledger) -> None:
    """After all the tests above: versions in every state, deleted ones too."""
    columns = ("model_id", "alias", "deployment_status", "deployed_at")
    told = [tuple(one[name] for name in columns) for one in registry.list_models()]
    rows = sorted(rows_of(ledger, "registered_models"), key=lambda row: row["model_id"])
    assert told == [(*(row[name] for name in columns[:3]), _iso(row["deployed_at"])) for row in rows]
    assert {status for _, _, status, _ in told} == {"saved", "deployed", "replaced", "rolled back"}


def _iso(when: Any) -> str | None:
    return None if when is None or when != when else when.replace(tzinfo=dt.UTC).isoformat()  # noqa: PLR0124  NaT
