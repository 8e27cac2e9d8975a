"""Leaderboards: models on the windows they share, the evidence, what was known when, and the same from SQL alone."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from experiments import backtest, choose
from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.science.evidence.diebold_mariano import diebold_mariano
from experiments.science.evidence.multiplicity import holm
from experiments.services.answers import in_words
from experiments.services.ledger import connect
from made import STARTED, counts, put, put_losses, run_row, versions, windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N = 40
RANDOM = np.random.default_rng(3)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
NOISE = {name: RANDOM.normal(size=N) for name in ("winner", "loser", "other")}
BETTER = [a - 0.8 + 0.2 * e for a, e in zip(NAIVE, NOISE["winner"], strict=True)]
WORSE = [a + 0.8 + 0.2 * abs(e) for a, e in zip(NAIVE, NOISE["loser"], strict=True)]
LIKE = [abs(a + 0.05 * e) for a, e in zip(NAIVE, NOISE["other"], strict=True)]
UNCLEAR = [abs(a - 0.05 + 0.7 * e) for a, e in zip(NAIVE, NOISE["other"], strict=True)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("evidence")) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def board(shared: Ledger) -> pd.DataFrame:
    """Naive and five models, each another case."""
    models: dict[str, Sequence[float | None]] = {
        "naive": NAIVE,
        "better": BETTER,
        "worse": WORSE,
        "like": LIKE,
        "unclear": UNCLEAR,
        "copy": [a * (1 + 1e-9) for a in NAIVE],
        "holes": [None] * 5 + BETTER[5:],
        "hole": [None, *UNCLEAR[1:]],
        "broken": [None] * N,
    }
    put_losses(shared, "Coffee", models, naive=NAIVE)
    return shared.leaderboard("Coffee")


def by_model(board: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["model_name"]: row for row in board.to_dict("records")}


class TestLeaderboard:
    def test_every_verdict_in_its_case(self, board: pd.DataFrame) -> None:
        assert {name: row["verdict"] for name, row in by_model(board).items()} == {
            "naive": "the baseline",
            "better": "better than naive",
            "worse": "worse than naive",
            "like": "equal to naive",
            "unclear": "not enough evidence",
            "hole": "not enough evidence",
            "copy": "same forecasts as naive",
            "holes": "not compared",
            "broken": "not compared",
        }

    def test_models_are_compared_on_the_windows_all_share(self, board: pd.DataFrame) -> None:
        rows = by_model(board)
        # one hole is within the 10 % a model may lack and takes its window from all; five are not, and take none
        assert set(board["n_shared"]) == {N - 1}
        assert rows["better"]["loss"] == pytest.approx(np.mean(BETTER[1:]), rel=1e-12)
        assert rows["better"]["mae_path"] != rows["better"]["loss"]
        assert rows["holes"]["evidence_note"] == "35 of 40 windows: 90% are needed to compare on shared ones"
        assert rows["broken"]["evidence_note"] == "no window succeeded"
        assert [row["model_name"] for row in board.to_dict("records") if math.isnan(row["place"])] == [
            "broken",
            "holes",
        ]

    def test_places_follow_the_loss(self, board: pd.DataFrame) -> None:
        placed = board[board["place"].notna()]
        assert placed["place"].tolist() == list(range(1, 8))
        assert placed["loss"].is_monotonic_increasing
        assert placed["model_name"].iloc[0] == "better"

    def test_the_figures_are_those_of_the_tests(self, board: pd.DataFrame) -> None:
        rows = by_model(board)
        losses = {"better": BETTER, "worse": WORSE, "like": LIKE, "unclear": UNCLEAR, "hole": UNCLEAR}
        tests = {name: diebold_mariano(own[1:], NAIVE[1:]) for name, own in losses.items()}
        adjusted = holm([test.pvalue for test in tests.values()])
        for (name, test), corrected in zip(tests.items(), adjusted, strict=True):
            row = rows[name]
            assert row["dm_test_vs_naive"] == pytest.approx(test.statistic, rel=1e-9)
            assert row["dm_pvalue"] == pytest.approx(test.pvalue, rel=1e-9)
            assert row["dm_pvalue_holm"] == pytest.approx(corrected, rel=1e-9)
            assert (row["naive_lower"], row["naive_upper"]) == pytest.approx(test.interval(), rel=1e-9)
            assert row["naive_difference"] == pytest.approx(np.mean(losses[name][1:]) - np.mean(NAIVE[1:]))
            assert row["skill"] == pytest.approx(1 - np.mean(losses[name][1:]) / np.mean(NAIVE[1:]))
        won = np.mean(np.array(UNCLEAR[1:]) < np.array(NAIVE[1:]))
        assert rows["unclear"]["naive_win_share"] == pytest.approx(won)
        assert set(board["n_tested"]) == {5}
        to_leader = diebold_mariano(LIKE[1:], BETTER[1:])
        assert rows["like"]["leader_pvalue"] == pytest.approx(to_leader.pvalue, rel=1e-9)
        assert rows["like"]["leader_difference"] == pytest.approx(to_leader.mean_difference)
        assert math.isnan(rows["better"]["leader_difference"])
        assert rows["naive"]["leader_difference"] == pytest.approx(-rows["better"]["naive_difference"])

    def test_the_confidence_set_holds_the_best_and_not_the_rest(self, board: pd.DataFrame) -> None:
        rows = by_model(board)
        assert rows["better"]["in_confidence_set"] is True
        assert not any(rows[name]["in_confidence_set"] for name in ("worse", "like", "naive", "copy"))
        assert rows["holes"]["in_confidence_set"] is None

    def test_what_would_tell(self, board: pd.DataFrame) -> None:
        rows = by_model(board)
        assert rows["unclear"]["windows_to_tell"] > N - 1
        assert math.isnan(rows["better"]["windows_to_tell"])
        told = in_words(board.set_index("model_name").loc["unclear"])
        needed = int(rows["unclear"]["windows_to_tell"])
        assert told.startswith(f"not enough evidence: {needed:,} windows would tell (+")
        assert told.endswith((" months)", " years)"))
        assert in_words(board.set_index("model_name").loc["like"]).startswith("equal to naive within ")
        assert 0 < rows["like"]["equal_within"] <= 0.05 < rows["unclear"]["detectable"]

    def test_the_choice_and_what_to_expect_of_it(self, shared: Ledger, board: pd.DataFrame) -> None:
        choice = choose(shared, "Coffee")
        assert choice.model == "better"
        assert "after Holm's correction for 5 models" in choice.reason
        assert "Corrected for having been selected, expect" in choice.reason
        corrected = board["leader_loss_corrected"].iloc[0]
        assert corrected == pytest.approx(by_model(board)["better"]["loss"], rel=0.05)

    def test_seconds_dollars_and_failures_stand_beside(self, board: pd.DataFrame) -> None:
        assert {"n_failed_windows", "execution_time_seconds", "cost_estimate_usd"} <= set(board.columns)

    @pytest.mark.parametrize("step", [1, 7, 14])
    def test_at_one_step(self, shared: Ledger, board: pd.DataFrame, step: int) -> None:
        at = shared.leaderboard("Coffee", horizon=step)
        assert set(at["metric"]) == {f"mae_{step}day"}
        # these models lose the same at every step
        assert at["dm_pvalue"].tolist() == pytest.approx(board["dm_pvalue"].tolist(), rel=1e-6, nan_ok=True)

    @pytest.mark.parametrize("horizon", [0, 2, 15, "1", 1.5])
    def test_another_step_is_refused(self, shared: Ledger, horizon: Any) -> None:
        with pytest.raises(InvalidInputError, match="at 1, 7 and 14 steps ahead"):
            shared.leaderboard("Coffee", horizon=horizon)

    def test_ties_are_broken_by_name_with_naive_first(self, shared: Ledger) -> None:
        put_losses(shared, "Ties", {"b": NAIVE, "naive": NAIVE, "a": NAIVE}, naive=NAIVE)
        board = shared.leaderboard("Ties")
        assert board["model_name"].tolist() == ["naive", "a", "b"]
        assert board["verdict"].tolist() == ["the baseline", *["same forecasts as naive"] * 2]
        assert choose(shared, "Ties").reason == ("No model differs from naive on Ties: use naive.")

    def test_naive_need_not_be_logged(self, shared: Ledger) -> None:
        put_losses(shared, "Alone", {"better": BETTER}, naive=NAIVE)
        board = shared.leaderboard("Alone")
        assert board["model_name"].tolist() == ["better", "naive"]
        assert by_model(board)["naive"]["experiment_id"] is None
        assert choose(shared, "Alone").model == "better"

    def test_one_model_only(self, shared: Ledger) -> None:
        put_losses(shared, "Single", {"naive": NAIVE}, naive=NAIVE)
        board = shared.leaderboard("Single")
        assert by_model(board)["naive"]["verdict"] == "the baseline"
        assert "there is none but naive" in choose(shared, "Single").reason

    def test_too_few_windows(self, shared: Ledger) -> None:
        put_losses(shared, "Short", {"better": BETTER[:5]}, naive=NAIVE[:5])
        row = by_model(shared.leaderboard("Short"))["better"]
        assert (row["verdict"], row["evidence_note"]) == (
            "not enough evidence",
            "too few windows to say: 5 given, at least 8 needed at overlap 1",
        )
        assert row["in_confidence_set"] is True

    def test_no_window_that_is_shared(self, shared: Ledger) -> None:
        half = N // 2
        losses = {
            "first": [*BETTER[:half], *[None] * half],
            "second": [*[None] * half, *BETTER[half:]],
        }
        put_losses(shared, "Apart", losses, naive=NAIVE)
        board = shared.leaderboard("Apart")
        assert {row["verdict"] for row in board.to_dict("records") if row["model_name"] != "naive"} == {"not compared"}
        assert choose(shared, "Apart").model == "naive"

    def test_other_actuals_are_not_compared(self, shared: Ledger) -> None:
        latest = {"data_as_of": dt.date(2025, 1, 11)}
        put_losses(shared, "Revised", {"now": BETTER}, naive=NAIVE, changes={"now": latest})
        put_losses(shared, "Revised", {"before": BETTER}, naive=[a + (n < 2) for n, a in enumerate(NAIVE)])
        row = by_model(shared.leaderboard("Revised"))["before"]
        assert row["evidence_note"] == "2 windows left out whose actuals were others than now"
        assert row["n_shared"] == N - 2

    def test_an_evaluation_on_older_data_counts_where_it_covers_the_windows(self, shared: Ledger) -> None:
        later = dt.date(2020, 1, 1) + dt.timedelta(days=28)
        put_losses(shared, "Older", {"older": BETTER}, naive=NAIVE)
        newer = {"current": {"data_as_of": dt.date(2025, 2, 7)}}
        put_losses(shared, "Older", {"current": [*LIKE[1:], 3.0]}, naive=[*NAIVE[1:], 3.1], first=later, changes=newer)
        rows = by_model(shared.leaderboard("Older"))
        assert rows["older"]["n_shared"] == N - 1
        assert rows["older"]["verdict"] == "better than naive"

    def test_reported_figures_and_what_is_not_whole_are_not_on_it(self, shared: Ledger) -> None:
        put_losses(
            shared,
            "Partial",
            {"naive": NAIVE, "half": BETTER, "claimed": BETTER},
            naive=NAIVE,
            changes={"half": {"status": "incomplete"}, "claimed": {"metrics_source": "reported"}},
        )
        assert shared.leaderboard("Partial")["model_name"].tolist() == ["naive"]

    def test_reported_figures_alone_are_no_backtest(self, shared: Ledger) -> None:
        put(shared, "model_runs", run_row(commodity="Told", backtest_id=None, metrics_source="reported"))
        with pytest.raises(NotFoundError, match="Told has no backtest yet, only reported figures"):
            shared.leaderboard("Told")

    def test_versions_of_a_model_are_apart(self, shared: Ledger) -> None:
        put_losses(shared, "Versions", {"m": BETTER}, naive=NAIVE)
        put_losses(shared, "Versions", {"m": UNCLEAR}, naive=NAIVE, changes={"m": {"model_version": "v2"}})
        board = shared.leaderboard("Versions")
        assert {(row["model_name"], row["model_version"]) for row in board.to_dict("records")} == {
            ("m", "v1"), ("m", "v2"), ("naive", "-"),
        }  # fmt: skip

    def test_the_backtest_on_the_latest_data_is_shown_unless_one_is_named(self, shared: Ledger) -> None:
        for name, as_of in (("old grid", 3), ("new grid", 10)):
            changes = {"data_as_of": dt.date(2025, 1, as_of), "commodity": "Grids", "unique_id": "Grids"}
            put_losses(shared, name, {"naive": NAIVE}, naive=NAIVE, changes={"naive": changes})
            put(shared, "backtests", {**backtest_of("Grids"), "backtest_id": name})
        assert shared.backtests("Grids")["backtest_id"].tolist() == ["new grid", "old grid"]
        assert set(shared.leaderboard("Grids")["backtest_id"]) == {"new grid"}
        assert set(shared.leaderboard("Grids", "old grid")["backtest_id"]) == {"old grid"}
        with pytest.raises(NotFoundError, match=r"unknown backtest of Grids 'old gird'. Did you mean 'old grid'\?"):
            shared.leaderboard("Grids", "old gird")

    def test_an_unknown_commodity_is_named_and_the_nearest_suggested(self, shared: Ledger, board: pd.DataFrame) -> None:
        asks = (shared.leaderboard, shared.best, shared.history, shared.pruning_candidates, shared.backtests)
        for ask in (*asks, shared.refresh):
            with pytest.raises(NotFoundError, match=r"unknown commodity 'coffeee'. Did you mean 'Coffee'\?"):
                ask("coffeee")
        assert not board.empty


def backtest_of(commodity: str) -> dict[str, Any]:
    from made import backtest_row

    return backtest_row(commodity=commodity)


class TestRefresh:
    def test_new_evaluations_make_a_new_family_and_change_no_other(self, ledger: Ledger) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER}, naive=NAIVE)
        assert ledger.refresh() == 4
        first = counts(ledger)
        assert (first["families"], first["standings"], first["comparisons"]) == (4, 8, 4)
        before = versions(ledger)
        assert ledger.refresh() == ledger.refresh("Coffee") == 0
        assert versions(ledger) == before, "nothing is written where nothing is new"
        old = ledger.sql("select * from standings order by family_id, model_name")
        put_losses(ledger, "Coffee", {"worse": WORSE}, naive=NAIVE)
        assert ledger.refresh("Coffee") == 4
        again = ledger.sql("select * from standings order by family_id, model_name")
        assert again[again["family_id"].isin(old["family_id"])].reset_index(drop=True).equals(old)
        assert counts(ledger)["comparisons"] == 4 + 4 * 3

    def test_the_views_say_what_the_leaderboard_says(self, ledger: Ledger) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER, "worse": WORSE}, naive=NAIVE)
        board = ledger.leaderboard("Coffee")
        shown = ledger.sql("select * from leaderboard where commodity = 'Coffee' order by place")
        assert shown.equals(board[shown.columns])
        at = ledger.sql("select * from leaderboard_at_step where step = 7 order by place")
        assert at.drop(columns="step").equals(ledger.leaderboard("Coffee", horizon=7))

    def test_a_family_is_written_last(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed half-way, nothing is shown and the next one completes it."""
        from experiments.services import evidence

        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER}, naive=NAIVE)
        merge = evidence.merge_new

        def killed(engine: Any, table: str, *rest: Any, **named: Any) -> int:
            if table == "families":
                raise KeyboardInterrupt
            return merge(engine, table, *rest, **named)

        with monkeypatch.context() as patched:
            patched.setattr(evidence, "merge_new", killed)
            with pytest.raises(KeyboardInterrupt):
                ledger.refresh()
        assert ledger.sql("select * from leaderboard").empty
        assert ledger.refresh() == 4
        assert counts(ledger)["standings"] == 8
        assert len(ledger.sql("select * from leaderboard")) == 2

    def test_who_may_not_write_is_told_what_to_run(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        from experiments.services import evidence

        def refused(*_: Any, **__: Any) -> int:
            msg = "PERMISSION_DENIED: no MODIFY on families\nand a long trace"
            raise RuntimeError(msg)

        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER}, naive=NAIVE)
        with monkeypatch.context() as patched:
            patched.setattr(evidence, "merge_new", refused)
            with pytest.raises(EngineError, match=r"4 comparisons of Coffee .*'experiments job refresh'.* no MODIFY"):
                ledger.leaderboard("Coffee")
            with pytest.raises(EngineError, match="4 comparisons"):
                ledger.refresh()
        ledger.refresh()
        with monkeypatch.context() as patched:
            patched.setattr(evidence, "merge_new", refused)
            assert len(ledger.leaderboard("Coffee")) == 2, "what is recorded needs no writing"

    def test_the_hook_is_followed_by_whoever_asks(self, ledger: Ledger) -> None:
        for window in windows(12):
            ledger.log_experiment("mine", window, {"commodity": "Tea", "model_type": "ARIMA", "n_windows": 12,
                                                   "training_start_date": "2020-01-01"})  # fmt: skip
        assert ledger.sql("select * from leaderboard").empty
        assert ledger.leaderboard("Tea")["model_name"].tolist() == ["mine", "naive"]
        assert len(ledger.sql("select * from leaderboard")) == 2


