"""Reports: every figure is its query's, on a page, in a deck and in a text, whatever the ledger holds."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.identity import uuid7
from experiments.services.reports import FORMATS, Report, build, check_target, prepare, write
from experiments.services.reports.html import as_html
from experiments.services.reports.markdown import as_markdown
from experiments.services.reports.model import Chart, Table, Text, said
from experiments.services.reports.vega import spec, spread
from experiments.storage.table import merge_new
from made import decision_row, experiment_row, put, put_losses, run_row, specified_experiment
from reported import Page, says

if TYPE_CHECKING:
    from conftest import Filled
    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

N = 24
RANDOM = np.random.default_rng(11)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
GOOD = [a - 0.7 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]
BAD = [a + 0.9 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]
WICKED = '<script>alert("x")</script> & \'`|]]> *_' + "ä" * 150 + "\n=cmd|' /C calc'!A0 \x0b end"
NOW = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)


def decision(kind: str, model: str, experiment_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """A row of `decisions`."""
    when = changes.get("decided_at", NOW)
    series = "Coffee" if kind in ("promote", "rollback") else None
    about = {"kind": kind, "model_name": model, "unique_id": series, "experiment_id": experiment_id}
    when_and_who = {"decision_id": uuid7(when), "decided_at": when, "decided_by": "Tony", "reason": None}
    return decision_row(**about | when_and_who | changes)


def decide(ledger: Ledger, *rows: dict[str, Any]) -> None:
    assert ledger._engine is not None
    merge_new(ledger._engine, "decisions", rows, key=("decision_id",))


@pytest.fixture(scope="module")
def presentation(filled: Filled) -> Report:
    return build(filled.ledger, "presentation")


@pytest.fixture(scope="module")
def page(presentation: Report) -> str:
    return as_html(presentation)


def wrong_figures(ledger: Ledger, text: str) -> list[str]:
    """What a page shows that its own queries, asked again as they stand there, do not say."""
    page = Page(text)
    answers = {key: ledger.sql(one.sql, one.parameters) for key, one in page.queries.items()}
    wrong = []
    for figure in page.figures:
        value = answers[figure.query][figure.column].iloc[figure.row]
        if not says(figure.text, value):
            wrong.append(f"{figure}: {value!r}")
    return wrong


class TestFigures:
    def test_every_figure_of_the_presentation_is_its_querys(self, filled: Filled, page: str) -> None:
        assert len(Page(page).figures) > 200
        assert wrong_figures(filled.ledger, page) == []

    @pytest.mark.parametrize(("purpose", "model"), [("pruning", None), ("model", "arima"), ("model", "naive")])
    def test_and_of_the_others(self, filled: Filled, purpose: str, model: str | None) -> None:
        assert wrong_figures(filled.ledger, as_html(build(filled.ledger, purpose, model))) == []

    def test_a_figure_that_is_not_its_querys_is_seen(self, filled: Filled, page: str) -> None:
        shown = next(one for one in Page(page).figures if one.column == "n_runs")
        changed = page.replace(f">{shown.text}</span> runs", ">7</span> runs", 1)
        assert wrong_figures(filled.ledger, changed) != []

    def test_a_number_in_a_sentence_of_the_report_is_a_figure(self, presentation: Report) -> None:
        for section in presentation.sections:
            for block in section.blocks:
                if isinstance(block, Text) and not block.basis:
                    words = "".join(part for part in block.parts if isinstance(part, str))
                    assert not re.search(r"\d", words.replace("80 %", "")), words

    def test_a_chart_draws_the_rows_of_its_query(self, presentation: Report) -> None:
        charts = [block for section in presentation.sections for block in section.blocks if isinstance(block, Chart)]
        assert {chart.kind for chart in charts} == {"bars", "intervals", "lines", "forecast", "scatter"}
        for chart in charts:
            drawn = json.dumps(spec(chart))
            for value in chart.frame[chart.y.column if chart.kind != "intervals" else chart.x.column]:
                assert json.dumps(float(value) if not isinstance(value, str) else value).rstrip("0.") in drawn

    def test_cumulative_losses_end_at_the_difference_of_the_leaderboard(self, filled: Filled, page: str) -> None:
        parsed = Page(page)
        rows = {
            one.column: filled.ledger.sql(parsed.queries[one.query].sql, parsed.queries[one.query].parameters)
            for one in parsed.figures
            if one.column in ("cumulative_difference", "naive_lower_share")
        }
        board = rows["naive_lower_share"].set_index("label")
        for label, own in rows["cumulative_difference"].groupby("label"):
            whole = (board.loc[label, "loss"] - board.loc[label, "naive_loss"]) * len(own)
            assert own["cumulative_difference"].iloc[-1] == pytest.approx(whole, abs=1e-9)
            assert set(own["n_windows"]) == {len(own)}

    def test_steps_are_those_of_the_view(self, filled: Filled) -> None:
        report = build(filled.ledger, "model", "arima")
        query = next(query for query in report.queries if query.name == "report_model_steps")
        own = filled.ledger.sql(query.sql, query.parameters)
        view = filled.ledger.sql(
            "select * from accuracy_by_horizon where experiment_id = :experiment_id order by step",
            {"experiment_id": query.parameters["experiment_id"]},
        )
        for column in ("step", "n_windows", "mae", "rmse", "mape", "directional_accuracy"):
            np.testing.assert_allclose(own[column].astype(float), view[column].astype(float))

    def test_the_candidates_are_those_of_the_view(self, ledger: Ledger) -> None:
        for day in range(1, 4):
            when = dt.datetime(2025, 2, day, tzinfo=dt.UTC)
            put(ledger, "model_runs", run_row(run_timestamp=when, beats_baseline=False, mae_14day=float(day)))
        view = ledger.sql("select * from pruning_candidates")
        report = build(ledger, "pruning")
        query = next(one for one in report.queries if one.name == "report_pruning_candidates")
        found = ledger.sql(query.sql, query.parameters)
        pd.testing.assert_frame_equal(found, view)
        assert len(found) == 1


class TestPage:
    def test_one_file_and_no_address(self, page: str) -> None:
        tags = Page(page).tags
        assert not {tag for tag, _ in tags} & {"script", "iframe", "img", "object", "embed", "base"}
        for tag, given in tags:
            for name in ("src", "href", "xlink:href", "action"):
                address = given.get(name) or ""
                assert not address or address.startswith(("#", "data:")), (tag, address)
        assert set(re.findall(r"https?://[^\s\"'<>)]+", page)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        assert "@import" not in page
        assert "@font-face" not in page

    def test_ids_in_drawings_are_their_own(self, page: str) -> None:
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))

    def test_sections_of_the_specification(self, page: str) -> None:
        headings = Page(page).headings
        assert headings[:2] == ["Rigorous Experimentation Process", "Scale of experimentation"]
        for expected in (
            "leaderboard",
            "forecast against actual",
            "may be the best",
            "cost against accuracy",
            "pruning",
        ):
            assert any(expected in heading for heading in headings)

    def test_the_slide(self, page: str) -> None:
        text = " ".join(Page(page).text.split())
        assert "4 Model Variants Tested" in text
        assert "4 Experiment Runs" in text
        assert "12 historical windows (walk-forward validation), 48 forecast in all" in text
        assert "1 commodity (WTI)" in text
        assert "No model in production for WTI" in text

    def test_written(self, presentation: Report, tmp_path: Path) -> None:
        assert write(presentation, tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")

    def test_specifications_are_vega_lite(self, presentation: Report, filled: Filled) -> None:
        altair = pytest.importorskip("altair")
        jsonschema = pytest.importorskip("jsonschema")
        folder = Path(altair.__file__).parent / "vegalite"
        schema = json.loads(next(folder.glob("v6*/schema/vega-lite-schema.json")).read_text())
        validator = jsonschema.Draft7Validator(schema)
        reports = [presentation, build(filled.ledger, "model", "arima")]
        charts = [
            block for one in reports for section in one.sections for block in section.blocks if isinstance(block, Chart)
        ]
        for chart in {chart.kind: chart for chart in charts}.values():
            made = spec(chart)
            assert [error.message[:200] for error in validator.iter_errors(made)] == []
            assert json.loads(json.dumps(made, allow_nan=False)) == made


@pytest.fixture(scope="module")
def deck(presentation: Report) -> Any:
    pptx = pytest.importorskip("pptx")
    from experiments.services.reports.pptx import as_pptx

    return pptx.Presentation(io.BytesIO(as_pptx(presentation)))


class TestDeck:
    def test_wide_slides_with_titles_and_nothing_beside_them(self, deck: Any, presentation: Report) -> None:
        assert deck.slide_width / deck.slide_height == pytest.approx(16 / 9, rel=1e-3)
        titles = [slide.shapes.title.text_frame.text for slide in deck.slides]
        for section in presentation.sections:
            assert section.title in titles
        for slide in deck.slides:
            for shape in slide.shapes:
                assert shape.left >= 0
                assert shape.left + shape.width <= deck.slide_width
                assert shape.top + shape.height <= deck.slide_height, slide.shapes.title.text_frame.text

    def test_tables_and_charts_are_real_and_hold_the_same_rows(self, deck: Any, presentation: Report) -> None:
        shapes = [shape for slide in deck.slides for shape in slide.shapes]
        cells = {
            cell.text_frame.text
            for shape in shapes
            if shape.has_table
            for row in shape.table.rows
            for cell in row.cells
        }
        blocks = [block for section in presentation.sections for block in section.blocks]
        for table in (block for block in blocks if isinstance(block, Table)):
            assert {value.text for row in table.rows for value in row} <= cells
        charts = [shape.chart for shape in shapes if shape.has_chart]
        assert len(charts) == sum(isinstance(block, Chart) for block in blocks)
        values = {round(value, 9) for chart in charts for plot in chart.plots for series in plot.series
                  for value in series.values if value is not None}  # fmt: skip
        for chart in (block for block in blocks if isinstance(block, Chart)):
            column = chart.x.column if chart.kind == "intervals" else chart.y.column
            assert {round(float(value), 9) for value in chart.frame[column]} <= values

    def test_queries_are_in_the_notes(self, deck: Any, presentation: Report) -> None:
        notes = {slide.shapes.title.text_frame.text: slide.notes_slide.notes_text_frame.text for slide in deck.slides}
        for section in presentation.sections:
            for query in section.queries:
                assert query.sql.strip().splitlines()[-1] in notes[section.title]
                assert f'experiments sql "$(cat {query.name}.sql)"' in notes[section.title]


class TestMarkdown:
    def test_tree_tables_and_queries(self, presentation: Report) -> None:
        text = as_markdown(presentation)
        assert re.search(r"4 Model Variants Tested\n[├└]─ ", text)
        for query in presentation.queries:
            assert f'<a id="{query.key}"></a>{query.key}: {query.name}' in text
            assert query.sql.strip() in text
        board = next(block for section in presentation.sections for block in section.blocks if isinstance(block, Table))
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        assert len({line.count("|") for line in rows if "WTI" in line}) == 1
        assert board.rows[0][0].text in text


@pytest.fixture(scope="module")
def wicked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Names that markup, slides, sheets and tables would read, in production and pruned, with reasons alike."""
    from experiments.services.ledger import _open_ledgers, connect

    ledger = connect(tmp_path_factory.mktemp("wicked"))
    commodity = 'Cof"fee <i>&'
    types = {WICKED: {"model_type": "<b>SARIMAX|`"}}
    ids = put_losses(ledger, commodity, {"naive": NAIVE, WICKED: GOOD, "=1+1": BAD}, naive=NAIVE, changes=types)
    own = {"commodity": commodity, "reason": WICKED, "decided_by": WICKED}
    decide(
        ledger,
        decision("promote", WICKED, ids[WICKED], **own, forced=True) | {"unique_id": commodity},
        decision("prune", "=1+1", **own),
    )
    _open_ledgers.remove(ledger)
    yield ledger
    _open_ledgers.append(ledger)
    ledger.close()


