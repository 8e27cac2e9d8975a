"""One model over its evaluations: luck, harder windows and a worse model are told apart, and what else changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from experiments import diebold_mariano
from experiments.errors import InvalidInputError, NotFoundError
from experiments.science.evidence.multiplicity import holm
from experiments.services import evolution as evolving
from experiments.services import recorder
from experiments.services.differences import KINDS
from experiments.services.evolution import BETTER, NO_CHANGE, NOTHING_SHARED, SAME, TOO_LITTLE, WORSE, Change, Evolution
from experiments.services.ledger import connect
from experiments.services.provenance import capture
from made import backtest_row, put, run_row, specified_experiment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

DAYS = np.busday_offset("2015-01-01", np.arange(2500), roll="forward")
PRICES = 100 + np.random.default_rng(1).normal(size=len(DAYS)).cumsum()
H = 14


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("evolution")) as ledger:
        yield ledger


def errors(at: int, horizon: int = H, seed: int = 0) -> Any:
    """What the model gets wrong in a window, the same whenever it is asked."""
    return np.random.default_rng([seed, at]).normal(size=horizon)


def evaluate(
    ledger: Ledger,
    commodity: str,
    numbers: Sequence[int],
    *,
    spread: float = 1.0,
    bias: float = 0.0,
    seed: int = 0,
    horizon: int = H,
    step: int = H,
    prices: Any = PRICES,
    failed: Sequence[int] = (),
    keys: str | None = None,
    announced: int | None = None,
    **config: Any,
) -> str:
    """Log an evaluation of the windows of these numbers through the hook; returns its id."""
    settings = {
        "commodity": commodity,
        "model_type": "ARIMA",
        "training_start_date": "2015-01-01",
        "forecast_horizon_days": horizon,
        "step_size": step,
        "n_windows": announced or len(numbers),
    }
    for number in numbers:
        at = 60 + step * number
        after = slice(at + 1, at + 1 + horizon)
        window = {"cutoff": DAYS[at].item(), "day0": prices[at], "level": 100.0}
        if number in failed:
            window["error"] = "LinAlgError: no convergence"
        else:
            y_hat = prices[after] + spread * errors(at, horizon, seed) + bias
            window |= {"ds": DAYS[after].tolist(), "y": prices[after].tolist(), "y_hat": y_hat.tolist()}
        if keys is not None:
            window["window_key"] = f"{keys}-{number}"
        identity = ledger.log_experiment("mine", window, settings | config)
    return identity


def ask(ledger: Ledger, commodity: str | None = None, model: str = "mine") -> Evolution:
    return evolving.evolution(ledger.engine, model, commodity)


def changes(ledger: Ledger, commodity: str) -> list[Change]:
    return [one.change for one in ask(ledger, commodity).evaluations if one.change is not None]


def change(ledger: Ledger, commodity: str) -> Change:
    (only,) = changes(ledger, commodity)
    return only


def losses(numbers: Sequence[int], spread: float = 1.0, *, step: int = H, seed: int = 0) -> Any:
    """The losses of the windows of these numbers, computed by hand."""
    return np.array([np.mean(np.abs(spread * errors(60 + step * number, seed=seed))) for number in numbers])


def what(found: Change, kind: str | None = None) -> list[tuple[str, str | None, str | None]]:
    return [(one.what, one.before, one.after) for one in found.changed if kind in (None, one.kind)]


class TestAccuracy:
    def test_a_model_as_before_has_not_become_worse_however_hard_the_new_windows_are(self, shared: Ledger) -> None:
        calm, wild = PRICES.copy(), np.random.default_rng(2).normal(scale=9, size=len(PRICES)).cumsum()
        calm[60 + H * 40 + 1 :] += wild[60 + H * 40 + 1 :]
        ids = [evaluate(shared, "moved", range(first, first + 40), prices=calm) for first in (0, 3)]
        found = change(shared, "moved")
        assert (found.since, found.verdict, found.n_shared, found.n_revised) == (ids[0], SAME, 37, 0)
        assert (found.difference, found.pvalue, found.pvalue_holm) == (0.0, None, None)
        total = losses(range(3, 43)).mean() / losses(range(40)).mean() - 1
        assert found.total == pytest.approx(total, rel=1e-9)
        assert found.naive_total is not None
        assert found.naive_total > 0.2
        assert found.in_words == (
            f"same forecasts on 37 shared windows; over all its windows the error {moved(total)} because the windows "
            f"changed (naive's rose by {found.naive_total:.1%})"
        )
        assert [name for name, *_ in what(found)] == ["data as of"]

    @pytest.mark.parametrize(("step", "overlap"), [(14, 1), (7, 2)])
    def test_a_planted_change_is_found_named_and_taken_back(self, shared: Ledger, step: int, overlap: int) -> None:
        name = f"planted{step}"
        for numbers, spread, order in (
            (range(40), 1.0, "(1,1,1)"),
            (range(2, 42), 1.2, "(2,1,1)"),
            (range(4, 44), 1.0, "(1,1,1)"),
        ):
            evaluate(shared, name, numbers, spread=spread, step=step, hyperparameters={"order": order})
        worse, better = changes(shared, name)
        assert (worse.verdict, better.verdict) == (WORSE, BETTER)
        assert what(worse, "parameters") == [("order", "(1,1,1)", "(2,1,1)")]
        assert worse.changed[0].in_words == "order (1,1,1) to (2,1,1)"
        assert worse.overlap == overlap

        both = range(2, 40)
        before = losses(both, step=step)
        test = diebold_mariano(losses(both, 1.2, step=step), before, overlap=overlap)
        back = diebold_mariano(losses(range(4, 42), step=step), losses(range(4, 42), 1.2, step=step), overlap=overlap)
        interval = test.interval()
        assert interval is not None
        assert (worse.n_shared, worse.method) == (38, test.method)
        expected = [test.mean_difference / before.mean(), *(end / before.mean() for end in interval), test.pvalue]
        assert [worse.difference, worse.lower, worse.upper, worse.pvalue] == pytest.approx(expected, rel=1e-6)
        adjusted = holm([test.pvalue, back.pvalue])
        assert [worse.pvalue_holm, better.pvalue_holm] == pytest.approx(adjusted.tolist(), rel=1e-6)
        assert worse.in_words.startswith(
            "worse beyond luck on 38 shared windows (+20.0%, 95 % interval "
            f"{worse.lower:+.1%} to {worse.upper:+.1%}, p "
        )
        assert "after Holm); over all its windows the error rose by" in worse.in_words
        assert "relative to naive's it rose by" in worse.in_words
        assert ask(shared, name).in_words == (
            "mine: 3 evaluations, 2 changes: 1 worse beyond luck, 1 better beyond luck."
        )

    def test_another_draw_of_the_same_quality_is_luck(self, shared: Ledger) -> None:
        evaluate(shared, "luck", range(40))
        evaluate(shared, "luck", range(40), seed=9, random_seed=9)
        found = change(shared, "luck")
        assert found.verdict == NO_CHANGE
        test = diebold_mariano(losses(range(40), seed=9), losses(range(40)))
        assert found.pvalue == pytest.approx(test.pvalue, rel=1e-6)
        assert "no change beyond luck on 40 shared windows (" in found.in_words
        assert what(found) == [("random_seed", None, "9")]

    def test_what_is_raw_evidence_only_is_none_after_holm(self, shared: Ledger) -> None:
        # of several draws of the same quality the luckiest looks like a change
        for seed in range(28, 35):
            evaluate(shared, "draws", range(20), seed=seed, model_version=f"v{seed}")
        found = changes(shared, "draws")
        assert min(one.pvalue or 1 for one in found) < 0.05
        assert {one.verdict for one in found} == {NO_CHANGE}
        assert [one.pvalue_holm for one in found] == pytest.approx(holm([one.pvalue or 1 for one in found]).tolist())

    def test_rounding_is_no_difference(self, shared: Ledger) -> None:
        evaluate(shared, "rounded", range(20))
        evaluate(shared, "rounded", range(20), spread=1 + 1e-8, code_fingerprint="new")
        assert change(shared, "rounded").verdict == SAME
        assert change(shared, "rounded").in_words == "same forecasts on 20 shared windows"

    @pytest.mark.parametrize(("step", "needed"), [(14, 8), (1, 28)])
    def test_too_few_windows_are_said_to_be(self, shared: Ledger, step: int, needed: int) -> None:
        name = f"few{step}"
        evaluate(shared, name, range(5), step=step)
        evaluate(shared, name, range(5), step=step, spread=3.0, model_version="v2")
        found = change(shared, name)
        assert (found.verdict, found.pvalue, found.lower) == (TOO_LITTLE, None, None)
        assert found.difference == pytest.approx(2.0)
        assert found.in_words.startswith(
            f"not enough evidence: 5 shared windows, {needed} needed; over all its windows"
        )

    def test_a_few_windows_forecast_as_before_explain_nothing(self, shared: Ledger) -> None:
        evaluate(shared, "edge", range(20))
        evaluate(shared, "edge", range(18, 38))
        found = change(shared, "edge")
        assert found.verdict == SAME
        assert "same forecasts on 2 shared windows; over all its windows the error" in found.in_words
        assert "because" not in found.in_words

    def test_a_difference_without_variance_is_not_tested(self, shared: Ledger) -> None:
        evaluate(shared, "constant", range(20), spread=0.0, bias=1.0)
        evaluate(shared, "constant", range(20), spread=0.0, bias=2.0, model_version="v2")
        found = change(shared, "constant")
        assert found.verdict == TOO_LITTLE
        assert "not enough evidence: 20 shared windows, the difference is the same in every window" in found.in_words

    def test_after_a_perfect_one_there_is_no_percentage(self, shared: Ledger) -> None:
        evaluate(shared, "perfect", range(20), spread=0.0)
        evaluate(shared, "perfect", range(20), model_version="v2")
        found = change(shared, "perfect")
        assert (found.verdict, found.total, found.difference, found.lower) == (WORSE, None, None, None)
        assert found.in_words == "worse beyond luck on 20 shared windows (p < 0.001 after Holm)"

    def test_without_a_shared_window_only_naive_tells(self, shared: Ledger) -> None:
        evaluate(shared, "apart", range(20))
        evaluate(shared, "apart", range(20, 40))
        found = change(shared, "apart")
        assert (found.verdict, found.n_shared, found.difference, found.pvalue) == (NOTHING_SHARED, 0, None, None)
        assert found.in_words.startswith("no shared window; over all its windows the error")

    def test_windows_of_a_finer_grid_are_compared_where_the_coarser_has_them(self, shared: Ledger) -> None:
        evaluate(shared, "grids", range(20), step=14)
        evaluate(shared, "grids", range(40), step=7)
        found = change(shared, "grids")
        assert (found.verdict, found.n_shared, found.overlap) == (SAME, 20, 1)
        assert what(found, "backtest") == [("step_size", "14", "7"), ("n_windows", "20", "40")]


def moved(share: float) -> str:
    return f"{'rose' if share > 0 else 'fell'} by {abs(share):.1%}"


class TestData:
    @pytest.mark.parametrize("kind", ["level", "shape", "day0"])
    def test_windows_with_revised_actuals_are_counted_not_compared(self, shared: Ledger, kind: str) -> None:
        name, revised = f"revised_{kind}", PRICES.copy()
        for number in range(5):
            at = 60 + H * number
            if kind == "level":
                revised[at : at + H] += 2.0  # naive's errors but the last stay as they are
            elif kind == "shape":
                revised[[at + 3, at + 4]] = revised[[at + 4, at + 3]]
            else:
                revised[at] += 0.01
        evaluate(shared, name, range(20), dataset_version="old" * 8)
        evaluate(shared, name, range(20), prices=revised, dataset_version="new" * 8)
        found = change(shared, name)
        assert (found.n_revised, found.n_shared, found.verdict) == (5, 15, SAME)
        assert found.in_words.endswith("5 windows not compared: other actuals")
        assert what(found) == [
            ("dataset up to the same day", "old" * 8, "new" * 8),
            ("windows with revised actuals", "0", "5"),
        ]

    def test_other_dates_are_other_actuals(self, shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluate(shared, "dates", range(20))
        later = DAYS.copy()
        last = 60 + H * 19 + H  # the last step of the last window
        later[last:] += 1
        monkeypatch.setattr(sys.modules[__name__], "DAYS", later)
        evaluate(shared, "dates", range(20), model_version="v2")
        assert (change(shared, "dates").n_revised, change(shared, "dates").n_shared) == (1, 19)

    def test_other_training_data_are_seen_by_the_key_of_a_window(self, shared: Ledger) -> None:
        evaluate(shared, "history", range(20), keys="a", code_fingerprint="f", dataset_version="d1")
        evaluate(shared, "history", range(20), keys="b", code_fingerprint="f", dataset_version="d2")
        evaluate(shared, "history", range(20), keys="c", code_fingerprint="g", dataset_version="d2")
        data, code = changes(shared, "history")
        assert what(data) == [
            ("dataset up to the same day", "d1", "d2"),
            ("shared windows with other training data", "0", "20"),
        ]
        assert what(code) == [("code", "f", "g")]

    def test_the_name_of_the_data(self, shared: Ledger) -> None:
        evaluate(shared, "named", range(10), data_version="prices@v3")
        evaluate(shared, "named", range(10), data_version="prices@v4")
        assert what(change(shared, "named")) == [("data version", "prices@v3", "prices@v4")]


class TestWhatElseChanged:
    def test_parameters_features_and_definition(self, shared: Ledger) -> None:
        evaluate(
            shared,
            "settings",
            range(10),
            hyperparameters={"order": (1, 1, 1), "trend": "c", "same": 7},
            feature_config={"vix": False, "weather": True},
            covariates={"vix": "observed"},
            train_size=500,
            random_seed=7,
        )
        evaluate(
            shared,
            "settings",
            range(9),
            hyperparameters={"order": (2, 1, 1), "same": 7, "seasonal": True},
            feature_config={"vix": True, "other": False},
            covariates={"vix": "known", "other": "observed"},
            model_version="v2",
            model_type="SARIMAX",
        )
        found = change(shared, "settings")
        assert what(found, "model") == [("model version", "v1", "v2"), ("model type", "ARIMA", "SARIMAX")]
        assert what(found, "parameters") == [
            ("random_seed", "7", None),
            ("order", "[1, 1, 1]", "[2, 1, 1]"),
            ("seasonal", None, "true"),
            ("trend", "c", None),
        ]
        assert what(found, "features") == [("vix", "no", "yes"), ("weather", "yes", "no")]
        assert what(found, "backtest") == [
            ("n_windows", "10", "9"),
            ("train_size", "500", "all"),
            ("covariate other", None, "observed"),
            ("covariate vix", "observed", "known"),
        ]
        assert [one.kind for one in found.changed] == sorted((one.kind for one in found.changed), key=KINDS.index)
        assert "trend c to none" in [one.in_words for one in found.changed]

    def test_code_and_environment(self, shared: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        def at(version: str, python: str, commit: str, *, dirty: bool) -> None:
            packages = {"numpy": version, "scipy": "1.17.1"} | ({"arch": "8.0.0"} if dirty else {})
            snapshot = {
                "environment_id": version,
                "python_version": python,
                "platform": "Linux",
                "hardware_config": "local: 2 cores",
                "packages": packages,
                "variables": {"OMP_NUM_THREADS": "1"} if dirty else {},
            }
            now = dataclasses.replace(capture(), environment=snapshot, git_commit=commit, git_dirty=dirty)
            monkeypatch.setattr(recorder, "capture", lambda _: now)

        at("2.1.0", "3.11.9", "0123456789abcdef" * 2, dirty=False)
        evaluate(shared, "moved_house", range(10), code_fingerprint="0123456789abcdef")
        at("2.2.0", "3.12.1", "fedcba9876543210" * 2, dirty=True)
        evaluate(shared, "moved_house", range(10), code_fingerprint="fedcba9876543210")
        found = change(shared, "moved_house")
        assert [one.in_words for one in found.changed] == [
            "code 012345678 to fedcba987",
            "commit 012345678 to fedcba987",
            "uncommitted changes no to yes",
            "Python 3.11.9 to 3.12.1",
            "arch none to 8.0.0",
            "numpy 2.1.0 to 2.2.0",
            "OMP_NUM_THREADS none to 1",
        ]

    def test_of_an_unknown_environment_nothing_is_claimed(self, shared: Ledger) -> None:
        when = dt.datetime(2025, 1, 11, tzinfo=dt.UTC)
        put(shared, "backtests", backtest_row(backtest_id="bare", commodity="bare"))
        for day, figures in enumerate(({"mae_path": 1.0}, {"mae_path": 2.0, "naive_mae_path": 1.0})):
            row = {"model_name": "mine", "backtest_id": "bare", "commodity": "bare", "unique_id": "bare"}
            put(
                shared,
                "model_runs",
                run_row(run_timestamp=when + dt.timedelta(days=day), environment_id=f"e{day}", **row, **figures),
            )
        found = change(shared, "bare")
        assert (found.changed, found.verdict, found.total, found.naive_total) == ((), NOTHING_SHARED, 1.0, None)
        assert found.in_words == "no shared window; over all its windows the error rose by 100.0%"


class TestFailedWindows:
    def test_they_are_told_and_take_no_part(self, shared: Ledger) -> None:
        evaluate(shared, "failing", range(20))
        evaluate(shared, "failing", range(20), failed=(2, 3, 7), code_fingerprint="new")
        found = change(shared, "failing")
        assert (found.verdict, found.n_shared) == (SAME, 17)
        assert what(found, "windows") == [("failed windows", "0", "3")]
        assert "over all its windows the error" in found.in_words

    def test_an_evaluation_of_failures_only_shares_nothing(self, shared: Ledger) -> None:
        evaluate(shared, "broken", range(10))
        evaluate(shared, "broken", range(10), failed=range(10), code_fingerprint="new")
        evaluate(shared, "broken", range(10), code_fingerprint="newer")
        down, up = changes(shared, "broken")
        assert (down.verdict, down.in_words, down.total) == (NOTHING_SHARED, "no shared window", None)
        assert (up.verdict, up.in_words) == (NOTHING_SHARED, "no shared window")
        assert ("failed windows", "0", "10") in what(down)


class TestSeveral:
    def test_series_horizons_and_commodities_are_never_mixed(self, shared: Ledger) -> None:
        for first in (0, 1):
            evaluate(shared, "many", range(first, first + 10), unique_id="a")
            evaluate(shared, "many", range(first, first + 10), unique_id="b", seed=3)
            evaluate(shared, "many", range(first, first + 10), unique_id="a", horizon=7, step=7)
        evaluate(shared, "many", range(10), unique_id="c")
        found = ask(shared, "many")
        assert [(one.unique_id, one.horizon, one.change is None) for one in found.evaluations] == [
            ("a", 7, True),
            ("a", 7, False),
            ("a", 14, True),
            ("a", 14, False),
            ("b", 14, True),
            ("b", 14, False),
            ("c", 14, True),
        ]
        assert {one.verdict for one in changes(shared, "many")} == {SAME}
        assert found.in_words == "mine: 7 evaluations, 3 changes: 3 same forecasts."
        everywhere = ask(shared)
        assert {one.commodity for one in everywhere.evaluations} > {"many", "luck"}
        own = tuple(one for one in everywhere.evaluations if one.commodity == "many")
        assert [one.experiment_id for one in own] == [one.experiment_id for one in found.evaluations]

    def test_two_queries_whatever_the_number_of_evaluations(
        self, shared: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        for name in ("select", "select_among"):
            query = getattr(evolving, name)
            monkeypatch.setattr(
                evolving,
                name,
                lambda engine, statement, *more, query=query, **rest: (
                    asked.append(statement) or query(engine, statement, *more, **rest)
                ),
            )
        for first in range(4):
            evaluate(shared, "queries", range(first, first + 3))
        assert len(ask(shared, "queries").evaluations) == 4
        assert asked == ["evaluations_of", "evaluated_windows"]


class TestNothingToCompare:
    def test_a_single_evaluation(self, shared: Ledger) -> None:
        evaluate(shared, "single", range(10))
        found = ask(shared, "single")
        assert [one.change for one in found.evaluations] == [None]
        assert found.in_words == "mine has 1 finished evaluation: there is nothing to compare yet."

    def test_each_series_evaluated_once(self, shared: Ledger) -> None:
        for unique_id in ("a", "b"):
            evaluate(shared, "once", range(10), unique_id=unique_id)
        assert ask(shared, "once").in_words == (
            "mine has 2 finished evaluations, each the only one of its series and horizon: there is nothing to compare "
            "yet."
        )

    def test_reported_and_unfinished_ones(self, shared: Ledger) -> None:
        shared.write_experiments([specified_experiment() | {"commodity": "told", "model_name": "mine"}])
        assert ask(shared, "told").in_words == (
            "mine has no finished evaluation of told computed here, only 1 reported by callers: there is nothing to "
            "compare."
        )
        evaluate(shared, "told", range(3), announced=10)
        shared.finish()
        found = ask(shared, "told")
        assert found.evaluations == ()
        assert "only 1 reported by callers and 1 not finished:" in found.in_words

    def test_unknown_names_are_refused_with_the_nearest(self, shared: Ledger) -> None:
        evaluate(shared, "Coffee", range(3))
        with pytest.raises(NotFoundError, match=r"unknown model of Coffee 'mime'. Did you mean 'mine'\? Known: mine\."):
            ask(shared, "Coffee", "mime")
        with pytest.raises(NotFoundError, match="unknown model 'mime'"):
            ask(shared, None, "mime")
        with pytest.raises(NotFoundError, match=r"unknown commodity 'coffe'. Did you mean 'Coffee'\?"):
            ask(shared, "coffe")

    def test_what_is_no_name_is_refused(self, shared: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="model_name is 7: give the name of a model, such as 'arima'"):
            ask(shared, None, 7)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="commodity is ''"):
            ask(shared, "")
