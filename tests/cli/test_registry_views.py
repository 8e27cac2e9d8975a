"""`experiments registry lineage`, `compare` and `card`: what they print and write."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from command import Done, refused
from experiments.cli.registry import registry as group
from experiments.cli.registry_views import card, compare, lineage
from registered import HOSTILE, family

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command import Run
    from experiments.services.registry.registry import ModelRegistry

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    yield from family(tmp_path_factory)


@pytest.fixture(autouse=True)
def _opened(models: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is open already, which saves each command half a second."""
    monkeypatch.setattr("experiments.cli.registry_views.open_registry", lambda path, engine: nullcontext(models))


def squeezed(done: Done) -> str:
    """What was printed, with single spaces: wide cells are broken over lines."""
    assert (done.code, done.err) == (0, "")
    return " ".join(done.out.split())


def test_lineage_is_printed_drawn_and_told(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "lineage.svg"
    done = run("registry", "lineage", "spread@challenger", "--plot", target)
    assert done.out.startswith("spread 1.0.1 (model 5): Ridge, challenger since ")
    assert done.out.endswith(f"\nDrawn in {target}.\n")
    assert target.read_bytes().startswith(b"<?xml")
    told = run("registry", "lineage", "5", "--json").json
    assert [one["model_id"] for one in told["ancestors"]] == [4, 2, 3, 1]
    assert told["model"]["metrics"]["mae"] is None
    assert refused(run("registry", "lineage", "nobody"), "unknown model 'nobody'")
    assert refused(run("registry", "lineage", "5", "--plot", "x.gif"), "is no picture")


def test_versions_are_compared(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "both.png"
    out = squeezed(run("registry", "compare", "spread/1.0.0", "spread/1.0.1", "--plot", target))
    for words in (
        "a spread 1.0.0 (model 4), champion b spread 1.0.1 (model 5), challenger",
        "spread 1.0.1 is better in 1 of 3 metrics (f1).",
        "f1 0.7 0.72 0.02 b",
        "mae 1 NaN NaN a",
        "auc 0.9 0.9 0 -",
        "hyperparameters: 2 of 3 differ",
        "alpha 0.1 0.2",
        "environment: the same (",
        f"Drawn in {target}.",
    ):
        assert words in out, words
    assert "Python" not in out
    out = squeezed(run("registry", "compare", "blend/1.0.0", "blend/1.0.1"))
    assert "metrics: none is recorded of either evaluations: none is recorded of either" in out
    told = run("registry", "compare", "4", "5", "--json").json
    f1 = {"name": "f1", "a": 0.7, "b": 0.72, "same": False, "mode": "max", "better": "b"}
    assert told["sections"]["metrics"][0] == f1


def test_what_is_the_same_is_shown_too_and_a_long_section_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.cli.registry_views._MOST", 1)
    out = squeezed(run("registry", "compare", "4", "5", "--all"))
    assert "... and 3 more: --json has them all." in out
    assert "Python 3.11.9 3.11.9" in out


def test_a_card_is_printed_or_written(run: Run, tmp_path: Path) -> None:
    done = run("registry", "card", "spread/1.0.1")
    assert done.out.startswith("# spread 1.0.1\n\n*Ridge, challenger since ")
    assert HOSTILE not in done.out  # escaped
    target = tmp_path / "card.html"
    assert run("registry", "card", "5", "--output", target).out == f"Wrote the card of spread 1.0.1 to {target}.\n"
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert refused(run("registry", "card", "5", "--output", "card.txt"), "is no model card")


def test_each_shows_an_example(run: Run) -> None:
    for command in (lineage, compare, card):
        assert command in group.commands.values()
        assert f"Example: experiments registry {command.name}" in squeezed(run("registry", str(command.name), "--help"))