class TestWickedNames:
    @pytest.mark.parametrize(("purpose", "model"), [("presentation", None), ("pruning", None), ("model", WICKED)])
    def test_on_a_page(self, wicked: Ledger, purpose: str, model: str | None) -> None:
        text = as_html(build(wicked, purpose, model))
        page = Page(text)
        assert not {tag for tag, _ in page.tags} & {"script", "i", "b"}
        assert '<script>alert("x")' in page.text
        assert "\x0b" not in text

    def test_every_figure_is_its_querys(self, wicked: Ledger) -> None:
        wrong = wrong_figures(wicked, as_html(build(wicked, "presentation")))
        assert [one for one in wrong if "\x0b" not in one and "\\x0b" not in one] == []

    def test_the_verdict_of_the_champion_is_found(self, wicked: Ledger) -> None:
        text = " ".join(Page(as_html(build(wicked, "presentation"))).text.split())
        assert "models tested: better than naive" in text

    def test_in_a_deck(self, wicked: Ledger) -> None:
        pptx = pytest.importorskip("pptx")
        from experiments.services.reports.pptx import as_pptx

        for purpose, model in (("presentation", None), ("pruning", None), ("model", WICKED)):
            deck = pptx.Presentation(io.BytesIO(as_pptx(build(wicked, purpose, model))))
            names = {
                str(category)
                for slide in deck.slides
                for shape in slide.shapes
                if shape.has_chart
                for plot in shape.chart.plots
                for category in (*plot.categories, *(series.name for series in plot.series))
            }
            assert not [name for name in names if name.startswith("=")]

    def test_in_a_text(self, wicked: Ledger) -> None:
        text = as_markdown(build(wicked, "presentation"))
        outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert "<script" not in outside
        rows = [line for line in outside.splitlines() if line.startswith("| ")]
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
        tables = re.split(r"\n\n", outside)
        for table in tables:
            lines = [line for line in table.splitlines() if line.startswith("| ")]
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) <= 1
        assert cells