class TestAsOf:
    def test_what_was_known_then(self, ledger: Ledger) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER}, naive=NAIVE)
        then = ledger.leaderboard("Coffee")
        later = {"worse": {"run_timestamp": STARTED + dt.timedelta(days=10)}}
        put_losses(ledger, "Coffee", {"worse": WORSE}, naive=NAIVE, changes=later)
        now = ledger.leaderboard("Coffee")
        assert len(now) == 3
        for as_of in ("2025-01-11", dt.date(2025, 1, 15), "2025-01-20T12:00:00+00:00"):
            again = ledger.leaderboard("Coffee", as_of=as_of)
            assert again.drop(columns="is_latest").equals(then.drop(columns="is_latest"))
        assert ledger.leaderboard("Coffee", as_of="2025-01-21").equals(now)
        assert ledger.leaderboard("Coffee", as_of="2025-01-21T09:29:00+00:00")["model_name"].nunique() == 2
        with pytest.raises(NotFoundError, match="no evaluation of Coffee was finished by 2025-01-10 23:59 UTC"):
            ledger.leaderboard("Coffee", as_of="2025-01-10")

    def test_evidence_that_nobody_recorded_then_is_computed_and_does_not_become_the_latest(
        self, ledger: Ledger
    ) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "better": BETTER}, naive=NAIVE)
        later = {"worse": {"run_timestamp": STARTED + dt.timedelta(days=10)}}
        put_losses(ledger, "Coffee", {"worse": WORSE}, naive=NAIVE, changes=later)
        assert len(ledger.leaderboard("Coffee")) == 3
        assert len(ledger.leaderboard("Coffee", as_of="2025-01-12")) == 2
        assert len(ledger.sql("select * from leaderboard")) == 3
        history = ledger.sql(
            "select known_at, count(*) as n from leaderboard_history where metric = 'mae_path' "
            "group by known_at order by known_at"
        )
        assert history["n"].tolist() == [2, 3]

    @pytest.mark.parametrize("as_of", ["soon", "2024-13-01", 7, "", "2024-01-01T25:00"])
    def test_no_date_is_refused(self, ledger: Ledger, as_of: Any) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE}, naive=NAIVE)
        with pytest.raises(InvalidInputError, match=r"as_of is .*: give a date such as"):
            ledger.leaderboard("Coffee", as_of=as_of)


