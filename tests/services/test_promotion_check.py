"""The promotion check: what is in production against the latest evidence, each case in words; nothing is decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.errors import NotFoundError
from experiments.services.decisions import active
from experiments.services.ledger import connect
from experiments.services.promotion_check import Check, check_promotions
from experiments.storage.table import commit
from made import counts, put, put_losses, run_row, specified_experiment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N = 24
RANDOM = np.random.default_rng(7)
NAIVE = (2.0 + RANDOM.uniform(0, 1, N)).tolist()
GONE = "the production model's evaluation is gone: promote another"


def about(factor: float) -> list[float]:
    return [factor * loss + 0.05 * RANDOM.uniform() for loss in NAIVE]


COFFEE = {"naive": NAIVE, "best": about(0.5), "good": about(0.7), "poor": about(1.4)}
# as good as the better of two: told from naive, not from one another
TEA = {"naive": NAIVE, "one": [0.7 * a for a in NAIVE], "other": [0.7 * a - 0.01 * RANDOM.normal() for a in NAIVE]}
LUCK = {"naive": NAIVE, "even": [a + 0.8 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Four commodities, each checked by the tests in turn."""
    with connect(tmp_path_factory.mktemp("checked")) as ledger:
        for commodity, losses in (("Coffee", COFFEE), ("Tea", TEA), ("Luck", LUCK)):
            put_losses(ledger, commodity, losses, naive=NAIVE)
        ledger.write_experiments([specified_experiment() | {"commodity": "Told"}])
        yield ledger


@pytest.fixture(autouse=True)
def _own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(active.SETTING, str(tmp_path / "registry.toml"))


def of(ledger: Ledger, commodity: str) -> Check:
    (found,) = check_promotions(ledger, commodity)
    return found


def test_with_nothing_in_production_the_best_is_to_be_promoted(whole: Ledger) -> None:
    found = of(whole, "Coffee")
    assert (found.in_production, found.evaluation_there, found.production_verdict) == (None, None, None)
    assert (found.follows, found.candidate) == ("promote", "best")
    assert found.words.startswith("promote best: better than naive: its error is ")
    assert found.command == "experiments promote best --commodity Coffee"


def test_where_no_model_beats_naive_none_is(whole: Ledger) -> None:
    found = of(whole, "Luck")
    assert (found.follows, found.candidate, found.command) == ("none", "even", None)
    assert found.words == "no model beats naive beyond luck on Luck: use naive"
    whole.decisions.promote("naive", "Luck")
    assert of(whole, "Luck").follows == "keep"
    whole.decisions.promote("even", "Luck", force=True, reason="a trial")
    found = of(whole, "Luck")
    assert found.words == (
        "no model beats naive beyond luck on Luck, even neither: promote naive, or keep it knowing that"
    )
    assert found.command == "experiments promote naive --commodity Luck"


def test_a_better_one_replaces_what_is_in_production_and_one_as_good_does_not(whole: Ledger) -> None:
    whole.decisions.promote("good", "Coffee")
    found = of(whole, "Coffee")
    assert (found.in_production, found.evaluation_there, found.follows) == ("good", True, "promote")
    assert "better than naive" in str(found.production_verdict)
    whole.decisions.promote("best", "Coffee")
    found = of(whole, "Coffee")
    assert (found.follows, found.words, found.command) == (
        "keep",
        "keep; good is not shown to be better than it",
        None,
    )
    whole.decisions.promote("one", "Tea")
    found = of(whole, "Tea")
    assert (found.candidate, found.follows) == ("other", "keep")


def test_reported_figures_cannot_be_checked_and_that_is_said(whole: Ledger) -> None:
    found = of(whole, "Told")
    assert (found.follows, found.in_production, found.command) == ("untested", None, None)
    assert found.words.startswith("there is no finished backtest of Told to check by")


def test_all_at_once_and_one_that_fails_does_not_stop_the_rest(whole: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts(whole)
    assert [one.commodity for one in check_promotions(whole)] == ["Coffee", "Luck", "Tea", "Told"]
    assert counts(whole) == before
    with pytest.raises(NotFoundError, match="unknown commodity 'Cofee'"):
        check_promotions(whole, "Cofee")
    candidates = type(whole).candidates

    def fail(self: Ledger, commodity: str, *more: object) -> object:
        if commodity == "Luck":
            raise ZeroDivisionError("by nothing")
        return candidates(self, commodity, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(whole), "candidates", fail)
    found = {one.commodity: one for one in check_promotions(whole)}
    assert found["Luck"].error == "ZeroDivisionError: by nothing"
    assert [name for name, one in found.items() if one.error] == ["Luck"]


def test_what_happened_since_is_told(ledger: Ledger) -> None:
    assert check_promotions(ledger) == []
    ids = put_losses(ledger, "Coffee", COFFEE, naive=NAIVE)
    ledger.decisions.promote("poor", "Coffee", force=True, reason="a trial")
    found = of(ledger, "Coffee")
    assert (found.follows, found.candidate) == ("promote", "best")
    assert "worse than naive" in str(found.production_verdict)

    ledger.decisions.promote("good", "Coffee")
    commit(ledger.engine, f"delete from model_runs where experiment_id = '{ids['good']}'")  # noqa: S608
    found = of(ledger, "Coffee")
    assert (found.in_production, found.evaluation_there) == ("good", False)
    assert found.production_verdict == "not in the latest backtest"
    assert (found.follows, found.words) == ("gone", f"{GONE}, such as best")
    assert found.command == "experiments promote best --commodity Coffee"

    commit(ledger.engine, "delete from model_runs where model_name = 'best'")
    found = of(ledger, "Coffee")
    assert (found.follows, found.words) == ("gone", f"{GONE}; no model of Coffee beats naive beyond luck")
    assert found.command == "experiments promote naive --commodity Coffee"
    commit(ledger.engine, "delete from model_runs")
    put(ledger, "model_runs", run_row(metrics_source="reported"))
    assert (of(ledger, "Coffee").follows, of(ledger, "Coffee").evaluation_there) == ("untested", False)
