"""Lineage, comparison and card of registered models: on one family in which each has relatives of every kind."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from experiments.errors import EngineError, InvalidInputError
from experiments.services.registry.card import ModelCard, card_from, card_of
from experiments.services.registry.comparing import Measured, cell, compare_versions, compared
from experiments.services.registry.drawing import plot_lineage, plot_version_comparison
from experiments.services.registry.lineage import Evaluation, Lineage, Relative, lineage, lineages
from experiments.services.registry.telling import drawn, origin_of, relative, size
from experiments.services.tracking.comparing import Compared
from registered import HOSTILE, TAKEN, evaluated, family, model_row, save
from reported import Page
from tracked import ODD, run_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.services.registry.registry import ModelRegistry

pytestmark = pytest.mark.engine

PNG = b"\x89PNG\r\n"

OTHER, FIRST, SECOND, THIRD, BLEND, LEAF = 3, 4, 5, 6, 7, 8


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    yield from family(tmp_path_factory)


@pytest.fixture(scope="module")
def every(registry: ModelRegistry) -> dict[int, Lineage]:
    """The lineage of each version, read once."""
    return {one.model.model_id: one for one in lineages(registry, registry.versions())}


@pytest.fixture(scope="module")
def whole(every: dict[int, Lineage]) -> Lineage:
    """The lineage of the version that has everything."""
    return every[SECOND]


def ids(relatives: tuple[Relative, ...]) -> list[int]:
    return [one.model_id for one in relatives]


class TestLineage:
    def test_parents_go_up_to_the_roots_and_what_was_deleted_is_there_as_such(self, whole: Lineage) -> None:
        assert ids(whole.ancestors) == [4, 2, 3, 1]
        gone = whole.ancestors[-1]
        assert (gone.label, gone.deleted_because, gone.parents) == ("base 1.0.0", "trained on the wrong data", ())
        assert gone.deleted_at is not None
        assert gone.model_type is None
        assert whole.ancestors[0].parentage == "ensemble"

    def test_what_was_made_from_it_goes_down_to_the_leaves(self, every: dict[int, Lineage], whole: Lineage) -> None:
        assert ids(whole.descendants) == [6, 7, 8]
        assert ids(every[OTHER].descendants) == [4, 7, 5, 8, 6]
        leaf = every[LEAF]
        assert leaf.descendants == ()
        assert every[THIRD].run is not None
        assert every[THIRD].datasets == ()
        assert leaf.run is None
        assert leaf.datasets == leaf.evaluations == leaf.deployments == ()

    def test_the_run_its_data_and_the_environment(self, whole: Lineage) -> None:
        assert whole.run is not None
        assert (whole.run["name"], whole.run["status"]) == ("train" + ODD, "completed")
        assert [(one["name"], one["role"], one["n_rows"]) for one in whole.datasets] == [
            ("prices", "train", 1000),
            (None, "all", None),
        ]
        assert whole.environment is not None
        assert whole.environment["packages"] == {"numpy": "2.4.6", "torch": "2.9.0"}

    def test_the_decisions_by_which_it_got_an_alias_and_lost_it(
        self, every: dict[int, Lineage], whole: Lineage
    ) -> None:
        assert [(one.what, one.alias, one.other) for one in whole.deployments] == [
            ("promoted", "champion", "1.0.0"),
            ("rolled back", "champion", "1.0.0"),
            ("promoted", "challenger", None),
        ]
        assert "better than naive on Coffee" in whole.deployments[0].verdict
        first = every[FIRST].deployments
        assert [(one.what, one.other, one.reason) for one in first] == [
            ("promoted", None, "the first"),
            ("replaced", "1.0.1", HOSTILE),
            ("restored", "1.0.1", "drift"),
        ]
        assert [one.event for one in (*first[1:], whole.deployments[1])] == [
            "replaced as champion by 1.0.1",
            "champion again, 1.0.1 was rolled back",
            "rolled back, champion is 1.0.0 again",
        ]

    def test_as_a_tree(self, whole: Lineage) -> None:
        tree = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "WHEN", whole.text)
        lines = tree.splitlines()
        name = " ".join(ODD.split())
        assert lines[0] == "spread 1.0.1 (model 5): Ridge, challenger since WHEN"
        assert f"├─ run: train{name} (training, completed), started WHEN by me, {run_id('train' + ODD)}" in lines
        assert "│  ├─ data: prices (train), 1,000 rows of prices.csv, version 1234567890ab" in lines
        assert "│  └─ code of the run: commit c0ffeec0ffee, with changes that are not in it" in lines
        assert lines[lines.index("├─ fine-tuned from spread 1.0.0 (model 4), Ridge, champion") :][:5] == [
            "├─ fine-tuned from spread 1.0.0 (model 4), Ridge, champion",
            "├─ which is an ensemble of 2",
            "│  ├─ base 1.0.1 (model 2), Ridge",
            "│  │  └─ fine-tuned from base 1.0.0 (model 1), deleted WHEN by "
            f"{whole.ancestors[-1].deleted_by}: trained on the wrong data",
            "│  └─ other 1.0.0 (model 3), Ridge",
        ]
        assert lines[lines.index("├─ made from it: 3 versions") :][1:4] == [
            "│  ├─ spread 1.0.2 (model 6), Ridge, fine-tuned from it",
            "│  └─ blend 1.0.0 (model 7), Ridge, an ensemble of 2 with it",
            "│     └─ blend 1.0.1 (model 8), Ridge, fine-tuned from model 7",
        ]
        assert "│  ├─ Coffee, 14 trading days ahead: MAE 1.25 over 40 windows, better than naive " in tree
        assert "│  └─ Sugar, 14 trading days ahead: MAE 1.25 over 40 windows, not tested against naive" in lines
        assert "   └─ WHEN promoted to challenger, by " in tree
        assert repr(whole) == f"<Lineage of spread 1.0.1>\n{whole.text}"

    def test_nothing_known_is_said_too(self, every: dict[int, Lineage]) -> None:
        told = every[OTHER].text
        for words in (
            "run: none is recorded",
            "made from no other version",
            "evaluations: none is recorded",
            "deployments: none is recorded",
        ):
            assert f"─ {words}" in told
        leaf = every[LEAF]
        assert "nothing was made from it" in leaf.text
        found = leaf.model
        gone = Lineage(
            **vars(leaf) | {"model": type(found)(**vars(found) | {"experiment_id": "r1"}), "environment": None}
        )
        assert "run: r1, which is not recorded any more" in gone.text
        assert "environment: none is recorded" in gone.text

    def test_a_shared_ancestor_is_followed_once(self, every: dict[int, Lineage]) -> None:
        told = every[BLEND].text
        assert told.count("other 1.0.0 (model 3)") == 2
        assert told.count("base 1.0.0 (model 1)") == 1
        four = every[OTHER].text
        assert "│  ├─ spread 1.0.0 (model 4), Ridge, champion, an ensemble of 2 with it" in four
        assert "blend 1.0.0 (model 7), Ridge, an ensemble of 2 with it, see above" in four

    def test_as_plain_values(self, whole: Lineage) -> None:
        told = json.loads(json.dumps(whole.info))
        assert list(told) == [
            *("model", "run", "datasets", "environment", "ancestors", "descendants", "evaluations", "deployments")
        ]
        assert told["evaluations"][0]["data_as_of"] == TAKEN.isoformat()
        assert told["evaluations"][0]["verdict"].startswith("better than naive")
        assert told["run"]["started_at"].endswith("+00:00")

    def test_hundreds_of_generations(self, registry: ModelRegistry, every: dict[int, Lineage], tmp_path: Path) -> None:
        first, n = 1000, 1100

        def row(place: int) -> dict[str, Any]:
            model_id = first + place
            if place > 1 and place % 2:  # every other one is an ensemble of the two before it
                made = {"parents": [model_id - 1, model_id - 2], "parentage": "ensemble"}
            else:
                made = {"parents": [model_id - 1], "parentage": "fine-tuned"} if place else {}
            return model_row(registry, model_id, "deep", f"1.0.{place}", environment_id="gone", **made)

        save(registry, *map(row, range(n)))
        last = lineage(registry, registry.get(first + n - 1))
        assert last.environment is None
        assert len(last.ancestors) == n - 1
        assert last.ancestors[-1].model_id == first
        assert "deep 1.0.0 (model 1000)" in last.text
        root = lineage(registry, registry.get(first))
        assert len(root.descendants) == n - 1
        assert f"deep 1.0.{n - 1} (model {first + n - 1})" in root.text
        assert "more further back" in _drawn_words(plot_lineage(last, tmp_path / "deep.svg"))
        assert "more made from it" in _drawn_words(plot_lineage(root, tmp_path / "root.svg"))


@pytest.mark.parametrize(
    ("value", "told"), [(True, "yes"), (False, "no"), (None, None), ("x", "x"), ({"told": "ä"}, '{"told": "ä"}')]
)
def test_what_is_compared_in_one_text(value: object, told: str | None) -> None:
    assert cell(Compared(name="x", a=value, b=None, same=False), "a") == told


def test_no_versions_have_no_lineages(registry: ModelRegistry) -> None:
    assert lineages(registry, []) == []


def test_relatives_of_which_nothing_is_recorded() -> None:
    assert relative(Relative(model_id=7)) == "model 7, of which nothing is recorded any more"
    gone = Relative(model_id=7, model_name="a", version="1.0.0", deleted_at=dt.datetime(2026, 1, 2), deleted_by="me")
    assert relative(gone) == "a 1.0.0 (model 7), deleted 2026-01-02 00:00 UTC by me"


def test_a_tree_of_any_depth() -> None:
    deep = drawn([(depth, "x") for depth in range(2000)])
    assert deep.splitlines()[-1] == "   " * 1998 + "└─ x"
    assert drawn([(0, "two\nlines\x07")]) == "two lines\ufffd"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dm_pvalue": 0.0004, "dm_test_vs_naive": -4.0, "beats_baseline": True}, "better than naive (.*p < 0.001)"),
        ({"dm_pvalue": 0.0004, "dm_test_vs_naive": 4.0, "beats_baseline": False}, "worse than naive (.*p < 0.001)"),
        ({"dm_pvalue": 0.4, "dm_test_vs_naive": -1.0, "beats_baseline": False}, "not shown to be better .*p = 0.400"),
        ({"beats_baseline": True}, "reported to beat naive, not tested here"),
        ({}, "not tested against naive"),
    ],
)
def test_what_the_test_against_naive_says(given: dict[str, Any], words: str) -> None:
    one = Evaluation(**dict.fromkeys(Evaluation.__dataclass_fields__) | {"forecast_horizon_days": 1} | given)
    assert re.match(words, one.verdict)
    assert one.error == "no error is recorded"


def test_an_error_at_one_step_only_says_so() -> None:
    empty = dict.fromkeys(Evaluation.__dataclass_fields__) | {"forecast_horizon_days": 1, "mae_14day": 12.5}
    one = Evaluation(**empty | {"n_windows": 1, "commodity": "Tin", "unique_id": "Tin"})
    assert (one.subject, one.error) == ("Tin, 1 step ahead", "MAE at step 14 12.5 over 1 window")


class TestComparison:
    def test_which_metric_is_better(self, every: dict[int, Lineage]) -> None:
        found = compared(every[FIRST], every[SECOND])
        rows = {row.name: row for row in found.section("metrics").rows if isinstance(row, Measured)}
        assert [(row.better, row.mode, row.same) for row in rows.values()] == [
            ("b", "max", False),  # f1
            ("a", "min", False),  # mae: NaN is never better
            (None, "max", True),  # auc: equal
            (None, "min", False),  # a loss only one has
        ]
        assert found.verdict == (
            "spread 1.0.0 is better in 1 of 3 metrics (mae); spread 1.0.1 is better in 1 of 3 metrics (f1)."
        )
        back = compared(every[SECOND], every[FIRST])
        assert [row.better for row in back.section("metrics").rows if isinstance(row, Measured)][:2] == ["a", "b"]

    def test_what_else_differs(self, every: dict[int, Lineage]) -> None:
        found = compared(every[FIRST], every[SECOND])
        differing = {one.name: {row.name: (row.a, row.b) for row in one.differing} for one in found.sections}
        assert differing["hyperparameters"] == {"alpha": (0.1, 0.2), HOSTILE: (None, HOSTILE)}
        assert differing["data"]["train: prices"] == (None, "1234567890abcdef")
        assert differing["version"]["made from"] == (
            "ensemble: base 1.0.1 (model 2), other 1.0.0 (model 3)",
            "fine-tuned: spread 1.0.0 (model 4)",
        )
        assert differing["code"] == differing["environment"] == differing["file"] == {}
        assert set(differing["evaluations"]) == {"Coffee, 14 trading days ahead", "Sugar, 14 trading days ahead"}
        assert json.loads(json.dumps(found.info))["sections"]["evaluations"][0]["b"]["mae_path"] == 1.25

    def test_errors_are_held_against_each_other_on_the_same_windows_only(
        self, registry: ModelRegistry, every: dict[int, Lineage]
    ) -> None:
        def better() -> list[str | None]:
            found = compare_versions(registry, every[THIRD].model, every[SECOND].model)
            return [row.better for row in found.section("evaluations").rows if isinstance(row, Measured)]

        evaluated(registry.ledger, "1.0.2", "Coffee", 1.0, 0.3, mae_path=9.0)
        assert better() == ["b", None]
        evaluated(registry.ledger, "1.0.2", "Coffee", 1.0, 0.3, mae_path=9.0, data_as_of=TAKEN + dt.timedelta(days=1))
        assert better() == [None, None]

    def test_versions_with_nothing_in_common(self, every: dict[int, Lineage]) -> None:
        assert compared(every[BLEND], every[OTHER]).verdict == "No metric is recorded of both."
        bare = Lineage(**vars(every[OTHER]) | {"environment": None})
        environment = compared(bare, every[OTHER]).section("environment").differing
        assert (environment[0].a, environment[0].b) == (None, "3.11.9")
        same = compared(every[OTHER], every[OTHER])
        assert same.verdict == "Neither is better in any of 1 metrics."
        assert not [row for one in same.sections for row in one.differing]


class TestPictures:
    def test_are_written_as_their_names_say(self, every: dict[int, Lineage], whole: Lineage, tmp_path: Path) -> None:
        both = compared(every[FIRST], every[SECOND])
        assert plot_lineage(whole, tmp_path / "lineage.pdf").read_bytes().startswith(b"%PDF")
        assert plot_version_comparison(both, tmp_path / "both.png").read_bytes().startswith(PNG)

    def test_say_what_there_is(self, every: dict[int, Lineage], whole: Lineage, tmp_path: Path) -> None:
        words = _drawn_words(plot_lineage(whole, tmp_path / "all.svg"))
        for one in ("spread 1.0.1", "data prices", "base 1.0.0", "deleted", "Coffee, 14", "rolled back", "blend 1.0.0"):
            assert one in words
        few = _drawn_words(plot_lineage(every[OTHER], tmp_path / "few.svg"))
        assert "no evaluation is recorded" in few
        both = compared(every[BLEND], every[LEAF])
        assert "No metric is recorded of either." in _drawn_words(plot_version_comparison(both, tmp_path / "n.svg"))

    def test_count_what_they_leave_out(self, every: dict[int, Lineage], whole: Lineage, tmp_path: Path) -> None:
        few = type(whole.model)(**vars(whole.model) | {"metrics": {f"m{n}": float(n) for n in range(30)}})
        settings = {"hyperparameters": {f"p{n}": n for n in range(30)}, "experiment_id": "gone"}
        other = type(whole.model)(**vars(every[OTHER].model) | settings)
        many = Lineage(**vars(whole) | {"model": few, "datasets": whole.datasets * 4})
        assert "2 more datasets" in _drawn_words(plot_lineage(many, tmp_path / "many.svg"))
        gone = Lineage(**vars(every[OTHER]) | {"model": other})
        assert "run gone" in _drawn_words(plot_lineage(gone, tmp_path / "gone.svg"))
        words = _drawn_words(plot_version_comparison(compared(many, gone), tmp_path / "both.svg"))
        assert re.search(r"and \d+ more: the comparison as text has them all", words)

    def test_of_no_format_are_refused(self, whole: Lineage, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="is no picture"):
            plot_lineage(whole, tmp_path / "x.gif")
        (tmp_path / "x.png").mkdir()
        with pytest.raises(EngineError, match="cannot be written"):
            plot_lineage(whole, tmp_path / "x.png")


def _drawn_words(path: Path) -> str:
    """What a picture says: matplotlib leaves each text as a comment beside its outlines."""
    return path.read_text(encoding="utf-8")


class TestCard:
    def test_says_what_is_recorded(self, registry: ModelRegistry, whole: Lineage) -> None:
        card = card_of(registry, whole.model)
        assert card.title == "spread 1.0.1"
        page = Page(card.html)
        assert page.headings == [
            *("What it is", "Intended use", "Limitations", "Data", "Metrics", "Evidence"),
            *("How it was made", "File", "Deployment"),
        ]
        for words in (
            "challenger since",
            "fine-tuned from spread 1.0.0 (model 4)",
            "Not stated.",
            "prices (train), 1,000 rows of prices.csv",
            "No schema of its input is recorded.",
            "NaN",
            "better than naive (Diebold-Mariano, p < 0.001)",
            "not tested against naive",
            "base 1.0.0 (model 1), deleted",
            whole.model.sha256,
            "Loading it can run code",
            "rolled back, champion is 1.0.0 again",
        ):
            assert words in page.text, words

    def test_says_what_is_not_recorded(self, every: dict[int, Lineage]) -> None:
        text = card_from(every[LEAF]).markdown
        for words in (
            "No description is recorded.",
            "## Intended use\n\nNot stated.\n\n## Limitations\n\nNot stated.",
            "No run is recorded that made it",
            "No metric is recorded.",
            "**No evaluation is recorded:** `model_runs` has none of blend in version 1.0.1",
            "No hyperparameters are recorded.",
            "It was never deployed.",
        ):
            assert words in text
        assert "The run that made it has no dataset on record" in card_from(every[THIRD]).markdown

    def test_the_words_of_callers_stay_words(self, whole: Lineage) -> None:
        page = Page(card_from(whole).html)
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "img", "a", "ol", "em"} - {"em"}
        assert [tag for tag, _ in page.tags].count("em") == 1  # the line below the title
        assert not [given for _, given in page.tags if "onclick" in given or "src" in given]
        shown = " ".join(page.text.split())
        assert shown.count(HOSTILE) >= 5  # description, use, hyperparameter and its value, reason
        assert f"Of the desk. - {HOSTILE} === 1. no list no code" in shown

    def test_a_card_from_elsewhere_runs_and_loads_nothing(self, tmp_path: Path) -> None:
        card = ModelCard(title="a <b>", markdown=f"# a\n\n{HOSTILE}\n\n| x | y |\n|---|---|\n| 1 | 2 |\n")
        page = Page(card.html)
        assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe"}
        assert not [one for one in page.tags if str(one[1].get("href", "")).startswith("javascript")]
        assert ("td", {}) in page.tags
        assert "<title>a &lt;b&gt;</title>" in card.html
        assert card._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
        assert repr(card) == "<ModelCard 'a <b>'>"
        assert card.write(tmp_path / "c.md").read_text(encoding="utf-8") == card.markdown
        assert card.write(str(tmp_path / "c.HTML")).read_text(encoding="utf-8") == card.html

    def test_is_written_to_files_of_its_kinds(self, tmp_path: Path) -> None:
        card = ModelCard(title="a", markdown="# a\n")
        (tmp_path / "c.md").mkdir()
        for path, words in (("c.txt", "is no model card"), ("no/c.md", "there is no folder"), ("c.md", "is a folder")):
            with pytest.raises(InvalidInputError, match=words):
                card.write(tmp_path / path)
        locked = tmp_path / "locked.md"
        locked.symlink_to(tmp_path / "nowhere" / "x.md")
        with pytest.raises(EngineError, match="cannot be written"):
            card.write(locked)

    def test_of_a_format_that_runs_nothing_with_a_schema(self, every: dict[int, Lineage]) -> None:
        other = every[OTHER]
        changed = {"file_format": "skops", "input_schema": {"wind|": "double", "sun": ""}, "metrics": {"x": math.inf}}
        model = type(other.model)(**vars(other.model) | changed)
        text = card_from(Lineage(**vars(other) | {"model": model})).markdown
        assert "It predicts from 2 features, in this order:" in text
        assert "| wind\\| | double |\n| sun | not recorded |" in text
        assert "Loading it runs nothing" in text
        assert "| x | inf | larger |" in text


@pytest.mark.parametrize(("n_bytes", "told"), [(1, "1 byte"), (1500, "1.5 kB"), (2_500_000_000, "2.5 GB")])
def test_sizes(n_bytes: int, told: str) -> None:
    assert size(n_bytes) == told


def test_what_is_made_from_nothing_has_no_origin(whole: Lineage) -> None:
    assert origin_of(Lineage(**vars(whole) | {"model": type(whole.model)(**vars(whole.model) | {"parents": ()})})) == []
