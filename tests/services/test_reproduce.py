"""A tracked run: made again, written as a folder, and asked the specification's checklist."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.ledger import connect
from experiments.services.reproduction import reproduce as reproducing
from experiments.services.reproduction import run_folder, seeds
from experiments.services.reproduction.checklist import ITEMS, checklist
from experiments.services.reproduction.reproduce import recipe_of, reproduce
from experiments.services.reproduction.seeds import set_deterministic_seeds
from experiments.services.reproduction.snapshot import capture_environment_snapshot, compare
from experiments.services.tracking import tracking
from experiments.services.tracking.runs import points, read_run
from experiments.services.tracking.tracker import ExperimentTracker
from repositories import TRAIN, git, made_repository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture(scope="module")
def tracked(place: Path) -> Iterator[tuple[Ledger, str]]:
    """A ledger with one run of a script that has an uncommitted change, and the run's id."""
    top = made_repository(place / "code")
    (top / "train.py").write_text(TRAIN.replace("RATE = 1", "RATE = 2"))
    with pytest.MonkeyPatch.context() as patched, connect(place / "ledger") as ledger:
        for name, value in (("_last", {}), ("_last_seed", None), ("_hash_seed", None)):
            patched.setattr(seeds, name, value)
        patched.setenv("PYTHONHASHSEED", "0")
        patched.chdir(top / "work")
        patched.setattr(sys, "orig_argv", ["/usr/bin/python3", "../train.py", "wild"])
        patched.setattr(sys, "argv", ["../train.py", "wild"])
        runpy.run_path("../train.py", run_name="__main__")
        (run,) = read_all(ledger)
        yield ledger, run


def read_all(ledger: Ledger) -> list[str]:
    return [str(row) for row in ledger.sql("select experiment_id from experiments order by 1")["experiment_id"]]


def answers(ledger: Ledger, run: str) -> dict[str, tuple[str, str]]:
    return {one.item: (one.answer, one.seen) for one in checklist(ledger, run).items}


def test_the_folder_of_a_run_is_what_the_specification_reads(tracked: tuple[Ledger, str], tmp_path: Path) -> None:
    ledger, run = tracked
    folder = tmp_path / "experiments" / "train_1"
    written = run_folder.write(ledger, run[:13], folder)
    assert {str(path.relative_to(folder)) for path in written if not path.name.startswith("out.")} == {
        *("artifacts/code.diff", "artifacts/plots/loss.svg", "metadata.json", "metrics.csv", "parameters.json")
    }
    assert (folder / "logs" / "out.log").read_text() == "the second\n"  # the latest of a name bears it
    assert [path.read_text() for path in written if path.name.startswith("out.") and path.name != "out.log"] == [
        "the first\n"
    ]
    assert b"+RATE = 2" in (folder / "artifacts" / "code.diff").read_bytes()
    # "Reproducing from Metadata"
    with open(folder / "metadata.json") as f:
        metadata = json.load(f, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    current_env = capture_environment_snapshot()
    stored_env = metadata["parameters"]["environment_snapshot"]
    assert current_env["python_version"] == stored_env["python_version"]
    assert set_deterministic_seeds(metadata["parameters"]["random_seed"])["random"] == "random.seed(42)"
    assert not [one for one in compare(stored_env, current_env) if one.name == "numpy"]
    assert metadata["parameters"]["layers"] == [64, 64]
    assert metadata["name"] == "training"
    assert json.loads((folder / "parameters.json").read_text()) == {"layers": [64, 64], "rate": 2}
    table = pd.read_csv(folder / "metrics.csv")
    kept = points(ledger.engine, run)
    pd.testing.assert_series_equal(table["value"], kept["value"])  # every bit, and NaN
    assert table["step"].tolist()[:3] == [0, 1, 2]


def test_a_folder_that_is_in_use_is_refused_and_nothing_is_left_of_a_failure(
    tracked: tuple[Ledger, str], place: Path, tmp_path: Path
) -> None:
    ledger, run = tracked
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for folder in (tmp_path / "full", tmp_path / "full" / "mine.txt"):
        with pytest.raises(InvalidInputError, match=r"is there already and is no empty folder"):
            run_folder.write(ledger, run, folder)
    with pytest.raises(NotFoundError, match="there is no run 'zz'"):
        run_folder.write(ledger, "zz", tmp_path / "new")
    artifacts = read_run(ledger.engine, run).artifacts.set_index("name")
    diff = Path(str(artifacts.loc["code.diff", "location"]))
    content = diff.read_bytes()
    diff.write_bytes(b"another")
    try:
        with pytest.raises(EngineError, match="damaged"):
            run_folder.write(ledger, run, tmp_path / "new")
        with pytest.raises(EngineError, match="damaged"):
            reproduce(ledger, run, folder=place / "code")
    finally:
        diff.write_bytes(content)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "..", "a/../../b", "C:/x", "a\\b", "a\0b", "", "a" * 300])
