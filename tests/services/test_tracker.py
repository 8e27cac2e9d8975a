"""The tracker: what document 2 shows, as written; and that nothing that was logged is lost or doubled."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import ExperimentTracker, Ledger, ModelRegistry, connect
from experiments.errors import ConflictError, EngineError, InvalidInputError, NotFoundError
from experiments.services.tracking import committing
from experiments.services.tracking.tracking import command_line
from experiments.storage import journal as journals
from repositories import made_repository

pytestmark = pytest.mark.engine

ODD_NAMES = ["it's", 'a "b"', "new\nline", "☕ ü", "'; drop table metrics; --", "x" * 500]

DIES = """
import os, signal, sys
from experiments import ExperimentTracker, connect

ledger = connect(sys.argv[1])
tracker = ExperimentTracker(ledger)
print(tracker.start_experiment("dies", "rl"), flush=True)
tracker.log_hyperparameters_batch({"gamma": 0.9})
for episode in range(500):
    tracker.log_metric("return", float(episode), episode=episode)
    if episode == 250 and sys.argv[2] == "committed":
        tracker.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""

FORKS = """
import os, sys
from experiments import connect

connect(sys.argv[1])
child = os.fork()
if child == 0:
    sys.exit(0)
print("ended with", os.waitpid(child, 0)[1])
"""

JOINS = """
import sys
from experiments import ExperimentTracker, connect

with connect(sys.argv[1]) as ledger:
    tracker = ExperimentTracker(ledger).attach(sys.argv[2])
    tracker.log_metric("theirs", 2.0)
    tracker.end_experiment("failed")
"""

LEAVES = """
import sys
from experiments import ExperimentTracker, connect

connect(sys.argv[1])
print(ExperimentTracker().start_experiment("left"))
"""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One for all tests here: each looks at its own runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("outside"))  # no repository
        with connect(tmp_path_factory.mktemp("tracked") / "ledger") as opened:
            yield opened


@pytest.fixture
def tracker(ledger: Ledger) -> Iterator[ExperimentTracker]:
    with ExperimentTracker(ledger) as made:
        made.start_experiment("a run")
        yield made


def rows(ledger: Ledger, table: str, run: str) -> list[dict[str, Any]]:
    found = ledger.sql(f"select * from {table} where experiment_id = :run", {"run": run})  # noqa: S608
    return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


def run_of(ledger: Ledger, run: str) -> dict[str, Any]:
    (row,) = rows(ledger, "experiments", run)
    return row


def values(ledger: Ledger, run: str, name: str) -> list[float]:
    found = [row for row in rows(ledger, "metrics", run) if row["name"] == name]
    return [row["value"] for row in sorted(found, key=lambda row: row["position"])]


def python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout.strip()