class TestProduction:
    def shown(self, ledger: Ledger, **how: Any) -> str:
        return " ".join(Page(as_html(build(ledger, "presentation", **how))).text.split())

    @pytest.fixture
    def coffee(self, ledger: Ledger) -> dict[str, str]:
        figures = {"mae_14day": 3.1, "mae_path": 2.9, "directional_accuracy": 0.695, "dm_test_vs_naive": -2.4}
        better = figures | {"dm_pvalue": 0.012, "beats_baseline": True}
        worse = figures | {"dm_test_vs_naive": 3.0, "dm_pvalue": 0.004, "beats_baseline": False}
        changes = {"good": better, "bad": worse}
        return put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD, "bad": BAD}, naive=NAIVE, changes=changes)

    def test_one_that_beats_naive(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        decide(ledger, decision("promote", "good", coffee["good"]))
        text = self.shown(ledger)
        assert "Production Model: good (Coffee)" in text
        assert "MAE: 3.100 (14-trading-day horizon)" in text
        assert "Directional Accuracy: 69.5 %" in text
        assert "Statistically beats naive baseline (p = 0.012)" in text
        assert "good (in production): forecasts and actual values" in text

    def test_by_force_and_worse(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        decide(ledger, decision("promote", "bad", coffee["bad"], forced=True, reason="a trial"))
        text = self.shown(ledger)
        assert "Worse than the naive baseline (p = 0.004)" in text
        assert "Promoted by force, against the rule: a trial" in text
        assert "worse than naive" in text

    def test_naive_itself(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        decide(ledger, decision("promote", "naive", coffee["naive"]))
        assert "The naive baseline itself: nothing was shown to be better" in self.shown(ledger)

    def test_an_evaluation_removed_by_hand(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        decide(ledger, decision("promote", "gone", "no-such-evaluation"))
        assert "Its evaluation is no longer in the ledger: there are no figures to show" in self.shown(ledger)

    def test_as_of(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        later = NOW + dt.timedelta(days=30)
        decide(ledger, decision("promote", "bad", coffee["bad"]))
        decide(ledger, decision("promote", "good", coffee["good"], decided_at=later))
        decide(ledger, decision("prune", "bad", decided_at=later, reason="twice as wrong"))
        assert "No model in production for Coffee" in self.shown(ledger, as_of="2025-02-01")
        then = self.shown(ledger, as_of="2025-03-02")
        assert "Production Model: bad (Coffee)" in then
        assert "No model is pruned." in then
        now = self.shown(ledger)
        assert "Production Model: good (Coffee)" in now
        assert "twice as wrong" in now
        with pytest.raises(NotFoundError, match="no evaluation of Coffee was finished by 2024-01-01"):
            build(ledger, "presentation", as_of="2024-01-01")
        with pytest.raises(NotFoundError, match="no evaluation of Coffee was finished by 2024-01-01"):
            build(ledger, "model", "good", as_of="2024-01-01")

    def test_decisions_about_a_model(self, ledger: Ledger, coffee: dict[str, str]) -> None:
        decide(ledger, decision("promote", "good", coffee["good"]), decision("prune", "bad", reason="it lost"))
        text = " ".join(Page(as_html(build(ledger, "model", "bad"))).text.split())
        assert "it lost" in text
        assert "worse than naive" in text
        assert "promote" not in text
        assert "promote" in " ".join(Page(as_html(build(ledger, "pruning"))).text.split())


def written(report: Report, tmp_path: Path) -> list[Path]:
    """A report in every format."""
    return [write(report, tmp_path / f"report.{form}") for form in FORMATS]


class TestLittle:
    @pytest.mark.parametrize(("purpose", "model"), [("presentation", None), ("pruning", None), ("model", "any")])
    def test_an_empty_ledger(self, ledger: Ledger, tmp_path: Path, purpose: str, model: str | None) -> None:
        report = build(ledger, purpose, model)
        assert said(report.headline) == f"There is nothing for the {purpose} report yet: no evaluation is finished."
        assert "experiments demo" in as_html(report)
        assert all(path.stat().st_size > 100 for path in written(report, tmp_path))

    def test_figures_reported_by_callers_only(self, ledger: Ledger, tmp_path: Path) -> None:
        ledger.write_experiments([specified_experiment()])
        for purpose, model in (("presentation", None), ("pruning", None), ("model", "sarimax_auto_weather_v1")):
            report = build(ledger, purpose, model)
            assert wrong_figures(ledger, as_html(report)) == []
            assert written(report, tmp_path)
        text = " ".join(Page(as_html(build(ledger, "presentation"))).text.split())
        assert "No windows are recorded: callers reported their figures only" in text
        assert "by those use sarimax_auto_weather_v1, reported to beat naive" in text

    @pytest.mark.parametrize("n", [1, 9])
    def test_one_model_and_few_windows(self, ledger: Ledger, tmp_path: Path, n: int) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE[:n]}, naive=NAIVE[:n])
        put_losses(ledger, "Tea", {"good": GOOD[:n]}, naive=NAIVE[:n])
        for purpose, model in (("presentation", None), ("pruning", None), ("model", "good")):
            report = build(ledger, purpose, model)
            assert wrong_figures(ledger, as_html(report)) == []
            assert written(report, tmp_path)

    def test_evaluations_that_failed(self, ledger: Ledger, tmp_path: Path) -> None:
        nothing: list[float | None] = [None] * N
        failed = {"status": "failed", "n_failed_windows": N}
        losses = {"naive": NAIVE, "broken": nothing}
        put_losses(ledger, "Coffee", losses, naive=NAIVE, changes={"broken": failed})
        for purpose, model in (("presentation", None), ("model", "broken")):
            report = build(ledger, purpose, model)
            assert wrong_figures(ledger, as_html(report)) == []
            assert written(report, tmp_path)
        text = " ".join(Page(as_html(build(ledger, "presentation"))).text.split())
        assert "1 of them failed in every window, and are kept" in text

    def test_a_commodity_without_a_finished_evaluation_is_said(self, ledger: Ledger) -> None:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
        unfinished = run_row(commodity="Tea", unique_id="Tea", status="incomplete", backtest_id="Tea")
        put(ledger, "model_runs", unfinished)
        put(ledger, "experiments", experiment_row(experiment_id=unfinished["experiment_id"]))
        text = " ".join(Page(as_html(build(ledger, "presentation"))).text.split())
        assert "2 Experiment Runs" in text
        assert "Tea" in text


class TestRefused:
    @pytest.mark.parametrize(
        ("purpose", "model", "how", "words"),
        [
            ("presentations", None, {}, "Did you mean 'presentation'"),
            ("presentation", "arima", {}, "is not about one model, but 'arima' was named"),
            ("model", None, {}, "needs its name"),
            ("model", "arimaa", {}, "Did you mean 'arima'"),
            ("presentation", None, {"commodity": "WTJ"}, "Did you mean 'WTI'"),
            ("presentation", None, {"as_of": "soon"}, "give a date"),
        ],
    )
    def test_in_words(self, filled: Filled, purpose: str, model: str | None, how: dict[str, str], words: str) -> None:
        with pytest.raises((NotFoundError, InvalidInputError), match=words):
            build(filled.ledger, purpose, model, **how)

    def test_targets(self, tmp_path: Path) -> None:
        assert check_target(None, None, "presentation", None) == (Path("presentation.html"), "html")
        assert check_target(None, "pptx", "model", "a/b")[0] == Path("model-a-b.pptx")
        assert check_target(tmp_path / "a.MD", None, "pruning", None) == (tmp_path / "a.MD", "md")
        assert check_target(tmp_path / "a.txt", "md", "pruning", None)[1] == "md"
        for path, form, words in (
            ("a.txt", None, "end it with .html"),
            (tmp_path / "no" / "a.html", None, "there is no folder"),
            (tmp_path, "md", "is a folder"),
        ):
            with pytest.raises(InvalidInputError, match=words):
                check_target(path, form, "pruning", None)
        with pytest.raises(NotFoundError, match="unknown format 'pdf'"):
            check_target("a.pdf", "pdf", "pruning", None)

    @pytest.mark.parametrize(("form", "package"), [("html", "jinja2"), ("html", "vl_convert"), ("pptx", "pptx")])
    def test_a_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch, form: str, package: str) -> None:
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(EngineError, match=r"pip install 'experiment-ledger\[reports\]'"):
            prepare(form)
        prepare("md")

    def test_a_file_that_cannot_be_written(self, presentation: Report, tmp_path: Path) -> None:
        (tmp_path / "a.md").mkdir()
        with pytest.raises(InvalidInputError, match="is a folder"):
            write(presentation, tmp_path / "a.md")


class TestParameters:
    def test_a_query_with_parameters(self, filled: Filled) -> None:
        found = filled.ledger.sql("select count(*) as n from model_runs where commodity = :c", {"c": "WTI"})
        assert found["n"].tolist() == [4]
        injected = filled.ledger.sql("select count(*) as n from model_runs where commodity = :c", {"c": "' or true --"})
        assert injected["n"].tolist() == [0]

    @pytest.mark.parametrize(
        ("given", "words"),
        [({"c": 1}, "the parameter c is 1: give a text"), ({"c d": "x"}, "is not an identifier"), ({}, "cannot run")],
    )
    def test_refused(self, filled: Filled, given: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidInputError, match=words):
            filled.ledger.sql("select * from model_runs where commodity = :c", given)


def test_labels_keep_apart() -> None:
    heights = spread([0.0, 0.1, 0.1, 9.0], 1.0)
    ordered = sorted(heights)
    assert all(b - a >= 1 - 1e-9 for a, b in pairwise(ordered))
    assert heights[3] == 9.0
