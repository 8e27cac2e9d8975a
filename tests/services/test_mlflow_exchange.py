"""Runs to and from a real MLflow server on loopback, with a SQLite store."""

from __future__ import annotations

import hashlib
import logging
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.exchange import mlflow_export as exporting
from experiments.services.exchange import mlflow_import as importing
from experiments.services.exchange.local_store import check_store
from experiments.services.exchange.mlflow_export import export_mlflow
from experiments.services.exchange.mlflow_import import import_mlflow
from experiments.services.exchange.mlflow_log import log_to_mlflow
from experiments.services.exchange.server import connected
from experiments.services.ledger import Ledger, connect
from experiments.services.tracking.artifacts import holder_of
from experiments.services.tracking.runs import points, read_run
from experiments.services.tracking.tracker import ExperimentTracker

if TYPE_CHECKING:
    from mlflow_server import Server

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'experiment-ledger[mlflow]'")

pytestmark = [
    pytest.mark.engine,
    # what MLflow and its server's libraries warn of is not ours
    pytest.mark.filterwarnings("ignore:::mlflow"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

START = 1_700_000_000_123


@pytest.fixture(scope="module")
def server(mlflow_server: Server) -> str:
    return mlflow_server.uri


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Any]:
    with connected(server) as made:
        yield made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, server: str) -> Iterator[Ledger]:
    """One ledger for all tests of this module: each imports an experiment of its own."""
    with connect(tmp_path_factory.mktemp("importing") / "ledger") as opened:
        yield opened


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the server in use, for the test only."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # which MLflow sets too
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri("")


def history(ledger: Ledger, experiment_id: str, name: str) -> list[tuple[Any, ...]]:
    found = points(ledger.engine, experiment_id, name)
    return list(zip(found["step"], found["value"], found["logged_at"].map(lambda when: when.isoformat()), strict=True))


def make_run(client: Any, folder: Path, experiment: str) -> str:
    """A run as MLflow users make them, under a parent, that is still running."""
    from mlflow.entities import Metric, Param, RunTag

    key = client.create_experiment(experiment)
    parent = client.create_run(key, start_time=START - 1000, run_name="parent").info.run_id
    client.set_terminated(parent, "KILLED", START + 9000)
    tags = {
        "mlflow.parentRunId": parent,
        "mlflow.user": "ada",
        "mlflow.source.git.commit": "0" * 40,
        "mlflow.note.content": "two\nlines",
        "team": "desk=1",
        "rl": "",
    }
    run_id = client.create_run(key, start_time=START, tags=tags, run_name="PPO 🚀").info.run_id
    values = [0.5, math.nan, math.inf, -math.inf, 1e-300]
    client.log_batch(
        run_id,
        metrics=[Metric("loss", value, START + step, step) for step, value in enumerate(values)],
        params=[Param("lr", "0.001"), Param("flag", "True"), Param("name", "adam"), Param("layers", "[64, 64]")],
        tags=[RunTag("mlflow.source.name", "train.py")],
    )
    for first in range(0, 2000, 1000):
        batch = [Metric("train/ret urn", i / 7, START, i) for i in range(first, first + 1000)]
        client.log_batch(run_id, metrics=batch)
    (folder / "notes.md").write_text("# notes")
    client.log_artifact(run_id, str(folder / "notes.md"))
    client.log_artifact(run_id, str(folder / "notes.md"), "deep/er")
    return run_id


