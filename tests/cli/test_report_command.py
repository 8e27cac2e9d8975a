"""`report`, and `sql --param`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from command import refused
from experiments.services.ledger import connect
from made import put_losses

if TYPE_CHECKING:
    from pathlib import Path

    from command import Run

pytestmark = pytest.mark.engine

N = 20
RANDOM = np.random.default_rng(9)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
GOOD = [a - 0.7 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("reports")
    with connect(path) as ledger:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
    return path


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("presentation",), "presentation.html"),
        (("presentation", "--format", "pptx"), "presentation.pptx"),
        (("pruning", "--format", "md"), "pruning.md"),
        (("model", "good"), "model-good.html"),
    ],
)
def test_written_where_it_says(
    run: Run, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("report", "--for", *words, "--path", filled)
    assert (done.code, done.err) == (0, "")
    said, headline = done.out.splitlines()
    assert said == f"Written to {name}."
    assert headline.endswith(".")
    assert (tmp_path / name).stat().st_size > 1000


def test_the_headline(run: Run, filled: Path, tmp_path: Path) -> None:
    done = run("report", "--for", "presentation", "--path", filled, "--output", tmp_path / "a.md")
    assert done.out.endswith("2 model variants in 2 runs; the ledger's choice: Coffee good.\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("presentation", "good"), 1, "is not about one model, but 'good' was named"),
        (("model",), 1, "needs its name"),
        (("model", "goood"), 1, "Did you mean 'good'"),
        (("presentation", "--output", "a.txt"), 1, "end it with .html, .pptx, .md"),
        (("presentation", "--output", "no/a.md"), 1, "there is no folder"),
        (("presentation", "--format", "pdf"), 2, "'pdf' is not one of"),
        (("show",), 2, "'show' is not one of"),
        (("presentation", "--commodity", "Tea"), 1, "unknown commodity 'Tea'"),
        (("presentation", "--as-of", "2024-01-01"), 1, "no evaluation of Coffee was finished by 2024-01-01"),
        (("presentation", "--as-of", "soon"), 1, "give a date"),
    ],
)
def test_refused_in_one_line(run: Run, filled: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = run("report", "--for", *words, "--path", filled)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_missing_package_before_any_work(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pptx", None)
    done = run("report", "--for", "presentation", "--format", "pptx", "--path", tmp_path / "none")
    assert done.err == "error: pptx reports need pptx: pip install 'experiment-ledger[reports]'.\n"


def test_an_empty_ledger(run: Run, tmp_path: Path) -> None:
    run("init", "--path", tmp_path)
    done = run("report", "--for", "presentation", "--path", tmp_path, "--output", tmp_path / "a.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("There is nothing for the presentation report yet: no evaluation is finished.\n")


def test_sql_with_parameters(run: Run, filled: Path) -> None:
    query = "select model_name from model_runs where commodity = :c and model_name = :m"
    done = run("sql", query, "--param", "c=Coffee", "--param", "m=good", "--path", filled, "--json")
    assert done.json == [{"model_name": "good"}]
    assert run("sql", query, "--param", "c=Coffee", "--param", "m=a=b", "--path", filled, "--json").json == []
    refused = run("sql", query, "--param", "c", "--path", filled)
    assert refused.code == 2
    assert "'c' is no parameter: give NAME=VALUE." in refused.err


def test_a_format_other_than_the_ending_is_refused(run: Run, tmp_path: Path) -> None:
    done = run("report", "--for", "presentation", "--format", "md", "--output", tmp_path / "a.html", "--path", tmp_path)
    assert refused(done, "ends with .html, and --format asks for md: give one of them")
