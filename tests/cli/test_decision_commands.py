"""The commands that decide: what they print, and that they refuse in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command import refused
from experiments.services.ledger import connect
from made import put, put_losses, run_row

pytestmark = pytest.mark.engine

NAIVE = [2.0 + (7 * n % 10) / 10 for n in range(40)]
LOSSES = {
    name: [factor * loss + (3 * n % 7) / 100 for n, loss in enumerate(NAIVE)]
    for name, factor in {"best": 0.5, "even": 1.0, "poor": 1.5}.items()
} | {"naive": NAIVE}


@pytest.fixture(autouse=True)
def _own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPERIMENTS_REGISTRY", str(tmp_path / "registry.toml"))
    monkeypatch.setenv("EXPERIMENTS_RUN_BY", "anna")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with connect(tmp_path / "ledger") as ledger:
        put_losses(ledger, "Coffee", LOSSES, naive=NAIVE)
        put(ledger, "model_runs", *(run_row(model_name="tried", beats_baseline=False) for _ in range(3)))
    return tmp_path / "ledger"


def test_promote_roll_back_and_audit(run: Any, path: Path) -> None:
    shown = run("promote", "best", "--dry-run", "--path", path, "--json").json
    assert shown["verdict"]["met"] is True
    assert "best for Coffee: better than naive" in run("promote", "best", "--dry-run", "--path", path).out
    assert run("audit", "--path", path).out == "No decision has been taken.\n"
    done = run("promote", "best", "--evidence", shown["code"], "--reason", "of age", "--path", path)
    assert done.code == 0
    assert done.out.startswith("Coffee: anna promoted best on ")
    assert refused(
        run("promote", "even", "--path", path), "even for Coffee is not promoted, worse than the model in production"
    )
    forced = run("promote", "even", "--force", "--reason", "a trial", "--path", path)
    assert "Forced, against the evidence." in forced.out
    back = run("rollback", "--reason", "enough", "--path", path, "--json").json
    assert [(one["model_name"], one["kind"], one["reason"]) for one in back] == [("best", "rollback", "enough")]
    done = run("audit", "--path", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("3 decisions, all hold.\n")
    found = run("audit", "--path", path, "--commodity", "Coffee", "--json").json
    assert [(one["kind"], one["forced"], one["problems"]) for one in found] == [
        ("promote", False, []),
        ("promote", True, []),
        ("rollback", False, []),
    ]
    assert found[0]["evidence"]["losses"]["best"] == pytest.approx(LOSSES["best"])
    assert run("audit", "--path", path, "--as-of", "2020-01-01", "--json").json == []


def test_an_audit_that_finds_something_says_so_by_its_exit_code(run: Any, path: Path) -> None:
    run("promote", "best", "--path", path)
    with connect(path) as ledger:
        assert ledger._engine is not None
        ledger._engine.spark.sql("delete from model_runs where model_name = 'best'").toArrow()
    done = run("audit", "--path", path)
    assert done.code == 1
    assert done.out.endswith("1 decision, 1 do not hold.\n")


def test_prune_lists_two_ways_and_restore_brings_back(run: Any, path: Path, tmp_path: Path) -> None:
    listed = run("prune", "--path", path)
    assert (listed.code, listed.err) == (0, "")
    assert "Tested to be worse than naive beyond the margin: 1 of 3 models" in listed.out
    assert "Of the others even is the nearest to it, not shown to be worse" in listed.out
    assert "Listed by the specified query, which does not show that they are worse: 1" in listed.out
    found = run("prune", "--path", path, "--json").json
    assert {one["model_name"]: one["kept"] for one in found["inferior"]} == dict.fromkeys(("best", "even", "poor"))
    assert [one["model_name"] for one in found["query"]] == ["tried"]
    command = next(line for line in listed.out.splitlines() if line.startswith("To take out 1 model of Coffee"))
    code = command.split()[-1]
    assert not (tmp_path / "registry.toml").exists()
    done = run("prune", "--apply", "--evidence", code, "--path", path)
    assert done.code == 0
    assert done.out.endswith("registry.toml says so: review and commit it.\n")
    assert 'model = "poor"' in (tmp_path / "registry.toml").read_text()
    assert refused(run("prune", "--apply", "--evidence", code, "--path", path), "the evidence is not the one shown as")
    assert run("prune", "--apply", "--path", path).out == "Nothing is to be pruned.\n"
    assert run("prune", "tried", "--apply", "--by", "specified", "--path", path, "--json").json[0]["kind"] == "prune"
    assert run("restore", "poor", "--path", path).out.startswith("Coffee: anna restored poor on ")
    assert refused(run("restore", "poor", "--path", path), "unknown pruned model of Coffee 'poor'")


def test_the_doctor_tells_what_is_wrong_with_decisions_policy_and_registry(
    run: Any, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("promote", "best", "--path", path)
    with connect(path) as ledger:
        assert ledger._engine is not None
        ledger._engine.spark.sql("delete from model_runs where model_name = 'best'").toArrow()
    done = run("doctor", "--path", path)
    assert (done.code, "1 decision, 1 do not hold: run 'experiments audit'" in done.out) == (1, True)
    (tmp_path / "registry.toml").write_text("[")
    assert "WRONG  registry" in run("doctor", "--path", path).out
    monkeypatch.setenv("EXPERIMENTS_POLICY", "nowhere.toml")
    assert "EXPERIMENTS_POLICY names 'nowhere.toml'" in run("doctor", "--path", path).out


def test_nothing_to_decide_on(run: Any, tmp_path: Path) -> None:
    connect(tmp_path / "empty").close()
    for command in (["promote", "arima"], ["rollback"], ["prune"], ["prune", "--apply"], ["restore", "arima"]):
        assert refused(run(*command, "--path", tmp_path / "empty"), "the ledger is empty")
    assert run("audit", "--path", tmp_path / "empty").out == "No decision has been taken.\n"


def test_pruned_models_are_said_by_models_and_doctor(run: Any, path: Path, tmp_path: Path) -> None:
    assert "0 variants out of use" in run("doctor", "--path", path).out
    assert "0 decisions, all hold" in run("doctor", "--path", path).out
    (tmp_path / "registry.toml").write_text(
        "[[pruned]]\ncommodity = 'WTI'\nmodel = 'arima'\nversion = 'v1'\nsince = 2026-01-02\nwhy = ''\ndecision = 'd'\n"
    )
    assert "arima is pruned for WTI." in run("models").out
    assert "is not what the decisions in the ledger come to" in run("doctor", "--path", path).out
