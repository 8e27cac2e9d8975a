"""`experiments reproduce` and `experiments checklist`: what they print, and how they end."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from command import refused
from experiments.services.ledger import connect
from experiments.services.reproduction import seeds
from repositories import TRAIN, git, made_repository

if TYPE_CHECKING:
    from command import Run

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_repository(tmp_path_factory.mktemp("tracked") / "code")


@pytest.fixture(scope="module")
def tracked(code: Path) -> str:
    """The id of a run of the repository's script, in the ledger beside it."""
    with pytest.MonkeyPatch.context() as patched, connect(code.parent / "ledger") as ledger:
        for name, value in (("_last", {}), ("_last_seed", None), ("_hash_seed", None)):
            patched.setattr(seeds, name, value)
        patched.setenv("PYTHONHASHSEED", "0")  # so that it is gone afterwards
        patched.delenv("PYTHONHASHSEED")
        patched.chdir(code)
        patched.setattr(sys, "orig_argv", ["python", str(code / "train.py")])
        patched.setattr(sys, "argv", ["train.py"])
        runpy.run_path("train.py", run_name="__main__")
        return str(ledger.sql("select experiment_id from experiments")["experiment_id"].iloc[0])


def test_a_run_that_comes_out_the_same_is_said_to_be_reproduced(
    run: Run, code: Path, tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPERIMENTS_PATH", str(code.parent / "ledger"))
    done = run("checklist", tracked[:13])
    assert done.code == 0
    for section in ("Pre-Training Setup", "Training Execution", "Post-Training Validation", "Reproduction Testing"):
        assert section in done.out
    assert f"training ({tracked}): " in done.out
    (code / "train.py").write_text("a later version of it\n")
    git(code, "commit", "--all", "--quiet", "--message", "later")
    done = run("reproduce", tracked[:13], "--repository", code)
    assert done.code == 0, done.out + done.err
    assert "reproduced: 2 metrics, 5 points, all the same to the bit." in done.out
    assert "| rate 1" in done.err
    assert git(code, "worktree", "list").count("\n") == 0
    items = {one["item"]: one["answer"] for one in run("checklist", tracked, "--json").json["items"]}
    assert len(items) == 20
    for of in ("random seed", "Git commit", "environment"):
        assert items[f"Same {of} produces identical results"] == "yes"
    assert items["Git repository is clean (`git status` shows no uncommitted changes)"] == "yes"


def test_what_cannot_be_reproduced_is_refused_in_one_line(run: Run, code: Path, tracked: str, tmp_path: Path) -> None:
    path = ("--path", code.parent / "ledger")
    assert refused(run("reproduce", tracked, "--repository", tmp_path, *path), "is in no git repository")
    assert refused(run("reproduce", "zz", *path), "there is no run 'zz'")
    assert refused(run("checklist", "zz", *path), "there is no run 'zz'")
    assert refused(run("reproduce", tracked, "--timeout", "0", *path), "--timeout", code=2)
    assert refused(run("checklist", tracked, "--path", tmp_path / "none"), "there is no ledger at")


def test_a_command_that_fails_ends_with_1_and_shows_what_it_printed(
    run: Run, code: Path, tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(code.parent))  # before ours: what it imports is broken
    (code.parent / "experiments.py").write_text("raise SystemExit('broken today')\n")
    done = run("reproduce", tracked, "--repository", code, "--path", code.parent / "ledger", "--json")
    assert done.code == 1
    assert (done.json["verdict"], done.json["exit_code"]) == ("failed", 1)
    assert done.json["output"] == ["broken today"]
    assert done.json["again"] is None
    assert (code / "train.py").read_text() != TRAIN