def test_a_name_that_leads_out_of_the_folder_or_cannot_be_written_is_named(name: str) -> None:
    artifacts = pd.DataFrame([{"name": name, "artifact_type": "other", "sha256": "0" * 64, "logged_at": 1}])
    with pytest.raises(InvalidInputError, match=r"the name of an artifact (is|has a part) '"):
        run_folder._places(artifacts)


def test_artifacts_in_each_others_way_are_all_there() -> None:
    names = ["a", "a/b", "a", "a"]
    rows = [
        {"name": one, "artifact_type": "other", "sha256": f"{at:064x}", "logged_at": at} for at, one in enumerate(names)
    ]
    places = run_folder._places(pd.DataFrame(rows))
    assert len(set(places)) == len(names)
    assert str(places[3]) == "artifacts/a"
    assert not [one for one in places for other in places if one in other.parents]


def test_a_run_is_made_again_and_what_differs_is_named(tracked: tuple[Ledger, str], place: Path) -> None:
    ledger, run = tracked
    before = answers(ledger, run)
    assert before["Same random seed produces identical results"][0] == "unknown"
    top = place / "code"
    (top / "train.py").write_text("raise SystemExit('the repository itself is not what runs')\n")
    (top / "data.csv").touch()
    heard: list[str] = []
    found = reproduce(ledger, run[:13], folder=top / "work", timeout=120, progress=heard.append)
    assert found.exit_code == 0, found.output
    assert found.verdict == "different"
    assert {one.name: one.same for one in found.metrics} == {"f1_score": True, "loss": True, "wild": False}
    assert found.told.startswith("not reproduced: 1 of 3 metrics not the same, by up to ")
    assert "| rate 2" in heard  # with the change that was not committed
    assert found.notes == ("files git does not track here were not there: data.csv",)
    assert not [one for one in found.environment if one.matters]
    again = read_run(ledger.engine, str(found.again))
    assert f"reproduces={run}" in again.row["tags"]
    assert (again.row["git_commit"], again.row["git_dirty"]) == (git(top, "rev-parse", "HEAD"), True)
    assert again.row["working_folder"] == "work"
    assert git(top, "worktree", "list").count("\n") == 0
    assert (top / "train.py").read_text().startswith("raise SystemExit")
    after = answers(ledger, run)
    for of in ("random seed", "Git commit"):
        assert after[f"Same {of} produces identical results"] == ("no", "in 1 repetition not the same: wild")


