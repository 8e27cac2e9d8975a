"""`experiments runs`, `show` and `diff`: what they print of two runs that differ in everything."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from command import Done, refused
from experiments.cli.runs import figure, line, short, size, took
from experiments.services.ledger import connect
from tracked import ODD, fill, logged, run_id, run_of, two_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command import Run
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

LINE = 'it\'s; drop table "metrics" --\\n🙂 %_\\'


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("tracked")) as opened:
        two_runs(opened.engine)
        wide = run_of("wide", experiment_type="training")
        points = [point for n in range(60) for point in logged(wide["experiment_id"], f"m{n:02}", [0.0], first=n)]
        fill(opened.engine, experiments=[wide], metrics=points)
        yield opened


@pytest.fixture
def path(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it lies; it is open already, which saves each command half a second."""
    assert ledger.path is not None
    monkeypatch.setattr("experiments.cli.runs.open_ledger", lambda path, engine: nullcontext(ledger))
    return ledger.path


def squeezed(done: Done) -> str:
    """What was printed, with single spaces: wide cells are broken over lines."""
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def test_runs_are_listed_latest_first(run: Run, path: Path) -> None:
    done = run("runs", "--path", path)
    out = squeezed(done)
    order = [out.index(name) for name in (" b ", " part ", " wide ", " other ")]
    assert order == sorted(order)
    assert "5 runs. 'experiments show RUN' shows one" in out
    assert "1 min 30 s" in out
    assert "\\n🙂" in out
    found = run("runs", "--path", path, "--tag", ODD, "--json").json
    assert [one["tags"] for one in found] == [["bitcoin", ODD, "k=v"]]
    assert run("runs", "--path", path, "--json", "--name", "part").json[0]["random_seed"] is None


def test_runs_are_filtered(run: Run, path: Path) -> None:
    out = squeezed(run("runs", "--path", path, "--type", "rl", "--limit", 1))
    assert "1 run, the latest: --limit 2 shows more." in out
    out = squeezed(run("runs", "--path", path, "--status", "crashed", "--since", "2020-01-01"))
    assert "other" in out
    assert "1 run." in out
    assert squeezed(run("runs", "--path", path, "--tag", "none")) == "There is no such run."
    assert refused(run("runs", "--path", path, "--status", "done"), "unknown status 'done'")


def test_a_run_in_full(run: Run, path: Path, tmp_path: Path) -> None:
    a = run_id("a" + ODD)
    target = tmp_path / "run.png"
    out = squeezed(run("show", a, "--path", path, "--plot", target))
    for words in (
        f"a{LINE}: rl, completed",
        f"run {a}",
        "started 2026-11-01 12:00:00 UTC, took 1 min 30 s",
        f"tags bitcoin, {LINE}, k=v",
        "seed 42 (random, numpy)",
        "code c0ffee on main, from git@host:r.git",
        "command python train.py --x in examples",
        "machine Python 3.11.9, Linux, local: 2 cores",
        "lr 0.0003",
        "ep10.pth depth 3",
        '\\n🙂 %_\\\\"',
        "loss 2 2 1 1 2 1.5 0 2",
        "3 3 inf 3 inf inf 1 -",
        "gone 1 NaN NaN NaN NaN NaN 1 -",
        "prices train id of prices 1,000 prices.csv",
        "1.2 MB abababababab",
        "ep10.pth 10 0.5 yes",
        "part running",
        f"Drawn in {target}.",
    ):
        assert words in out
    assert target.stat().st_size > 1000


def test_a_run_as_json(run: Run, path: Path) -> None:
    found = run("show", run_id("a" + ODD), "--path", path, "--json").json
    assert found["run"]["notes"] == ODD
    assert found["environment"]["packages"]["torch"] == "2.9.0"
    assert {one["name"]: one["value"] for one in found["parameters"]} == {
        "lr": 3e-4,
        "n": 1,
        ODD: ODD,
        "same": {"x": 1, "y": [2]},
        "only": None,
        "depth": 3,
    }
    metrics = {one["name"]: one for one in found["metrics"]}
    assert (metrics[ODD]["last"], metrics[ODD]["n_nan"], metrics[ODD]["last_step"]) == ("inf", 1, None)
    assert [one["episode_num"] for one in found["checkpoints"]] == [None, 10]