def test_runs_come_over_whole_grow_and_go_back(
    client: Any, server: str, whole: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.entities import Metric, Param

    run_id = make_run(client, tmp_path, "PPO")
    arrived = import_mlflow(whole, server, experiments=["PPO"])
    assert (arrived.runs, arrived.failed) == (2, ())
    assert arrived.new == {"experiments": 2, "metrics": 2005, "hyperparameters": 4, "artifacts": 2}
    rows = {row["name"]: row for row in whole.sql("select * from experiments").to_dict("records")}
    row, parent = rows["PPO 🚀"], rows["parent"]
    assert (row["status"], parent["status"], row["parent_id"]) == ("running", "crashed", parent["experiment_id"])
    assert (row["run_by"], row["notes"], row["git_commit"]) == ("ada", "two\nlines", "0" * 40)
    assert list(row["tags"]) == ["mlflow.experiment=PPO", "mlflow.source.name=train.py", "rl", "team=desk=1"]
    assert row["imported_from"] == f"mlflow:{run_id}"
    loss = history(whole, row["experiment_id"], "loss")
    assert [repr(value) for _, value, _ in loss] == ["0.5", "nan", "inf", "-inf", "1e-300"]
    assert loss[1][2].endswith(".124000")
    assert [step for step, _, _ in history(whole, row["experiment_id"], "train/ret urn")] == [*range(2000)]
    run = read_run(whole.engine, row["experiment_id"])
    assert dict(zip(run.parameters["name"], run.parameters["value_type"], strict=True)) == {
        "flag": "bool",
        "layers": "list",
        "lr": "float",
        "name": "str",
    }
    assert sorted(run.artifacts["name"]) == ["deep/er/notes.md", "notes.md"]
    kept = run.artifacts.iloc[0]
    with holder_of(whole, kept["sha256"], kept["location"]).open(kept["sha256"]) as content:
        assert content.read() == b"# notes"

    again = import_mlflow(whole, server, experiments=["PPO"])
    assert (again.new, again.ended) == ({}, 0)

    # it goes on: a point in time before others, and the end
    client.log_batch(run_id, metrics=[Metric("loss", 9.0, START - 5, 0)], params=[Param("late", "1")])
    client.set_terminated(run_id, "FINISHED", START + 5000)
    more = import_mlflow(whole, server, experiments=["PPO"])
    assert (more.new, more.ended) == ({"metrics": 1, "hyperparameters": 1}, 1)
    assert len(history(whole, row["experiment_id"], "loss")) == 6
    ended = whole.sql("select status, ended_at from experiments where name = 'PPO 🚀'").iloc[0]
    assert (ended["status"], ended["ended_at"].isoformat()) == ("completed", "2023-11-14T22:13:25.123000")

    # where it came from it is; elsewhere it is sent, once, and comes back the same
    assert export_mlflow(whole, server, ids=[row["experiment_id"]]).origin == 1
    monkeypatch.setattr(exporting._Export, "_came_from_here", lambda *_: False)
    ids = [parent["experiment_id"], row["experiment_id"]]
    sent = export_mlflow(whole, server, ids=ids, experiment="Copy")
    assert sent.new == {"runs": 2, "metrics": 2006, "params": 5, "artifacts": 2}
    assert sent.notes == ()
    assert export_mlflow(whole, server, ids=ids, experiment="Copy").new == {}
    with connect(tmp_path / "other") as other:
        back = import_mlflow(other, server, experiments=["Copy"])
        assert back.new == {"experiments": 2, "metrics": 2006, "hyperparameters": 5, "artifacts": 2}
        for identifier in ids:
            same(read_run(whole.engine, identifier), read_run(other.engine, identifier))
            for name in ("loss", "train/ret urn"):
                assert repr(history(whole, identifier, name)) == repr(history(other, identifier, name))


def same(one: Any, other: Any) -> None:
    """That two runs say the same; where they were imported from apart."""
    for column, value in one.row.items():
        if column not in ("imported_from", "tags"):
            assert other.row[column] == value, column
    assert [*other.row["tags"]] == [tag.replace("experiment=PPO", "experiment=Copy") for tag in one.row["tags"]]
    columns = ["name", "value", "value_type"]
    assert other.parameters[columns].to_numpy().tolist() == one.parameters[columns].to_numpy().tolist()
    columns = ["artifact_id", "name", "sha256", "size_bytes"]
    assert other.artifacts[columns].to_numpy().tolist() == one.artifacts[columns].to_numpy().tolist()


def test_our_own_runs_are_exported_named_where_mlflow_takes_no_such_thing_and_known_again(
    client: Any, server: str, whole: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "plots"
    folder.mkdir()
    (folder / "deep").mkdir()
    (folder / "deep" / "a.txt").write_text("a")
    with ExperimentTracker(whole) as tracker:
        run = tracker.start_experiment("ours", "rl", tags=["rl", "desk=1", "übel*"], random_seed=7, notes="why")
        tracker.log_hyperparameters_batch({"lr": 0.5, "text": "3", "long": "x" * 7000, "a*b": 1})
        for episode in range(3):
            tracker.log_metric("return", episode / 2, episode=episode)
        tracker.log_metric("free", math.inf)
        tracker.log_metric("twice", 1.0, step=3, epoch=1)
        tracker.log_metric("twice", 2.0)
        tracker.log_metric("what?", 1.0)
        tracker.log_distribution("weights", [1.0, 2.0, 3.0], step=4)
        tracker.log_artifact(folder, "plots")
        tracker.log_artifact(b"one", "text.txt")
        tracker.log_artifact(b"other", "text.txt")
        child = tracker.child("part", "rl")
        part = child.experiment_id
        child.end_experiment("incomplete")
        tracker.flush()
        under_way = export_mlflow(whole, server, experiment="Ours", ids=[run])
        tracker.log_metric("return", 9.0, episode=3)
        tracker.log_artifact(b"third", "text.txt")  # of the size of what is there
    tracker.flush()
    done = export_mlflow(whole, server, experiment="Ours", ids=[run, part])
    assert {**under_way.new, "tags": 0} == {"runs": 1, "metrics": 7, "params": 2, "artifacts": 2, "tags": 0}
    assert {name: done.new[name] for name in ("runs", "metrics", "artifacts")} == {
        "runs": 1,
        "metrics": 1,
        "artifacts": 1,
    }
    told = done.notes[0]
    for words in (
        "params: 'a*b', 'long'",
        "tags: 'übel*'",
        "metrics: 'what?'",
        "earlier contents of artifacts: 'text.txt'",
        "distributions, only their means: 'weigh",
    ):
        assert words in told
    assert export_mlflow(whole, server, experiment="Ours", ids=[run, part]).new == {}
    key = client.get_experiment_by_name("Ours").experiment_id
    found = {one.info.run_name: one for one in client.search_runs([key])}
    assert (found["ours"].info.status, found["part"].info.status) == ("FINISHED", "KILLED")
    assert found["part"].data.tags["mlflow.parentRunId"] == found["ours"].info.run_id
    assert [point.step for point in client.get_metric_history(found["ours"].info.run_id, "return")] == [0, 1, 2, 3]
    # imported by the ledger that has them nothing is new; by another they are what they were
    assert import_mlflow(whole, server, experiments=["Ours"]).new == {}
    with connect(tmp_path / "other") as other:
        import_mlflow(other, server, experiments=["Ours"])
        one, back = read_run(whole.engine, run), read_run(other.engine, run)
        for column in (
            "name",
            "experiment_type",
            "status",
            "started_at",
            "ended_at",
            "random_seed",
            "command",
            "notes",
        ):
            assert back.row[column] == one.row[column], column
        # MLflow knows files only, and one content of each
        latest = hashlib.sha256(b"third").hexdigest()
        assert dict(zip(back.artifacts["name"], back.artifacts["sha256"], strict=True)) == {
            "plots/deep/a.txt": hashlib.sha256(b"a").hexdigest(),
            "text.txt": latest,
        }
        assert read_run(other.engine, part).row["status"] == "incomplete"
        assert read_run(other.engine, part).row["parent_id"] == run
        kinds = dict(zip(back.parameters["name"], back.parameters["value_type"], strict=True))
        assert kinds == {"lr": "float", "text": "str"}
        returned = points(other.engine, run, "return")
        assert returned["episode"].tolist() == [0, 1, 2, 3]
        assert returned["step"].isna().all()
        assert points(other.engine, run, "free")["value"].tolist() == [math.inf]


def test_what_cannot_be_read_or_asked_is_said(
    client: Any, server: str, whole: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = client.create_experiment("lost", artifact_location=(tmp_path / "gone").as_uri())
    run_id = client.create_run(key, start_time=START, run_name="lost").info.run_id
    (tmp_path / "x.txt").write_text("x")
    client.log_artifact(run_id, str(tmp_path / "x.txt"))

    def broken(*_: object) -> None:
        raise OSError("no such bucket")

    with monkeypatch.context() as patched:
        patched.setattr(importing, "files_of", broken)
        arrived = import_mlflow(whole, server, experiments=["lost"])
    assert arrived.new == {"experiments": 1}
    assert arrived.failed == (f"artifacts of the MLflow run {run_id} cannot be read: no such bucket",)
    assert import_mlflow(whole, server, experiments=["lost"]).new == {"artifacts": 1}
    with pytest.raises(NotFoundError, match=r"unknown MLflow experiment 'lots'\. Did you mean 'lost'"):
        import_mlflow(whole, server, experiments=["lots"])
    far = client.create_run(client.create_experiment("far"), start_time=10**17, run_name="far")
    with pytest.raises(InvalidInputError, match=f"{far.info.run_id} has the start 1{'0' * 17}"):
        import_mlflow(whole, server, experiments=["far"])
    for ask in (import_mlflow, export_mlflow):
        with pytest.raises(EngineError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be reached"):
            ask(whole, "http://me:secret@127.0.0.1:9")
        with pytest.raises(InvalidInputError, match="the URI of MLflow is ''"):
            ask(whole, "")
    with pytest.raises(NotFoundError, match="there is no run 'ffff'"):
        export_mlflow(whole, server, ids=["ffff"])


def test_a_store_that_is_not_there_is_refused_and_not_made(
    whole: Ledger, mlflow_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("legacy.db")) as connection:
        connection.execute("create table experiments (id integer primary key)")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    content = Path("legacy.db").read_bytes()
    gone = ("sqlite:///nope.db", f"sqlite:///{tmp_path}/nope.db", "sqlite://", "foo", (tmp_path / "a b").as_uri())
    for uri in gone:
        with pytest.raises(NotFoundError, match="there is no MLflow store at"):
            import_mlflow(whole, uri)
    with pytest.raises(InvalidInputError, match="empty is no MLflow store: give the URI of a server"):
        import_mlflow(whole, "empty")
    for ask in (import_mlflow, export_mlflow):
        for uri in ("sqlite:///legacy.db", "sqlite:///folder/file", "sqlite:///folder", "folder", "legacy.db"):
            with pytest.raises(InvalidInputError, match="is no MLflow store"):
                ask(whole, uri)
    for uri in ("no/where/runs", "sqlite:///no/where.db"):
        with pytest.raises(NotFoundError, match=r"there is no folder no.* to make an MLflow store in"):
            export_mlflow(whole, uri)
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("legacy.db").read_bytes() == content
    check_store(f"sqlite:///{mlflow_server.folder}/mlflow.db")
    # a folder of runs that is one, made by an export, is read
    with ExperimentTracker(whole) as tracker:
        run = tracker.start_experiment("by itself")
    tracker.flush()
    for uri in ("empty", "made"):
        assert export_mlflow(whole, uri, ids=[run]).new["runs"] == 1
        assert import_mlflow(whole, uri).runs == 1


def test_a_training_is_logged_and_kept_here_where_mlflow_is_gone(
    client: Any, server: str, whole: Ledger, tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    (tmp_path / "curve.txt").write_text("x")
    given: dict[str, Any] = {
        "parameters": {"lr": 0.1},
        "metrics": {"loss": [3.0, 2.0], "sharpe": 1.5},
        "models": {"line": model, "own": {"a": 1}},
        "artifacts": {"plots": [tmp_path / "curve.txt"]},
    }
    use(server)
    run_id = log_to_mlflow("Trained", **given)
    run = client.get_run(run_id)
    assert (run.data.params, run.data.metrics) == ({"lr": "0.1"}, {"loss": 2.0, "sharpe": 1.5})
    arrived = import_mlflow(whole, server, experiments=["Trained"])
    names = set(whole.sql("select name from artifacts")["name"])
    assert {"plots/curve.txt", "models/own.pkl", "line/MLmodel"} <= names
    assert (arrived.failed, import_mlflow(whole, server, experiments=["Trained"]).new) == ((), {})
    # what MLflow refuses is kept here, and nothing stays there
    with caplog.at_level(logging.WARNING, "experiments"):
        refused = log_to_mlflow("Trained", {"a": 1}, {"loss": 1.0, "l(r": 0.5})
    assert "does not take this run: " in caplog.text
    assert f"Kept as run {refused} of the ledger" in caplog.text
    assert [one.info.run_id for one in client.search_runs([run.info.experiment_id])] == [run_id]
    whole.tracking.flush()
    assert set(read_run(whole.engine, refused).metrics["name"]) == {"loss", "l(r"}
    assert "metrics: 'l(r'" in export_mlflow(whole, server, ids=[refused]).notes[0]
    with pytest.raises(InvalidInputError, match="'loss'"):
        log_to_mlflow("Trained", {}, {"loss": "low"})
    with pytest.raises(InvalidInputError, match="metrics is"):
        log_to_mlflow("Trained", {}, [1.0])
    with pytest.raises(NotFoundError, match="there is no file"):
        log_to_mlflow("Trained", {}, {}, artifacts={"a": tmp_path / "none"})

    use("http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING, "experiments"):
        kept = log_to_mlflow("Trained", **given)
    assert f"Kept as run {kept} of the ledger" in caplog.text
    whole.tracking.flush()
    here = read_run(whole.engine, kept)
    assert (here.row["status"], here.row["name"]) == ("completed", "Trained")
    assert sorted(here.artifacts["name"])[-3:] == ["models/line.pkl", "models/own.pkl", "plots/curve.txt"]
    sent = export_mlflow(whole, server, ids=[kept])
    assert sent.new["runs"] == 1
    assert len(client.search_runs([run.info.experiment_id])) >= 2