def test_the_checklist_has_the_specifications_twenty_items(tracked: tuple[Ledger, str]) -> None:
    ledger, run = tracked
    assert [len(items) for items in ITEMS.values()] == [5, 5, 5, 5]
    found = checklist(ledger, run)
    assert sum(found.counts.values()) == 20
    told = {one.item: one.answer for one in found.items}
    assert told["Git repository is clean (`git status` shows no uncommitted changes)"] == "no"
    assert told["Random seed is set to 42 (automatic)"] == "yes"
    assert told["Environment snapshot captured (automatic)"] == "yes"
    assert told["Hardware configuration documented"] == "yes"
    assert told["Deterministic seed setting verified across all libraries"] == "yes"
    assert told["Git commit hash recorded in metadata"] == "yes"
    assert told["Dataset version ID stored with experiment"] == "no"
    assert told["Model artifacts include calibration metadata"] == "does not apply"
    assert told["F1 score meets target (≥0.70)"] == "yes"
    assert told["Experiment metadata includes all required fields"] == "yes"
    assert told["Model card created with feature schema"] == "does not apply"
    assert told["Performance metrics logged comprehensively"] == "yes"
    assert told["Model calibration is consistent"] == "does not apply"


def test_what_cannot_be_made_again_is_refused_before_anything_runs(
    tracked: tuple[Ledger, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, run = tracked
    whole = read_run(ledger.engine, run)

    def changed(**changes: Any) -> Any:
        return type(whole)(**(vars(whole) | {"row": whole.row | changes}))

    for changes, words in (
        ({"experiment_type": "backtest"}, "it is an evaluation of a backtest.*see 'experiments evaluate'"),
        ({"imported_from": "mlflow:abc"}, "it was imported from mlflow:abc"),
        ({"status": "running"}, "it is still running"),
        ({"git_commit": None}, "no commit is recorded"),
        ({"command": None}, "no command is recorded that could be given again"),
        ({"command": ["python", "-m", "ipykernel_launcher"]}, "started from a notebook or interactively"),
        ({"command": ["python", "a.py", "--token=***"]}, r"a secret in its command was not recorded: python a.py"),
        ({"working_folder": "../beside"}, "outside of the repository"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            recipe_of(changed(**changes))
    without = type(whole)(**(vars(whole) | {"artifacts": whole.artifacts.iloc[:0]}))
    with pytest.raises(
        InvalidInputError, match=r"its code had changes that are not in commit .*, and they were not kept"
    ):
        recipe_of(without)
    with pytest.raises(InvalidInputError, match="it logged no metrics"):
        recipe_of(type(whole)(**(vars(whole) | {"metrics": whole.metrics.iloc[:0]})))
    with pytest.raises(InvalidInputError, match="the timeout is 0: give seconds, a number above 0"):
        reproduce(ledger, run, timeout=0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="is in no git repository"):
        reproduce(ledger, run)


def test_a_command_that_fails_or_logs_elsewhere_did_not_reproduce_it(tracked: tuple[Ledger, str]) -> None:
    recipe = recipe_of(read_run(tracked[0].engine, tracked[1]))
    failed, words = reproducing._verdict(recipe, 3, None, (), None)
    assert (failed, words) == ("failed", "the command ended with exit code 3: the run was not reproduced")
    assert "was ended after 5 s" in reproducing._verdict(recipe, None, None, (), 5.0)[1]
    assert "made no run of the name 'training' in this ledger" in reproducing._verdict(recipe, 0, None, (), None)[1]


def test_a_run_without_anything_is_answered_too(tracked: tuple[Ledger, str], tmp_path: Path) -> None:
    ledger, _ = tracked
    tracker = ExperimentTracker(ledger)
    tracker._tracking._code = None  # looked at anew: here is no repository
    run = tracker.start_experiment("bare")
    tracker.end_experiment()
    told = answers(ledger, run)
    assert told["Performance metrics logged comprehensively"] == ("no", "no metric is logged")
    assert told["Git commit hash recorded in metadata"] == ("no", "no commit is recorded")
    run_folder.write(ledger, run, tmp_path / "bare")
    assert (tmp_path / "bare" / "metrics.csv").read_text() == "name,value,step,episode,epoch,logged_at\n"
    assert tracking.DIFF not in str(list((tmp_path / "bare").rglob("*")))
