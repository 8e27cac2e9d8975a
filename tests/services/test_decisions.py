"""Decisions: each rests on recorded evidence, of two at once one wins, and what is in production follows from them."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from experiments.errors import ConflictError, InvalidInputError, NotFoundError
from experiments.services.decisions import active, chain
from experiments.services.decisions.policy import read_policy
from experiments.services.decisions.rules import code_of
from experiments.services.ledger import connect
from experiments.storage.files import compact
from made import put, put_losses, run_row, specified_experiment

if TYPE_CHECKING:
    from experiments.services.decisions.desk import Decisions
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N = 40
RANDOM = np.random.default_rng(7)
NAIVE = (2.0 + RANDOM.uniform(0, 1, N)).tolist()


def about(factor: float) -> list[float]:
    """Losses of that share of naive's, more or less."""
    return [factor * loss + 0.05 * RANDOM.uniform() for loss in NAIVE]


LOSSES = {
    "naive": NAIVE,
    "best": about(0.5),
    "good": about(0.7),
    "even": [loss + RANDOM.normal() * 0.8 for loss in NAIVE],
    "poor": about(1.4),
}


@pytest.fixture(autouse=True)
def _own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(active.SETTING, str(tmp_path / "registry.toml"))
    monkeypatch.setenv("EXPERIMENTS_RUN_BY", "anna")


@pytest.fixture
def coffee(ledger: Ledger) -> Ledger:
    put_losses(ledger, "Coffee", LOSSES, naive=NAIVE)
    return ledger


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decisions]:
    """Decisions that no test takes, only asks about."""
    with connect(tmp_path_factory.mktemp("reading")) as ledger:
        put_losses(ledger, "Coffee", LOSSES, naive=NAIVE)
        yield ledger.decisions


def in_production(ledger: Ledger) -> list[str]:
    return ledger.sql("select model_name from model_runs where is_production order by model_name")[
        "model_name"
    ].tolist()


def decided(ledger: Ledger) -> list[tuple[str, str]]:
    found = ledger.sql("select kind, model_name from decisions order by decision_id")
    return [*zip(found["kind"], found["model_name"], strict=True)]


def change(ledger: Ledger, sql: str) -> None:
    """What somebody does by hand."""
    assert ledger._engine is not None
    ledger._engine.spark.sql(sql).toArrow()


