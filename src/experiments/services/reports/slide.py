"""The slide "Rigorous Experimentation Process": what was tried, how, and what is in production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, SIGNIFICANCE_LEVEL, step_name
from experiments.services.answers import in_words
from experiments.services.reports import formats
from experiments.services.reports.asking import value_of
from experiments.services.reports.model import Node, Part, Section, Text, Tree

if TYPE_CHECKING:
    from experiments.services.reports.asking import Asker, Subject
    from experiments.services.reports.model import Answer

TITLE = "Rigorous Experimentation Process"

NAMED = 3
"""Models of one type up to which each is named; baselines always are."""

_BASELINE_TYPE = "Baseline"


def process(asker: Asker, subjects: list[Subject]) -> Section:
    """The specified slide from the tables: variants, runs, and the model in production of each series."""
    overview = asker.known("report_overview")
    left_out = [Text(parts=(f"Left out: {formats.plain(why)}",)) for why in asker.left_out]
    roots = [_variants(asker, overview), _runs(asker, overview), *(_production(one) for one in subjects)]
    undecided = [one.choice.reason for one in subjects if one.champion is None]
    return Section(
        title=TITLE,
        blocks=(Tree(roots=tuple(roots)), *_how(overview), *left_out),
        notes=" ".join(["Every figure is a column of a query listed below.", *undecided]),
    )


def _how(overview: Answer) -> list[Text]:
    """What the words on the slide mean, in small print."""
    words = (
        "MAE: mean absolute error, in the unit of the series. Directional accuracy: share of steps forecast to the "
        "side of the last observed value the actual moved to. Naive: the last observed value, repeated."
    )
    reported = value_of(overview, 0, "n_reported")
    if not reported:
        return [Text(parts=(words,))]
    told = overview.value(0, "n_reported", formats.count)
    return [Text(parts=(words, " ", told, " of the runs are figures reported by callers, not computed here."))]


def _variants(asker: Asker, overview: Answer) -> Node:
    types = asker.known("report_model_types")
    children = [_type(types, int(row)) for row in types.frame.index]
    noun = _plural(overview, "n_models", " Model Variant Tested", " Model Variants Tested")
    return Node(parts=(overview.value(0, "n_models", formats.count), noun), children=tuple(children))


def _type(types: Answer, row: int) -> Node:
    count, kind = types.value(row, "n_models", formats.count), types.value(row, "model_type", formats.text)
    number = int(types.frame["n_models"].loc[row])
    noun = " variant" if number == 1 else " variants"
    if kind.text == _BASELINE_TYPE:
        noun = "" if number == 1 else "s"
    parts: list[Part] = [count, " ", kind, noun]
    if kind.text == _BASELINE_TYPE or number <= NAMED:
        parts += [" (", types.value(row, "model_names", formats.text), ")"]
    return Node(parts=tuple(parts))


def _runs(asker: Asker, overview: Answer) -> Node:
    commodities = asker.known("report_commodities")
    names: list[Part] = []
    for row in commodities.frame.index:
        names += [", ", commodities.value(int(row), "commodity", formats.text)]
    number = overview.value(0, "n_commodities", formats.count)
    noun = _plural(overview, "n_commodities", " commodity (", " commodities (")
    children = [
        _windows(overview),
        Node(parts=(number, noun, *names[1:], ")")),
        _testing(overview),
        _reproducibility(overview),
    ]
    failed = value_of(overview, 0, "n_failed")
    if failed:
        told = overview.value(0, "n_failed", formats.count)
        children.append(Node(parts=(told, " of them failed in every window, and are kept")))
    runs = _plural(overview, "n_runs", " Experiment Run", " Experiment Runs")
    return Node(parts=(overview.value(0, "n_runs", formats.count), runs), children=tuple(children))


def _windows(overview: Answer) -> Node:
    fewest, most = (value_of(overview, 0, name) for name in ("fewest_windows", "most_windows"))
    if most is None:
        return Node(parts=("No windows are recorded: callers reported their figures only",))
    parts: list[Part] = [overview.value(0, "most_windows", formats.count)]
    if fewest != most:
        parts = [overview.value(0, "fewest_windows", formats.count), " to ", *parts]
    noun = " historical window" if most == 1 else " historical windows"
    total = overview.value(0, "n_windows", formats.count)
    return Node(parts=(*parts, noun, " (walk-forward validation), ", total, " forecast in all"))


def _testing(overview: Answer) -> Node:
    tested, runs = overview.value(0, "n_tested", formats.count), overview.value(0, "n_runs", formats.count)
    if not value_of(overview, 0, "n_tested"):
        return Node(parts=("Statistical significance testing (Diebold-Mariano): ", tested, " of ", runs, " runs yet"))
    beating = overview.value(0, "n_beating", formats.count)
    return Node(
        parts=(
            *("Statistical significance testing (Diebold-Mariano): ", tested, " of ", runs),
            *(" runs tested against naive, ", beating, f" better at {100 * SIGNIFICANCE_LEVEL:.0f} %"),
        )
    )


def _reproducibility(overview: Answer) -> Node:
    runs, traced = (int(overview.frame[name].loc[0]) for name in ("n_runs", "n_reproducible"))
    word = "Full reproducibility tracking: " if runs == traced else "Reproducibility tracking: "
    shown = [overview.value(0, name, formats.count) for name in ("n_reproducible", "n_runs")]
    parts: tuple[Part, ...] = (word, shown[0], " of ", shown[1], " runs have commit, environment and code on record")
    if runs == traced:
        return Node(parts=parts)
    each = {"n_with_commit": " commit, ", "n_with_environment": " environment, ", "n_with_code": " code"}
    detail: list[Part] = []
    for name, noun in each.items():
        detail += [overview.value(0, name, formats.count), noun]
    return Node(parts=(*parts, " (", *detail, ")"))


def _production(subject: Subject) -> Node:
    if subject.champion is None:
        root: tuple[Part, ...] = ("No model in production for ", formats.text(subject.name))
        return Node(parts=root, children=(Node(parts=(formats.plain(subject.choice.reason),)),))
    answer, row = subject.champions, subject.champion
    model = answer.value(row, "model_name", formats.text)
    children = [*_figures(answer, row), *_adjusted(subject, str(subject.champion_name))]
    if value_of(answer, row, "forced"):
        reason = answer.value(row, "reason", formats.text)
        children.append(Node(parts=("Promoted by force, against the rule: ", reason)))
    since = answer.value(row, "champion_from", formats.date)
    children.append(
        Node(parts=("In production since ", since, ", decided by ", answer.value(row, "decided_by", formats.text)))
    )
    return Node(parts=("Production Model: ", model, f" ({formats.text(subject.name)})"), children=tuple(children))


def _figures(answer: Answer, row: int) -> list[Node]:
    """Error, direction and significance of the evaluation in production, or that it is gone."""
    if not value_of(answer, row, "is_recorded"):
        return [Node(parts=("Its evaluation is no longer in the ledger: there are no figures to show",))]
    return [_error(answer, row), _direction(answer, row), _significance(answer, row)]


def _error(answer: Answer, row: int) -> Node:
    unit = step_name(str(value_of(answer, row, "frequency") or "irregular"))
    if value_of(answer, row, "mae_14day") is not None:
        return Node(
            parts=("MAE: ", answer.value(row, "mae_14day", formats.error), f" (14-{unit.replace(' ', '-')} horizon)")
        )
    if value_of(answer, row, "mae_path") is None:
        return Node(parts=("MAE: not recorded",))
    horizon = answer.value(row, "forecast_horizon_days", formats.count)
    return Node(parts=("MAE: ", answer.value(row, "mae_path", formats.error), " (mean of ", horizon, f" {unit}s)"))


def _direction(answer: Answer, row: int) -> Node:
    if value_of(answer, row, "directional_accuracy") is None:
        return Node(parts=("Directional Accuracy: none is recorded; flat forecasts have none",))
    return Node(parts=("Directional Accuracy: ", answer.value(row, "directional_accuracy", formats.share)))


def _significance(answer: Answer, row: int) -> Node:
    """What the test against naive says, as it is."""
    if value_of(answer, row, "model_name") == BASELINE:
        return Node(parts=("The naive baseline itself: nothing was shown to be better",))
    pvalue, better = value_of(answer, row, "dm_pvalue"), value_of(answer, row, "beats_baseline")
    if pvalue is None:
        if better:
            return Node(parts=("Reported to beat the naive baseline; not tested here",))
        note = value_of(answer, row, "evidence_note")
        return Node(parts=("Not tested against naive", f": {formats.plain(str(note))}" if note else ""))
    shown = answer.value(row, "dm_pvalue", formats.pvalue)
    equals = " (p " if shown.text.startswith("<") else " (p = "
    if better:
        return Node(parts=("Statistically beats naive baseline", equals, shown, ")"))
    statistic = value_of(answer, row, "dm_test_vs_naive")
    if statistic is not None and statistic > 0 and pvalue < SIGNIFICANCE_LEVEL:
        return Node(parts=("Worse than the naive baseline", equals, shown, ")"))
    return Node(parts=("Not shown to beat the naive baseline", equals, shown, ")"))


def _adjusted(subject: Subject, model: str) -> list[Node]:
    """The verdict of the leaderboard, which is corrected for how many models were tried."""
    if subject.board is None or model == BASELINE:
        return []
    frame = subject.board.frame
    own = frame[frame["model_name"] == model]
    if own.empty:
        return [Node(parts=("Not in the latest backtest of this series",))]
    tested = subject.board.value(int(own.index[0]), "n_tested", formats.count)
    return [Node(parts=("Corrected for the ", tested, " models tested: ", formats.plain(in_words(own.iloc[0]))))]


def _plural(answer: Answer, column: str, one: str, many: str) -> str:
    return one if int(answer.frame[column].loc[0]) == 1 else many