class TestSelected:
    def test_the_cheapest_that_may_be_as_good(self, ledger: Ledger) -> None:
        slow = [a + 1e-3 * e for a, e in zip(BETTER, NOISE["other"], strict=True)]
        seconds = {"naive": 0.1, "better": 30.0, "twin": 2.0, "worse": 60.0}
        put_losses(
            ledger,
            "Coffee",
            {"naive": NAIVE, "better": BETTER, "twin": slow, "worse": WORSE},
            naive=NAIVE,
            changes={name: {"execution_time_seconds": spent} for name, spent in seconds.items()},
        )
        ledger.refresh()
        chosen = ledger.sql("select * from selected_models where metric = 'mae_path'").iloc[0]
        assert chosen["leader_name"] in ("better", "twin")
        assert chosen["cheapest_name"] == "twin"
        assert chosen["cheapest_seconds"] == 2.0
        assert chosen["n_in_confidence_set"] == 2
        assert chosen["expected_loss"] == pytest.approx(chosen["loss"], rel=0.05)
        costs = ledger.sql("select * from accuracy_by_cost where metric = 'mae_path'").set_index("model_name")
        reason = choose(ledger, "Coffee").reason
        assert ("twin may be as good and takes 2.0 s instead of 30.0." in reason) == (chosen["leader_name"] == "better")
        assert costs["is_efficient"].to_dict() == {
            "naive": True, "twin": True, "better": bool(np.mean(BETTER) < np.mean(slow)), "worse": False,
        }  # fmt: skip

    def test_of_models_without_skill_the_leader_is_flattered(self, ledger: Ledger) -> None:
        random = np.random.default_rng(11)
        models = {f"m{k}": (2 + random.uniform(0, 2, N)).tolist() for k in range(12)}
        put_losses(ledger, "Coffee", models, naive=NAIVE)
        board = ledger.leaderboard("Coffee")
        assert board["leader_loss_corrected"].iloc[0] > board["loss"].iloc[0]


def test_a_monthly_backtest_has_its_evidence(ledger: Ledger) -> None:
    import pandas as pd

    y = 100 + np.random.default_rng(5).normal(size=200).cumsum()
    frame = pd.DataFrame({"ds": pd.date_range("2000-01-31", periods=200, freq="ME"), "y": y})
    result = backtest(frame, commodity="Cocoa", models=["naive", "random_walk"], horizon=3, n_windows=12, ledger=ledger)
    assert set(result.leaderboard["metric"]) == {"mae_path"}
    assert sorted(ledger.sql("select distinct metric from families")["metric"]) == ["mae_1day", "mae_path"]
    with pytest.raises(InvalidInputError, match="the windows of this backtest of Cocoa have 3 steps"):
        ledger.leaderboard("Cocoa", horizon=7)