class TestPromote:
    def test_a_model_that_is_better_is_in_production_with_its_evidence(self, coffee: Ledger) -> None:
        decision = coffee.decisions.promote("good", "Coffee", reason="of age")
        row = coffee.sql("select * from decisions").iloc[0]
        assert (row["kind"], row["model_name"], row["decided_by"], row["reason"]) == (
            "promote",
            "good",
            "anna",
            "of age",
        )
        assert (row["forced"], row["follows"], row["rule"]) == (False, "", "better")
        assert row["verdict"].startswith("better than naive: its error is 2")
        assert row["verdict"].endswith("on 40 windows (p < 0.001 after Holm's correction for 4 models)")
        evidence = json.loads(row["evidence"])
        assert set(evidence["losses"]) == {*LOSSES}
        assert evidence["losses"]["good"] == pytest.approx(LOSSES["good"], rel=1e-12)
        assert json.loads(row["policy"])["significance_level"] == 0.05
        assert json.loads(row["table_versions"])["model_runs"] >= 1
        assert in_production(coffee) == ["good"]
        champion = coffee.sql("select * from champions").iloc[0]
        assert (champion["model_name"], champion["decision_id"]) == ("good", decision.decision_id)

    def test_the_verdict_is_the_leaderboard_s(self, reading: Decisions) -> None:
        board = reading._ledger.leaderboard("Coffee").set_index("model_name")
        for name in ("best", "good", "even", "poor"):
            figures = reading.evidence_for(name, "Coffee").grounds.verdict.figures
            assert figures["pvalue_holm"] == pytest.approx(board.loc[name, "dm_pvalue_holm"], rel=1e-9)
            assert figures["skill"] == pytest.approx(board.loc[name, "skill"], rel=1e-9)

    def test_the_next_one_takes_its_place(self, coffee: Ledger) -> None:
        coffee.decisions.promote("good", "Coffee")
        coffee.decisions.promote("best", "Coffee")
        assert in_production(coffee) == ["best"]
        history = coffee.sql("select model_name, champion_to from champion_history order by champion_from")
        assert history["model_name"].tolist() == ["good", "best"]
        assert history["champion_to"].isna().tolist() == [False, True]

    @pytest.mark.parametrize(
        ("model", "why"),
        [
            ("even", "not shown to be better than naive"),
            ("poor", "worse than naive: its error is 4"),
            ("naive", "not the choice, since a model is better than naive: best"),
        ],
    )
    def test_without_such_evidence_it_is_refused(self, reading: Decisions, model: str, why: str) -> None:
        with pytest.raises(InvalidInputError, match=f"{model} for Coffee is not promoted, {why}"):
            reading.promote(model, "Coffee")
        assert reading._ledger.sql("select count(*) as n from decisions")["n"].item() == 0

    def test_naive_is_the_choice_where_no_model_is_better(self, ledger: Ledger) -> None:
        put_losses(ledger, "WTI", {"naive": NAIVE, "poor": LOSSES["poor"]}, naive=NAIVE)
        verdict = ledger.decisions.promote("naive", "WTI").verdict
        assert verdict == "the choice, since none is better than naive of 1 model tested on 40 windows"
        assert in_production(ledger) == ["naive"]

    def test_nor_is_naive_where_nothing_could_be_tested(self, ledger: Ledger) -> None:
        put_losses(ledger, "WTI", {"naive": NAIVE[:2], "best": LOSSES["best"][:2]}, naive=NAIVE[:2])
        with pytest.raises(InvalidInputError, match="nothing was tested: too few windows to say: 2 given"):
            ledger.decisions.promote("naive", "WTI")
        put_losses(ledger, "Gas", {"naive": NAIVE}, naive=NAIVE)
        with pytest.raises(InvalidInputError, match="nothing was tested: there is no other model"):
            ledger.decisions.promote("naive", "Gas")

    def test_what_is_worse_than_the_one_in_production_is_refused(self, coffee: Ledger) -> None:
        coffee.decisions.promote("best", "Coffee")
        with pytest.raises(
            InvalidInputError, match=r"worse than the model in production: its error is .*% above that of best"
        ):
            coffee.decisions.promote("good", "Coffee")

    def test_forced_it_is_recorded_as_such(self, coffee: Ledger) -> None:
        with pytest.raises(InvalidInputError, match="needs a reason: say why with --reason"):
            coffee.decisions.promote("poor", "Coffee", force=True)
        coffee.decisions.promote("poor", "Coffee", force=True, reason="a trial")
        coffee.decisions.promote("best", "Coffee", force=True, reason="needless")
        found = coffee.sql("select model_name, forced from decisions order by decision_id")
        assert [*zip(found["model_name"], found["forced"], strict=True)] == [("poor", True), ("best", False)]

    def test_the_same_evaluation_twice_is_refused(self, coffee: Ledger) -> None:
        coffee.decisions.promote("best", "Coffee")
        with pytest.raises(InvalidInputError, match=r"in production already, by this evaluation .anna promoted best"):
            coffee.decisions.promote("best", "Coffee")

    def test_evidence_that_changed_since_it_was_shown_is_refused_and_shown_again(self, coffee: Ledger) -> None:
        code = code_of([coffee.decisions.evidence_for("best", "Coffee").grounds])
        later = {"best": {"data_as_of": dt.date(2025, 1, 20)}}
        put_losses(coffee, "Coffee", {"best": about(0.6)}, naive=NAIVE, changes=later)
        with pytest.raises(
            ConflictError, match=f"not the one shown as {code}: it is .* and says better than naive: .*4"
        ):
            coffee.decisions.promote("best", "Coffee", shown=code)
        again = code_of([coffee.decisions.evidence_for("best", "Coffee").grounds])
        coffee.decisions.promote("best", "Coffee", shown=again)

    def test_a_model_with_too_few_windows_has_no_evidence(self, ledger: Ledger) -> None:
        few = [*LOSSES["best"][:20], *[None] * 20]
        put_losses(ledger, "Coffee", {"naive": NAIVE, "few": few}, naive=NAIVE)
        with pytest.raises(InvalidInputError, match="nothing was tested: it has forecasts of 20 of 40 windows"):
            ledger.decisions.promote("few", "Coffee")

    def test_of_several_series_each_has_its_own(self, ledger: Ledger) -> None:
        for series in ("May", "July"):
            changes = {name: {"unique_id": series} for name in LOSSES}
            put_losses(ledger, "Coffee", LOSSES, naive=NAIVE, changes=changes)
        with pytest.raises(InvalidInputError, match="several series: name one of July, May"):
            ledger.decisions.promote("best", "Coffee")
        ledger.decisions.promote("best", "Coffee", unique_id="May")
        ledger.decisions.promote("good", "Coffee", unique_id="July")
        assert in_production(ledger) == ["best", "good"]
        champions = ledger.sql("select unique_id, model_name from champions order by unique_id")
        assert champions.to_numpy().tolist() == [["July", "good"], ["May", "best"]]

    def test_unknown_names_and_what_callers_reported(self, reading: Decisions, ledger: Ledger) -> None:
        with pytest.raises(NotFoundError, match="Did you mean 'best'"):
            reading.promote("bets", "Coffee")
        with pytest.raises(NotFoundError, match="unknown commodity 'Cofee'"):
            reading.promote("best", "Cofee")
        with pytest.raises(NotFoundError, match="unknown series of Coffee 'May'"):
            reading.promote("best", "Coffee", unique_id="May")
        ledger.write_experiments([specified_experiment()])
        with pytest.raises(NotFoundError, match="no backtest yet, only reported figures"):
            ledger.decisions.promote("sarimax_auto_weather_v1", "Coffee", force=True, reason="it is what there is")

    def test_names_with_quotes_and_markup(self, ledger: Ledger) -> None:
        commodity, model = 'O\'Brien "<b>" ; -- {x}', "m' <script>" + "x" * 180
        put_losses(ledger, commodity, {"naive": NAIVE, model: LOSSES["best"], "p'oor": LOSSES["poor"]}, naive=NAIVE)
        ledger.decisions.promote(model, commodity)
        assert in_production(ledger) == [model]
        ledger.decisions.prune(commodity, reason='it\'s "bad"\n[[pruned]]')
        assert list(active.pruned_of(commodity)) == [("p'oor", "v1")]
        assert all(not one.problems for one in ledger.audit())


