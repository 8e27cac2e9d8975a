"""Some models against each other: the pairs, their halves, and the pictures."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.multiplicity import holm
from experiments.services.ledger import connect
from experiments.services.plots import check_target, plot_comparison, plot_leaderboard
from made import put_losses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.services.comparison import Comparison
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N = 40
RANDOM = np.random.default_rng(5)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
GOOD = [a - 0.7 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]
ONCE = [a - 1.4 * (n >= N // 2) + 0.1 * e for n, (a, e) in enumerate(zip(NAIVE, RANDOM.normal(size=N), strict=True))]
TURNED = [a + (0.4 if n < N // 2 else -1.2) for n, a in enumerate(GOOD)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("comparison")) as ledger:
        models = {"naive": NAIVE, "good": GOOD, "once": ONCE, "turned": TURNED, "hole": [None, *GOOD[1:]]}
        put_losses(ledger, "Coffee", models, naive=NAIVE)
        yield ledger


@pytest.fixture(scope="module")
def compared(shared: Ledger) -> list[Comparison]:
    return shared.compare(["good", "naive", "once"], "Coffee")


def test_every_metric_and_every_pair_in_the_order_asked_for(compared: list[Comparison]) -> None:
    assert [one.metric for one in compared] == ["mae_path", "mae_1day", "mae_7day", "mae_14day"]
    pairs = [("good", "naive"), ("good", "once"), ("naive", "once")]
    assert all([(pair.model, pair.other) for pair in one.pairs] == pairs for one in compared)


def test_figures_are_those_of_the_tests(compared: list[Comparison]) -> None:
    losses = {"good": GOOD, "naive": NAIVE, "once": ONCE}
    tests = [diebold_mariano(losses[pair.model], losses[pair.other]) for pair in compared[0].pairs]
    adjusted = holm([test.pvalue for test in tests])
    for pair, test, corrected in zip(compared[0].pairs, tests, adjusted, strict=True):
        assert pair.pvalue == pytest.approx(test.pvalue, rel=1e-9)
        assert pair.pvalue_holm == pytest.approx(corrected, rel=1e-9)
        assert (pair.lower, pair.upper) == pytest.approx(test.interval(), rel=1e-9)
        difference = np.array(losses[pair.model]) - np.array(losses[pair.other])
        assert pair.first_half == pytest.approx(difference[: N // 2].mean())
        assert pair.second_half == pytest.approx(difference[N // 2 :].mean())
        assert pair.win_share == pytest.approx(np.mean(difference < 0))


def test_whether_a_difference_holds_in_both_halves_is_said(shared: Ledger) -> None:
    steady, turned = (shared.compare([name, "naive"], "Coffee")[0] for name in ("good", "turned"))
    assert steady.told(steady.pairs[0]) == "good is better, in both halves"
    first, second = turned.pairs[0].first_half, turned.pairs[0].second_half
    assert first is not None
    assert second is not None
    assert turned.told(turned.pairs[0]) == "turned is better, in both halves"
    late = shared.compare(["once", "good"], "Coffee")[0]
    assert late.told(late.pairs[0]) == "no evidence of a difference"


def test_only_the_windows_of_the_named_count(shared: Ledger) -> None:
    assert len(shared.compare(["good", "naive"], "Coffee")[0].losses) == N
    holed = shared.compare(["hole", "naive"], "Coffee")[0]
    assert (len(holed.losses), holed.n_windows) == (N - 1, N)
    assert holed.naive_loss == pytest.approx(np.mean(NAIVE[1:]))


def test_limits_hold_at_every_look(shared: Ledger) -> None:
    two = shared.compare(["good", "naive"], "Coffee")[0]
    assert two.limits is not None
    assert np.isnan(two.limits.upper[:7]).all()
    assert two.limits.upper[-1] < 0, "good is better, however often one looked"
    assert shared.compare(["good", "naive", "once"], "Coffee")[0].limits is None


@pytest.mark.parametrize("models", [[], ["good"], ["good", "good"]])
def test_too_few_to_compare(shared: Ledger, models: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="name two or more, each once"):
        shared.compare(models, "Coffee")


def test_an_unknown_model_is_named_and_the_nearest_suggested(shared: Ledger) -> None:
    with pytest.raises(NotFoundError, match=r"'goood'. Did you mean 'good'\? Known: good, hole, naive, once, turned"):
        shared.compare(["goood", "naive"], "Coffee")


def test_naive_that_nobody_logged_can_be_named(ledger: Ledger) -> None:
    put_losses(ledger, "Coffee", {"good": GOOD}, naive=NAIVE)
    (pair,) = ledger.compare(["good", "naive"], "Coffee")[0].pairs
    assert pair.pvalue == pytest.approx(diebold_mariano(GOOD, NAIVE).pvalue)


def test_a_copy_up_to_float32_is_no_other_model(ledger: Ledger) -> None:
    copy = [a + 1e-6 * (-1) ** n for n, a in enumerate(GOOD)]
    put_losses(ledger, "Coffee", {"good": GOOD, "copy": copy}, naive=NAIVE)
    (pair,) = ledger.compare(["good", "copy"], "Coffee")[0].pairs
    assert (pair.pvalue, pair.difference) == (None, 0.0)


def test_models_of_older_data_are_compared_on_their_own_windows(ledger: Ledger) -> None:
    put_losses(ledger, "Coffee", {"good": GOOD, "once": ONCE}, naive=NAIVE)
    later = dt.date(2024, 1, 1)
    put_losses(
        ledger,
        "Coffee",
        {"newer": GOOD},
        naive=NAIVE,
        first=later,
        changes={"newer": {"data_as_of": dt.date(2026, 1, 1)}},
    )
    assert len(ledger.compare(["good", "once"], "Coffee")[0].losses) == N
    assert ledger.leaderboard("Coffee").set_index("model_name")["evidence_note"]["good"] == (
        "evaluated on older data: none of these windows"
    )


class TestPlots:
    @pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
    def test_a_leaderboard(self, shared: Ledger, tmp_path: Path, ending: str) -> None:
        target = tmp_path / f"board.{ending}"
        assert plot_leaderboard([shared.leaderboard("Coffee")], target) == target
        assert target.stat().st_size > 5_000

    def test_what_it_shows(self, shared: Ledger, tmp_path: Path) -> None:
        target = plot_leaderboard([shared.leaderboard("Coffee")], tmp_path / "board.svg")
        text = target.read_text()
        words = ("good", "hole", "accuracy against cost", "expected of 1, once selected", "39 shared windows")
        assert [word for word in words if word not in text] == []

    def test_models_without_times_or_tests(self, ledger: Ledger, tmp_path: Path) -> None:
        put_losses(
            ledger, "Tea", {"good": GOOD[:3]}, naive=NAIVE[:3], changes={"good": {"execution_time_seconds": None}}
        )
        target = plot_leaderboard([ledger.leaderboard("Tea")], tmp_path / "board.svg")
        assert "no times are recorded" in target.read_text()

    @pytest.mark.parametrize("models", [["good", "naive"], ["good", "naive", "once", "hole"]])
    def test_a_comparison(self, shared: Ledger, tmp_path: Path, models: list[str]) -> None:
        target = plot_comparison(shared.compare(models, "Coffee"), tmp_path / "compared.svg")
        text = target.read_text()
        assert text.count("second half") == 4 * 1
        assert ("at every look" in text) == (len(models) == 2)

    def test_a_comparison_without_a_shared_window(self, ledger: Ledger, tmp_path: Path) -> None:
        half = N // 2
        put_losses(
            ledger, "Tea", {"a": [*GOOD[:half], *[None] * half], "b": [*[None] * half, *GOOD[half:]]}, naive=NAIVE
        )
        found = ledger.compare(["a", "b"], "Tea")
        assert found[0].pairs[0].difference is None
        assert found[0].limits is None
        assert "no shared window" in plot_comparison(found, tmp_path / "none.svg").read_text()

    @pytest.mark.parametrize(
        ("name", "said"), [("board.txt", "is no picture: end it with"), ("none/board.png", "there is no folder")]
    )
    def test_a_target_that_cannot_be(self, tmp_path: Path, name: str, said: str) -> None:
        with pytest.raises(InvalidInputError, match=said):
            check_target(tmp_path / name)

    def test_without_matplotlib(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
        with pytest.raises(EngineError, match=r"experiment-ledger\[plots\]"):
            check_target(tmp_path / "board.png")

    def test_a_file_that_cannot_be_written(self, shared: Ledger, tmp_path: Path) -> None:
        (tmp_path / "board.png").mkdir()
        with pytest.raises(EngineError, match="cannot be written"):
            plot_leaderboard([shared.leaderboard("Coffee")], tmp_path / "board.png")