def test_long_tables_are_cut_and_a_run_may_have_logged_nothing(run: Run, path: Path) -> None:
    out = squeezed(run("show", run_id("wide"), "--path", path))
    assert "m49" in out
    assert "m50" not in out
    assert "... and 10 more: --json has them all." in out
    found = run("runs", "--path", path, "--json", "--name", "other").json[0]
    assert len(run("show", found["experiment_id"][:18], "--path", path).out.splitlines()) == 3


def test_export_writes_the_folder_of_the_run(
    run: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Path]] = []

    class Writing:
        @staticmethod
        def write(ledger: Any, experiment_id: str, folder: Path) -> list[Path]:
            asked.append((experiment_id, folder))
            return [folder / "metadata.json"]

    monkeypatch.setitem(sys.modules, "experiments.services.reproduction.run_folder", Writing)
    out = squeezed(run("show", run_id("wide"), "--path", path, "--export", tmp_path / "out"))
    assert out.endswith(f"Wrote 1 file to {tmp_path / 'out'}.")
    assert asked == [(run_id("wide"), tmp_path / "out")]


def test_a_ledger_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    assert refused(run("runs", "--path", tmp_path / "none"), "there is no ledger at")


def test_what_differs_between_two_runs(run: Run, path: Path) -> None:
    a = run_id("a" + ODD)
    b = run("runs", "--path", path, "--status", "failed", "--json").json[0]["experiment_id"]
    out = squeezed(run("diff", a, b, "--path", path))
    for words in (
        f"a {a} b {b}",
        "parameters: 4 of 6 differ",
        "lr 0.0003 0.001 no",
        "code: 2 of 5 differ",
        f"sha256 {'ab' * 32}",
        "environment: 3 of 6 differ",
        "package numpy 2.4.6 2.4.7 no",
        "metrics: 3 of 4 differ",
        "loss 1 5 1 5 2 5",
        "weights 0.5 - 0.5 - 0.5 -",
    ):
        assert words in out
    assert "git_commit" not in out
    assert "git_commit c0ffee c0ffee yes" in squeezed(run("diff", a, b, "--path", path, "--all"))
    assert "metrics: the same (4 compared)" in squeezed(run("diff", a, a, "--path", path))
    found = run("diff", a, b, "--path", path, "--json").json
    assert [section["name"] for section in found["sections"]] == [
        "run",
        "parameters",
        "code",
        "data",
        "environment",
        "metrics",
    ]


@pytest.mark.parametrize("command", [("show",), ("diff", "01")])
def test_runs_that_are_not_there_or_several(run: Run, path: Path, command: tuple[str, ...]) -> None:
    assert refused(run("show", "nobody", "--path", path), "there is no run 'nobody': 'experiments runs' lists them.")
    assert refused(run(*command, "01", "--path", path), "several runs begin with '01'")
    assert refused(run("show", "01", "--plot", "x.doc", "--path", path), "'x.doc' is no picture")


def test_figures_times_and_sizes_in_words() -> None:
    assert [took(seconds) for seconds in (0.26, 59.94, 61, 7322, None)] == [
        "0.3 s",
        "59.9 s",
        "1 min 1 s",
        "2 h 2 min",
        "-",
    ]
    assert [size(value) for value in (5, 1500, 2.5e6, 3e9, None)] == ["5 B", "1.5 kB", "2.5 MB", "3.0 GB", "-"]
    assert [figure(value) for value in (float("nan"), float("-inf"), 1234567.0, 1e-9, None)] == [
        "NaN",
        "-inf",
        "1.23457e+06",
        "1e-09",
        "-",
    ]
    assert short("01a196fb-1600-700b-bf57-48084e8e31d6") == "01a196fb-1600-700b"
    assert short("outside") == "outside"
    assert line("a\x1b[2J\r\n\u200db") == "a\\x1b[2J\\r\\n\u200db"