class TestRollback:
    def test_it_goes_back_one_promotion_at_a_time(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        first = desk.promote("poor", "Coffee", force=True, reason="a trial")
        desk.promote("good", "Coffee")
        last = desk.promote("best", "Coffee")
        back = desk.rollback("Coffee", reason="late")
        assert (back.model_name, back.undoes, back.reason) == ("good", last.decision_id, "late")
        assert back.verdict.startswith("better than naive")
        assert in_production(coffee) == ["good"]
        again = desk.rollback("Coffee")
        assert (again.model_name, again.evidence) == ("poor", first.evidence)
        assert in_production(coffee) == ["poor"]
        with pytest.raises(InvalidInputError, match="nothing to roll back to: poor was promoted first"):
            desk.rollback("Coffee")
        desk.promote("best", "Coffee")
        assert desk.rollback("Coffee").model_name == "poor"

    def test_without_a_model_in_production(self, reading: Decisions) -> None:
        with pytest.raises(NotFoundError, match="Coffee has no model in production"):
            reading.rollback("Coffee")

    def test_not_to_a_pruned_model_nor_to_an_evaluation_that_is_gone(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        desk.promote("poor", "Coffee", force=True, reason="a trial")
        desk.promote("best", "Coffee")
        desk.prune("Coffee", models=["poor"])
        with pytest.raises(InvalidInputError, match="poor, which is pruned"):
            desk.rollback("Coffee")
        desk.restore("poor", "Coffee")
        change(coffee, "delete from model_runs where model_name = 'poor'")
        with pytest.raises(InvalidInputError, match="poor, whose evaluation is no longer in the ledger"):
            desk.rollback("Coffee")


class TestPrune:
    def test_those_tested_to_be_worse_go_and_come_back(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        listed = desk.candidates("Coffee")
        assert [(one.model_name, one.kept) for one in listed] == [("poor", None)]
        words = listed[0].grounds.verdict.words
        assert words.startswith("worse than naive beyond the margin: its error is 4")
        assert words.endswith("by limits that hold at every look (95% for 4 models; margin 5%)")
        runs = coffee.sql("select count(*) as n from model_runs")["n"].item()
        assert [one.model_name for one in desk.prune("Coffee", reason="slow as well")] == ["poor"]
        assert desk.candidates("Coffee") == []
        assert coffee.sql("select count(*) as n from model_runs")["n"].item() == runs
        assert coffee.sql("select model_name from pruned_models")["model_name"].tolist() == ["poor"]
        entry = active.pruned_of("Coffee")["poor", "v1"]
        assert entry.why == f"{words}; slow as well"
        with pytest.raises(InvalidInputError, match=r"poor for Coffee is pruned .*: restore it first"):
            desk.promote("poor", "Coffee", force=True, reason="a trial")
        back = desk.restore("poor", "Coffee", reason="mended")
        assert [(one.kind, one.undoes) for one in back] == [("restore", entry.decision)]
        assert active.read_pruned() == []
        assert "pruned = []" in active.registry_path().read_text()
        assert [one.model_name for one in desk.candidates("Coffee")] == ["poor"]
        with pytest.raises(NotFoundError, match="unknown pruned model of Coffee 'poor'"):
            desk.restore("poor", "Coffee")

    def test_the_specified_list(self, ledger: Ledger) -> None:
        for month in (1, 2, 3):
            when = {"run_timestamp": dt.datetime(2025, month, 11, tzinfo=dt.UTC), "mae_14day": float(month)}
            put(ledger, "model_runs", run_row(model_name="even", beats_baseline=False, **when))
            put(ledger, "model_runs", run_row(model_name="good", beats_baseline=month != 2, **when))
        listed = ledger.decisions.candidates("Coffee", rule="specified")
        assert [(one.model_name, one.grounds.verdict.words) for one in listed] == [
            ("even", "did not beat naive in 3 evaluations")
        ]
        group = listed[0].grounds.evidence["groups"][0]
        assert (group["num_runs"], group["avg_mae"], len(group["newest_runs"])) == (3, 2.0, 3)
        ledger.decisions.prune("Coffee", rule="specified")
        assert [*active.pruned_of("Coffee")] == [("even", "v1")]
        assert not ledger.audit()[0].problems

    def test_windows_of_every_evaluation_count(self, ledger: Ledger) -> None:
        later = {"run_timestamp": dt.datetime(2025, 1, 12, tzinfo=dt.UTC), "training_end_date": dt.date(2025, 1, 6)}
        half, changes = N // 2, dict[str, dict[str, Any]]()
        slightly = [1.25 * loss + RANDOM.normal() * 0.6 for loss in NAIVE]
        for part in (slice(0, half), slice(half, N)):
            first = dt.date(2020, 1, 1) + dt.timedelta(days=28 * (part.start or 0))
            put_losses(ledger, "Coffee", {"poor": slightly[part]}, naive=NAIVE[part], first=first, changes=changes)
            changes = {"poor": later}
        (grounds,) = ledger.decisions._pruning_grounds("Coffee", "inferior", None).values()
        series = grounds.evidence["series"]["Coffee"]
        assert series["losses"] == pytest.approx(slightly)
        assert len(series["evaluations"]) == 2
        (then,) = ledger.decisions.judged("Coffee", as_of="2025-01-11")
        assert len(then.grounds.evidence["series"]["Coffee"]["losses"]) == N // 2
        with pytest.raises(NotFoundError, match="no evaluation of Coffee was finished by 2025-01-10"):
            ledger.decisions.judged("Coffee", as_of="2025-01-10")

    def test_in_several_series_only_what_is_worse_in_all(self, ledger: Ledger) -> None:
        for series, losses in (("May", LOSSES), ("July", LOSSES | {"poor": LOSSES["good"]})):
            both = losses | {"bad": LOSSES["poor"]}
            put_losses(ledger, "Coffee", both, naive=NAIVE, changes={name: {"unique_id": series} for name in both})
        assert [one.model_name for one in ledger.decisions.candidates("Coffee")] == ["bad"]

    def test_what_is_in_production_and_the_baseline_are_kept(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        desk.promote("poor", "Coffee", force=True, reason="a trial")
        assert [(one.model_name, one.kept) for one in desk.candidates("Coffee")] == [("poor", "in production")]
        assert desk.prune("Coffee") == []
        with pytest.raises(InvalidInputError, match="poor is not pruned for Coffee: it is in production"):
            desk.prune("Coffee", models=["poor"])
        put(coffee, "model_runs", *(run_row(model_name="naive", beats_baseline=False) for _ in range(3)))
        assert [one.kept for one in desk.candidates("Coffee", rule="specified")] == ["the baseline"]
        assert decided(coffee) == [("promote", "poor")]

    def test_a_model_named_must_be_a_candidate(self, reading: Decisions) -> None:
        with pytest.raises(
            InvalidInputError, match="good is no candidate for pruning of Coffee, not shown to be worse"
        ):
            reading.prune("Coffee", models=["good"])
        with pytest.raises(NotFoundError, match=r"unknown candidate for pruning of Coffee 'pour'. Did you mean 'poor'"):
            reading.prune("Coffee", models=["pour"])
        with pytest.raises(InvalidInputError, match="naive is not pruned: it is the baseline"):
            reading.prune("Coffee", models=["naive"])
        with pytest.raises(NotFoundError, match="unknown commodity"):
            reading.prune("Tea")
        with pytest.raises(NotFoundError, match="unknown rule 'worse'"):
            reading.candidates("Coffee", rule="worse")

    def test_evidence_that_changed_since_it_was_shown_is_refused(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        code = code_of([one.grounds for one in desk.candidates("Coffee")])
        with pytest.raises(ConflictError, match="and says poor worse than naive beyond the margin"):
            desk.prune("Coffee", shown="000000000000")
        assert [one.model_name for one in desk.prune("Coffee", shown=code)] == ["poor"]

    def test_an_empty_ledger_and_one_window(self, ledger: Ledger) -> None:
        put_losses(ledger, "Coffee", {"poor": LOSSES["poor"][:1]}, naive=NAIVE[:1])
        assert ledger.decisions.candidates("Coffee") == []
        with pytest.raises(InvalidInputError, match="too few windows"):
            ledger.decisions.candidates("Coffee", models=["poor"])


class TestAtOnce:
    def test_who_decides_on_what_another_changed_is_told_and_nothing_is_recorded(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        state = desk.state("Coffee")
        desk.promote("best", "Coffee")
        found = desk.evidence_for("good", "Coffee")
        row = chain.row_of(coffee.engine, "promote", ("good", "v1"), found.grounds, reason=None)
        row |= {"unique_id": "Coffee", "experiment_id": found.experiment_id}
        with pytest.raises(ConflictError, match=r"meanwhile: anna promoted best on .*\. Nothing was recorded"):
            desk._decide("Coffee", state, [row])
        assert decided(coffee) == [("promote", "best")]

    def test_of_several_rows_all_are_recorded_or_none(self, coffee: Ledger) -> None:
        desk = coffee.decisions
        state = desk.state("Coffee")
        grounds = desk.candidates("Coffee")[0].grounds
        rows = [chain.row_of(coffee.engine, "prune", (name, "v1"), grounds, reason=None) for name in ("poor", "even")]
        assert len(desk._decide("Coffee", state, rows)) == 2
        with pytest.raises(ConflictError):
            desk._decide("Coffee", state, rows)
        assert decided(coffee) == [("prune", "poor"), ("prune", "even")]

    def test_a_first_try_whose_answer_was_lost_counts(self, coffee: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        merge = chain.merge_together

        def unheard(*given: Any, **how: Any) -> int:
            merge(*given, **how)
            return merge(*given, **how)

        monkeypatch.setattr(chain, "merge_together", unheard)
        coffee.decisions.promote("best", "Coffee")
        assert decided(coffee) == [("promote", "best")]

    def test_another_clock_that_is_ahead_does_not_turn_the_order(
        self, coffee: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Ahead(dt.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> dt.datetime:  # type: ignore[override]
                return dt.datetime(2100, 1, 1, tzinfo=tz)

        monkeypatch.setattr(chain.dt, "datetime", Ahead)
        coffee.decisions.promote("good", "Coffee")
        monkeypatch.undo()
        coffee.decisions.promote("best", "Coffee")
        assert decided(coffee) == [("promote", "good"), ("promote", "best")]
        assert in_production(coffee) == ["best"]


class TestProjection:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Of a ledger that is closed."""
        with connect(tmp_path / "closed") as ledger:
            put_losses(ledger, "Coffee", LOSSES, naive=NAIVE)
            ledger.decisions.promote("good", "Coffee")
        return tmp_path / "closed"

    def test_a_process_that_dies_before_it_is_repaired_at_the_next_connect(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connect(path) as ledger, monkeypatch.context() as patch:
            patch.setattr("experiments.services.decisions.desk.project", lambda engine: None)
            ledger.decisions.promote("best", "Coffee")
            assert in_production(ledger) == ["good"]
        with connect(path) as again:
            assert in_production(again) == ["best"]

    def test_what_was_changed_by_hand_is_repaired_where_one_may_write(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: Any, **__: Any) -> int:
            raise PermissionError

        with connect(path) as ledger:
            change(ledger, "update model_runs set is_production = true where model_name in ('best', 'poor')")
            change(ledger, "update model_runs set is_production = null where model_name = 'good'")
        with monkeypatch.context() as patch:
            patch.setattr(chain, "correct", refused)
            with connect(path) as reading:
                assert reading.sql("select model_name from champions")["model_name"].tolist() == ["good"]
                assert in_production(reading) == ["best", "poor"]
        with connect(path) as again:
            assert in_production(again) == ["good"]

    def test_a_champion_whose_evaluation_was_removed_is_told(self, coffee: Ledger) -> None:
        coffee.decisions.promote("good", "Coffee")
        change(coffee, "delete from model_runs where model_name = 'good'")
        assert in_production(coffee) == []
        champion = coffee.sql("select model_name, mae_path from champions").iloc[0]
        assert champion["model_name"] == "good"
        assert np.isnan(champion["mae_path"])
        assert [one.problems for one in coffee.audit()] == [("its evaluation is no longer in the ledger",)]
        coffee.decisions.promote("best", "Coffee")
        assert in_production(coffee) == ["best"]


class TestAudit:
    def test_every_decision_replays_also_after_compaction_and_vacuum(self, coffee: Ledger) -> None:
        from deltalake import DeltaTable

        desk = coffee.decisions
        desk.promote("good", "Coffee")
        desk.promote("best", "Coffee")
        desk.rollback("Coffee")
        desk.prune("Coffee")
        desk.restore("poor", "Coffee")
        assert coffee._engine is not None
        assert coffee._engine.location is not None
        for table in ("decisions", "model_runs", "run_windows", "forecasts", "families"):
            compact(coffee._engine.location / table)
            DeltaTable(str(coffee._engine.location / table)).vacuum(
                retention_hours=0, dry_run=False, enforce_retention_duration=False
            )
        change(coffee, "delete from run_windows")
        audited = coffee.audit()
        assert [(one.decision.kind, one.problems) for one in audited] == [
            (kind, ()) for kind in ("promote", "promote", "rollback", "prune", "restore")
        ]

    def test_as_of_an_earlier_time(self, coffee: Ledger) -> None:
        coffee.decisions.promote("good", "Coffee")
        between = dt.datetime.now(dt.UTC)
        coffee.decisions.promote("best", "Coffee")
        assert [one.decision.model_name for one in coffee.audit(as_of=between)] == ["good"]
        assert coffee.audit(as_of="2020-01-01") == []
        with pytest.raises(InvalidInputError, match="as_of is 'soon'"):
            coffee.audit(as_of="soon")

    def test_evidence_that_was_changed_or_removed_is_told(self, coffee: Ledger) -> None:
        coffee.decisions.promote("good", "Coffee")
        coffee.decisions.promote("best", "Coffee")
        change(coffee, 'update decisions set evidence = replace(evidence, \'"model":"good"\', \'"model":"even"\')')
        changed = coffee.audit()
        assert changed[0].problems[0] == "its evidence is not what it was taken on: the digest differs"
        assert changed[0].problems[1].startswith("replayed, its evidence says: ")
        change(coffee, "update decisions set evidence = '{}' where model_name = 'good'")
        assert "cannot be read" in coffee.audit()[0].problems[0]
        change(coffee, "delete from decisions where model_name = 'good'")
        assert "the decision it follows is gone" in coffee.audit()[0].problems


class TestPolicy:
    def test_a_team_s_own_is_used_and_recorded(
        self, coffee: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = tmp_path / "policy.toml"
        own.write_text('[prune]\nmargin = 0.5\n[words]\nbetter = "klar besser"\n')
        monkeypatch.setenv("EXPERIMENTS_POLICY", str(own))
        assert coffee.decisions.candidates("Coffee") == []
        decision = coffee.decisions.promote("best", "Coffee")
        assert decision.verdict.startswith("klar besser")
        monkeypatch.delenv("EXPERIMENTS_POLICY")
        assert not coffee.audit()[0].problems

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("margin = ", "cannot be read as TOML"),
            ("[pruning]\nmargin = 0.1", "has 'pruning': it takes the tables promote, prune, words"),
            ("prune = 1", "has 'prune': it takes the tables"),
            ("[prune]\nmargins = 0.1", "has 'margins' in .prune.: it takes margin, error_rate, least_runs"),
            ("[prune]\nmargin = 1.0", "margin = 1.0: give a share from 0 to below 1"),
            ("[prune]\nmargin = true", "margin = True: give a share"),
            ("[prune]\nerror_rate = 0", "error_rate = 0: give a share between 0 and 1"),
            ("[prune]\nleast_runs = 2", "least_runs = 2: give a whole number of at least 3"),
            ("[promote]\nsignificance_level = 'x'", "significance_level = 'x': give a share"),
            ("[words]\nbetter = ' '", "better = ' ': give a text that is not empty"),
        ],
    )
    def test_a_file_that_cannot_be_used(
        self, text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = tmp_path / "policy.toml"
        own.write_text(text)
        monkeypatch.setenv("EXPERIMENTS_POLICY", str(own))
        with pytest.raises(InvalidInputError, match=why):
            read_policy()


class TestActiveRegistry:
    def test_what_cannot_be_used_is_refused_before_anything_is_decided(
        self, coffee: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        active.registry_path().write_text("broken = [")
        with pytest.raises(InvalidInputError, match="cannot be read as TOML"):
            coffee.decisions.prune("Coffee")
        monkeypatch.setenv(active.SETTING, str(tmp_path / "nowhere" / "registry.toml"))
        with pytest.raises(InvalidInputError, match="cannot be written: name another file in EXPERIMENTS_REGISTRY"):
            coffee.decisions.prune("Coffee")
        assert decided(coffee) == []

    def test_what_another_ledger_decided_stays(self, coffee: Ledger) -> None:
        other = active.Pruned(
            commodity="WTI", model="arima", version="v1", since=dt.date(2026, 1, 2), why="worse", decision="d1"
        )
        active.write_pruned([other])
        coffee.decisions.prune("Coffee")
        assert [(one.commodity, one.model) for one in active.read_pruned()] == [("Coffee", "poor"), ("WTI", "arima")]

    def test_a_backtest_leaves_out_what_is_pruned_and_says_so(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from experiments.science.models import all_variants
        from experiments.services.backtest import _in_use

        entry = active.Pruned(
            commodity="WTI", model="arima", version="v1", since=dt.date(2026, 1, 2), why="worse", decision="d1"
        )
        active.write_pruned([entry])
        variants = [all_variants()[name] for name in ("naive", "arima")]
        running, notes = _in_use(variants, "WTI")
        assert [one.name for one in running] == ["naive"]
        assert notes == [f"arima left out: pruned for WTI on 2026-01-02 (worse), says {active.registry_path()}"]
        assert _in_use(variants, "Coffee") == (variants, [])

    def test_written_only_where_something_changed(self) -> None:
        assert not active.write_pruned([])
        assert not active.registry_path().exists()
        entry = active.Pruned(
            commodity="WTI", model="a\"'\n[x]", version="v1", since=dt.date(2026, 1, 2), why="\x7f\t", decision="d1"
        )
        assert active.write_pruned([entry])
        assert not active.write_pruned([entry])
        assert active.read_pruned() == [entry]
        assert os.listdir(active.registry_path().parent) == ["registry.toml"]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("[[pruned]", "cannot be read as TOML"),
            ("models = 1", "has models: it takes tables"),
            ("pruned = 1", "has pruned: it takes tables"),
            ("[[pruned]]\nmodel = 'x'", "number 1, must have exactly commodity, model, version, since, why, decision"),
            (
                "[[pruned]]\ncommodity='c'\nmodel='m'\nversion='v'\nsince='2020'\nwhy=''\ndecision=''",
                "has since = '2020': give a date",
            ),
        ],
    )
    def test_a_file_that_cannot_be_used(self, text: str, why: str) -> None:
        active.registry_path().write_text(text)
        with pytest.raises(InvalidInputError, match=why):
            active.read_pruned()