class TestAsWritten:
    def test_the_usage_example_of_document_2(self, ledger: Ledger) -> None:
        tracker = ExperimentTracker()
        exp_id = tracker.start_experiment(
            name="PPO Bitcoin Trading", experiment_type="rl", tags=["rl", "bitcoin", "ppo"], random_seed=42
        )
        tracker.log_hyperparameters_batch({"learning_rate": 3e-4, "gamma": 0.99})
        best_sharpe = -math.inf
        for episode in range(100):
            episode_return = math.sin(episode)
            tracker.log_metric("train_return", episode_return, episode=episode)
            if episode % 10 == 0:
                registry = ModelRegistry()
                registry.register_model(
                    experiment_id=exp_id,
                    checkpoint_path=f"models/ep{episode}.pth",
                    episode_num=episode,
                    val_metric=episode_return,
                    is_best=(episode_return > best_sharpe),
                )
                best_sharpe = max(best_sharpe, episode_return)
        tracker.end_experiment(status="completed")

        run = run_of(ledger, exp_id)
        assert (run["name"], run["experiment_type"], run["status"]) == ("PPO Bitcoin Trading", "rl", "completed")
        assert list(run["tags"]) == ["rl", "bitcoin", "ppo"]
        assert run["random_seed"] == 42
        assert run["started_at"] <= run["ended_at"]
        assert values(ledger, exp_id, "train_return") == [math.sin(episode) for episode in range(100)]
        found = {row["name"]: (row["value"], row["value_type"]) for row in rows(ledger, "hyperparameters", exp_id)}
        assert found == {"learning_rate": ("0.0003", "float"), "gamma": ("0.99", "float")}
        models = sorted(rows(ledger, "checkpoints", exp_id), key=lambda row: row["episode_num"])
        assert [row["checkpoint_path"] for row in models] == [f"models/ep{n}.pth" for n in range(0, 100, 10)]
        best = max(row["val_metric"] for row in models)
        assert [row["val_metric"] for row in models if row["is_best"]][-1] == best
        (environment,) = {row["environment_id"] for row in rows(ledger, "experiments", exp_id)}
        (snapshot,) = ledger.sql("select * from environments where environment_id = :id", {"id": environment}).to_dict(
            "records"
        )
        assert "numpy" in dict(snapshot["packages"])

    def test_a_block_ends_its_run_and_says_how(self, ledger: Ledger) -> None:
        with ExperimentTracker(ledger) as tracker:
            fine = tracker.start_experiment("fine")
        tracker = ExperimentTracker(ledger)
        wrong = tracker.start_experiment("wrong")
        with pytest.raises(ZeroDivisionError), tracker:
            raise ZeroDivisionError
        assert [run_of(ledger, run)["status"] for run in (fine, wrong)] == ["completed", "failed"]

    def test_parts_of_a_run_name_it(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        with tracker.child("fold 1", tags=["fold"]) as fold:
            fold.log_metric("loss", 1.0)
            inner = fold.experiment_id
            with fold.child("inner") as deeper:
                deepest = deeper.experiment_id
        assert run_of(ledger, inner)["parent_id"] == tracker.experiment_id
        assert run_of(ledger, deepest)["parent_id"] == inner
        assert values(ledger, tracker.experiment_id, "loss") == []


class TestMetrics:
    def test_any_number_is_kept_as_it_is(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        given = [1, True, 0.1, -0.0, math.inf, -math.inf, np.float32(0.5), np.int64(7), np.array([2.5]), 5e-324, 1e308]
        for step, value in enumerate([*given, math.nan]):
            tracker.log_metric("any", value, step=step)
        found = values(ledger, tracker.experiment_id, "any")
        assert found[:-1] == [np.asarray(value).item() for value in given]
        assert math.copysign(1, found[3]) == -1
        assert math.isnan(found[-1])

    def test_places_are_kept_and_may_be_numpys(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        tracker.log_metric("placed", 1.0, step=np.int32(1), episode=2, epoch=-3)
        tracker.log_metrics({"placed": 2.0, "other": 3.0}, epoch=2**62)
        first, second = sorted(
            (row for row in rows(ledger, "metrics", tracker.experiment_id) if row["name"] == "placed"),
            key=lambda row: row["position"],
        )
        assert [first[name] for name in ("step", "episode", "epoch")] == [1, 2, -3]
        assert second["epoch"] == 2**62
        assert second["step"] is None or math.isnan(second["step"])

    @pytest.mark.parametrize("value", ["1.0", None, [1.0], np.zeros(3), 1j, 10**400, "x" * 10**7, np.ma.masked])
    def test_what_is_no_number_is_refused_in_one_line(self, tracker: ExperimentTracker, value: Any) -> None:
        with pytest.raises(InvalidInputError, match=r"value of the metric 'loss' is .*: give one number") as refused:
            tracker.log_metric("loss", value)
        assert len(str(refused.value)) < 300

    @pytest.mark.parametrize(
        ("name", "value"), [("step", 1.0), ("episode", "3"), ("epoch", 2**63), ("step", True), ("step", -(2**63))]
    )
    def test_a_place_is_a_whole_number(self, tracker: ExperimentTracker, name: str, value: Any) -> None:
        with pytest.raises(InvalidInputError, match=rf"{name} is .*: give a whole number of 64 bits, or None"):
            tracker.log_metric("loss", 1.0, **{name: value})

    @pytest.mark.parametrize("name", ["", "  ", 3, None, ["a"], "x" * 501, "\ud800"])
    def test_a_name_is_a_short_text(self, tracker: ExperimentTracker, name: Any) -> None:
        with pytest.raises(InvalidInputError, match="the name of a metric"):
            tracker.log_metric(name, 1.0)

    def test_names_come_back_as_they_are_ten_thousand_of_them_too(
        self, ledger: Ledger, tracker: ExperimentTracker
    ) -> None:
        many = [*ODD_NAMES, *(f"metric {n}" for n in range(10_000))]
        for n, name in enumerate(many):
            tracker.log_metric(name, n)
        found = {row["name"]: row["value"] for row in rows(ledger, "metrics", tracker.experiment_id)}
        assert found == dict(zip(many, range(len(many)), strict=True))

    def test_a_distribution_is_kept_as_its_histogram(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        drawn = np.random.default_rng(1).normal(size=1000)
        tracker.log_distribution("weights", [*drawn, math.nan, math.inf], epoch=3, bins=10)
        (row,) = rows(ledger, "metrics", tracker.experiment_id)
        counts, edges = np.histogram(drawn, bins=10)
        assert row["counts"].tolist() == counts.tolist()
        assert row["edges"].tolist() == edges.tolist()
        summary = dict(row["summary"])
        assert (summary["n"], summary["n_other"], row["epoch"]) == (1000, 2, 3)
        assert summary["p95"] == pytest.approx(np.percentile(drawn, 95))
        assert summary["std"] == pytest.approx(drawn.std(ddof=1))
        for wrong in ([], [math.nan], "abc", ["a"], [1e308, -1e308]):
            with pytest.raises(InvalidInputError, match="the distribution 'weights'"):
                tracker.log_distribution("weights", wrong)
        with pytest.raises(InvalidInputError, match="10,000 at most"):
            tracker.log_distribution("weights", [1.0], bins=10**9)
        with pytest.raises(InvalidInputError, match="metrics is"):
            tracker.log_metrics([1])  # type: ignore[arg-type]

    def test_threads_share_a_tracker(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        def work(number: int) -> None:
            for step in range(500):
                tracker.log_metric(f"thread {number}", step, step=step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(4):
            assert values(ledger, tracker.experiment_id, f"thread {number}") == list(range(500))


class Colour(Enum):
    RED = "red"


class TestHyperparameters:
    def test_types_are_kept(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        given = {
            "flag": True,
            "count": 3,
            "rate": 3e-4,
            "name": "it's ☕\n",
            "nothing": None,
            "layers": (64, 32),
            "nested": {"a": [1, {"b": None}]},
            "numpy": np.float64(0.1),
            "array": np.arange(3),
            "path": Path("a") / "b",
            "enum": Colour.RED,
            "huge": 10**400,
            "nan": math.nan,
        }
        tracker.log_hyperparameters_batch(given)
        tracker.log_hyperparameter("of a model", 1, model_id="m1")
        found = {row["name"]: row for row in rows(ledger, "hyperparameters", tracker.experiment_id)}
        kinds = ["bool", "int", "float", "str", "none", "list", "dict", "float", "list", "str", "str", "int", "float"]
        assert [found[name]["value_type"] for name in given] == kinds
        back = {name: json.loads(row["value"]) for name, row in found.items()}
        assert math.isnan(back.pop("nan"))
        plain = {"layers": [64, 32], "array": [0, 1, 2], "path": "a/b", "enum": "red", "of a model": 1}
        assert back == {name: value for name, value in given.items() if name != "nan"} | plain
        assert [found[name]["number"] for name in ("flag", "count", "rate")] == [1.0, 3.0, 3e-4]
        assert found["of a model"]["model_id"] == "m1"

    @pytest.mark.parametrize("value", [object(), print, {1, 2}, b"bytes", [object()], {"a": open}, {1: 2, "1": 3}])
    def test_an_object_is_refused_and_none_of_the_batch_is_kept(
        self, ledger: Ledger, tracker: ExperimentTracker, value: Any
    ) -> None:
        with pytest.raises(InvalidInputError, match=r"the hyperparameter 'bad' is .* and of no "):
            tracker.log_hyperparameters_batch({"good": 1, "bad": value})
        assert rows(ledger, "hyperparameters", tracker.experiment_id) == []

    def test_a_value_of_megabytes_is_an_artifact(self, tracker: ExperimentTracker) -> None:
        with pytest.raises(InvalidInputError, match=r"10,000,002 characters: 1,048,576 at most.*log_artifact"):
            tracker.log_hyperparameter("text", "x" * 10_000_000)
        with pytest.raises(InvalidInputError, match="give a dictionary"):
            tracker.log_hyperparameters_batch([("a", 1)])  # type: ignore[arg-type]

    def test_one_that_contains_itself_is_refused(self, tracker: ExperimentTracker) -> None:
        itself: list[Any] = []
        itself.append(itself)
        with pytest.raises(InvalidInputError, match="'loop' contains itself"):
            tracker.log_hyperparameter("loop", itself)

    def test_one_stays_what_it_is(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        tracker.log_hyperparameter("gamma", 0.9)
        tracker.log_hyperparameter("gamma", 0.9)
        with pytest.raises(ConflictError, match=r"'gamma' was logged as 0.9, not 0.8"):
            tracker.log_hyperparameters_batch({"other": 1, "gamma": 0.8})
        assert len(rows(ledger, "hyperparameters", tracker.experiment_id)) == 1


class TestRuns:
    def test_one_at_a_time_and_nothing_after_the_end(self, ledger: Ledger) -> None:
        tracker = ExperimentTracker(ledger)
        with pytest.raises(ConflictError, match="no run is under way"):
            tracker.log_metric("loss", 1.0)
        first = tracker.start_experiment("first")
        with pytest.raises(ConflictError, match=f"{first} is under way"):
            tracker.start_experiment("second")
        with pytest.raises(InvalidInputError, match="ends as one of completed, incomplete, failed, crashed"):
            tracker.end_experiment("done")
        tracker.end_experiment()
        for late in (
            lambda: tracker.log_metric("loss", 1.0),
            lambda: tracker.log_hyperparameter("a", 1),
            lambda: tracker.log_artifact(b"x", "x.txt"),
            tracker.end_experiment,
        ):
            with pytest.raises(ConflictError, match=rf"{first} has ended \(completed\): call start_experiment"):
                late()
        with pytest.raises(ConflictError, match="has ended"):
            ExperimentTracker(ledger).attach(first)
        assert tracker.start_experiment("second") != first
        tracker.end_experiment()

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"name": ""}, "the name of the run is ''"),
            ({"experiment_type": "a/b"}, "experiment_type is 'a/b'"),
            ({"experiment_type": None}, "experiment_type is None"),
            ({"tags": "rl"}, "tags is 'rl'"),
            ({"tags": [1]}, "a tag is 1"),
            ({"random_seed": -1}, "random_seed is -1"),
            ({"random_seed": "42"}, "random_seed is '42'"),
            ({"notes": 3}, "notes is 3"),
        ],
    )
    def test_what_cannot_be_a_run_starts_none(self, ledger: Ledger, given: dict[str, Any], said: str) -> None:
        tracker = ExperimentTracker(ledger)
        with pytest.raises(InvalidInputError, match=said):
            tracker.start_experiment(**{"name": "never"} | given)
        with pytest.raises(ConflictError, match="no run is under way"):
            tracker.log_metric("loss", 1.0)

    @pytest.mark.parametrize("run", ["nobody", "", None, "01a194b4-3340-7cbd-8bc2-51cfda245dae", "a' or 1=1 --"])
    def test_an_unknown_run_is_named(self, ledger: Ledger, run: Any) -> None:
        for ask in (
            ExperimentTracker(ledger).attach,
            lambda run: ModelRegistry(ledger=ledger).register_model(run, "model.pth"),
            lambda run: ExperimentTracker(ledger).start_experiment("part", parent_id=run or "none"),
        ):
            with pytest.raises(NotFoundError, match="there is no run"):
                ask(run)

    def test_a_dataset_nobody_registered_is_not_linked(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        with pytest.raises(NotFoundError, match="there is no dataset 'nope'"):
            tracker.link_dataset("nope")
        assert rows(ledger, "experiment_datasets", tracker.experiment_id) == []

    def test_the_checkpoint_called_best_last_is_the_best_however_soon(
        self, ledger: Ledger, tracker: ExperimentTracker
    ) -> None:
        registry = ModelRegistry(ledger=ledger)
        for number in range(20):
            registry.register_model(tracker.experiment_id, f"ep{number}.pth", number, number / 20, is_best=True)
        (best,) = rows(ledger, "best_checkpoints", tracker.experiment_id)
        assert best["checkpoint_path"] == "ep19.pth"

    def test_a_checkpoint_is_a_file_and_its_digest(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        registry = ModelRegistry(ledger=ledger)
        file = Path("model.pth")
        file.write_bytes(b"weights")
        registry.register_model(tracker.experiment_id, file, val_metric=math.nan, is_best=np.bool_(True))
        (row,) = rows(ledger, "checkpoints", tracker.experiment_id)
        assert (row["size_bytes"], row["sha256"][:8]) == (7, hashlib.sha256(b"weights").hexdigest()[:8])
        assert math.isnan(row["val_metric"])
        for wrong in ({"is_best": 1}, {"val_metric": "high"}, {"episode_num": 1.5}, {"checkpoint_path": Path.cwd()}):
            with pytest.raises(InvalidInputError, match=r"is_best|val_metric|episode_num|cannot be read"):
                registry.register_model(**{"experiment_id": tracker.experiment_id, "checkpoint_path": file} | wrong)

    def test_the_command_is_kept_without_its_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = ["python", "train.py", "--lr", "0.1", "-v", "x", "--author", "me"]
        secret = {
            "--api-key abc": "--api-key ***",
            "--password=abc": "--password=***",
            "--pwd -abc": "--pwd ***",
            "--access-key abc": "--access-key ***",
            "--auth abc": "--auth ***",
            "DB_SECRET=abc": "DB_SECRET=***",
            "--db postgres://me:abc@host/d": "--db postgres://***@host/d",
            "Authorization:_Bearer_abc": "Authorization:***",
        }
        monkeypatch.setattr(sys, "orig_argv", [*plain, *" ".join(secret).split()])
        assert command_line() == [*plain, *" ".join(secret.values()).split()]
        monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "ipykernel_launcher"])
        assert command_line() is None


class TestProcesses:
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_forked_children_log_to_the_run_they_were_forked_in(
        self, ledger: Ledger, tracker: ExperimentTracker
    ) -> None:
        def work(number: int) -> None:
            for step in range(100):
                tracker.log_metric(f"child {number}", step, step=step)
            tracker.end_experiment("failed")  # its part; the run goes on

        children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        tracker.flush()
        for number in range(3):
            assert values(ledger, tracker.experiment_id, f"child {number}") == list(range(100))
        assert run_of(ledger, tracker.experiment_id)["status"] == "running"

    def test_a_forked_child_that_ends_by_itself_ends(self, tmp_path: Path) -> None:
        assert python(FORKS, tmp_path / "ledger") == "ended with 0"

    def test_another_process_joins_and_only_who_began_ends(self, ledger: Ledger, tracker: ExperimentTracker) -> None:
        python(JOINS, ledger.path, tracker.experiment_id)  # known by the journal alone: nothing is committed yet
        assert values(ledger, tracker.experiment_id, "theirs") == [2.0]
        assert run_of(ledger, tracker.experiment_id)["status"] == "running"

    def test_a_run_nobody_ended_is_incomplete(self, ledger: Ledger) -> None:
        run = python(LEAVES, ledger.path)
        assert run_of(ledger, run)["status"] == "incomplete"

    @pytest.mark.parametrize("when", ["nothing", "committed"])
    def test_a_killed_process_loses_nothing_and_its_run_has_crashed(
        self, tmp_path: Path, when: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = python(DIES, tmp_path / "ledger", when)
        with connect(tmp_path / "ledger") as ledger:
            assert values(ledger, run, "return") == list(range(500))
            found = run_of(ledger, run)
            assert found["status"] == "crashed"
            assert found["ended_at"] >= found["started_at"]
            assert len(rows(ledger, "hyperparameters", run)) == 1
            (recovered,) = ledger.recovered
            assert recovered.crashed == (run,)
            assert f"crashed: {run}" in caplog.text
        with connect(tmp_path / "ledger") as ledger:
            assert ledger.recovered == ()
            assert len(values(ledger, run, "return")) == 500


class TestFaults:
    def test_a_store_that_is_gone_keeps_says_and_tries_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with connect(tmp_path / "ledger") as ledger:
            tracker = ExperimentTracker(ledger)
            run = tracker.start_experiment("patient")
            tables = tmp_path / "ledger" / "experiments"
            tables.rename(tmp_path / "gone")
            tracker.log_metric("loss", 1.0)
            with pytest.raises(EngineError, match=r"cannot be committed: .*safe in the journal .* tried again"):
                tracker.flush()
            tracker.log_metric("loss", 2.0)
            shutil.rmtree(tables, ignore_errors=True)
            (tmp_path / "gone").rename(tables)
            tracker.flush()
            assert values(ledger, run, "loss") == [1.0, 2.0]
            tracker.end_experiment()
        assert not list((tmp_path / "ledger" / "journal").iterdir())

    def test_a_full_disk_at_the_commit_loses_nothing(
        self, ledger: Ledger, tracker: ExperimentTracker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        tracker.log_metric("loss", 1.0)
        with monkeypatch.context() as patched:
            patched.setattr(committing, "merge_arrow", full)
            with pytest.raises(
                EngineError, match=r"cannot be committed: .*No space left on device.*safe in the journal"
            ):
                tracker.flush()
        assert values(ledger, tracker.experiment_id, "loss") == [1.0]

    def test_changes_that_cannot_be_kept_are_said_and_refuse_no_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        top = made_repository(tmp_path / "code")
        (top / "train.py").write_text("changed")
        monkeypatch.chdir(top)
        (tmp_path / "file").touch()
        monkeypatch.setenv("EXPERIMENTS_ARTIFACTS", str(tmp_path / "file"))
        with connect(tmp_path / "ledger") as ledger, ExperimentTracker(ledger) as tracker:
            run = tracker.start_experiment("changed")
            assert run_of(ledger, run)["git_dirty"]
            assert rows(ledger, "artifacts", run) == []
        assert "the changes since the commit are not kept" in caplog.text

    def test_a_store_gone_for_good_leaves_the_journal_for_the_next(self, tmp_path: Path) -> None:
        ledger = connect(tmp_path / "ledger")
        tracker = ExperimentTracker(ledger)
        run = tracker.start_experiment("patient")
        tracker.log_metric("loss", 1.0)
        tables = tmp_path / "ledger" / "experiments"
        tables.rename(tmp_path / "gone")
        with pytest.raises(EngineError, match="when the ledger is opened next"):
            ledger.close()
        shutil.rmtree(tables, ignore_errors=True)
        (tmp_path / "gone").rename(tables)
        with connect(tmp_path / "ledger") as ledger:
            assert values(ledger, run, "loss") == [1.0]
            assert run_of(ledger, run)["status"] == "incomplete"

    def test_a_damaged_journal_gives_what_is_good_and_is_put_aside(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = python(DIES, tmp_path / "ledger", "nothing")
        (folder,) = journals.journals(tmp_path / "ledger" / "journal")
        with (folder / "points-00000000").open("r+b") as file:
            file.seek(7 * journals.SLOT_BYTES + 20)
            file.write(b"\xff")
        with connect(tmp_path / "ledger") as ledger:
            assert values(ledger, run, "return") == [float(n) for n in range(500) if n != 7]
            assert "1 points were damaged" in caplog.text
        assert (tmp_path / "ledger" / "journal" / "damaged" / folder.name).is_dir()

    def test_a_read_only_journal_folder_is_one_error_before_any_run(
        self, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("EXPERIMENTS_JOURNAL", str(tmp_path / "file"))
        with connect(tmp_path / "ledger") as other, pytest.raises(EngineError, match="EXPERIMENTS_JOURNAL"):
            ExperimentTracker(other)

    def test_what_is_quiet_stays_quiet(self, ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO), ExperimentTracker(ledger) as tracker:
            tracker.start_experiment("quiet")
            tracker.flush()
        assert caplog.text == ""
