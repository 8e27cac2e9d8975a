"""What there is to show of one series: its leaderboard, forecasts, losses, and what accuracy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, METRICS
from experiments.services.answers import in_words
from experiments.services.reports import columns, formats
from experiments.services.reports.columns import given
from experiments.services.reports.model import Axis, Block, Chart, Part, Section, Table, Text

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.reports.asking import Asker, Evaluation, Subject
    from experiments.services.reports.model import Answer, Query

LAST_WINDOWS = 6
"""Windows of forecasts that are drawn."""

BEST = 4
"""Places of the leaderboard whose cumulative losses are drawn."""

MAE = "mean absolute error, unit of the series"


def ahead(asker: Asker, subject: Subject) -> None:
    """Ask what the sections of a series are made of, beside whatever comes next."""
    evaluation, _ = subject.shown
    if evaluation is not None:
        asker.ahead("report_forecasts", **_of_forecasts(evaluation))
    if subject.board is not None:
        asker.ahead("report_cumulative", **_of_losses(subject, subject.board))
    asker.known_ahead("report_pruning_candidates", commodity=subject.commodity)
    asker.known_ahead("report_pruned", commodity=subject.commodity)


def _of_forecasts(evaluation: Evaluation) -> dict[str, str]:
    return evaluation.place | {"windows": str(LAST_WINDOWS)}


def _of_losses(subject: Subject, board: Answer) -> dict[str, str]:
    champion = "" if subject.champion is None else str(subject.champions.frame["experiment_id"].loc[subject.champion])
    return {
        "commodity": subject.commodity,
        "family_id": board.query.parameters["family_id"],
        "experiment_id": champion,
        "places": str(BEST),
    }


def leaderboard(subject: Subject) -> list[Section]:
    """Who is better than naive, with intervals, in a picture and a table."""
    title = f"{formats.text(subject.name)}: leaderboard"
    verdict = Text(parts=(formats.plain(subject.choice.reason),), strong=True, basis=_basis(subject))
    if subject.board is None:
        return [Section(title=title, blocks=(verdict,))]
    frame, query = subject.board.frame, subject.board.query
    told = Table(
        query=query,
        frame=frame,
        columns=given(columns.LEADERBOARD, frame),
        words={"verdict": tuple(formats.plain(in_words(row)) for _, row in frame.iterrows())},
        caption="MAE: mean absolute error on the windows all compared models share, unit of the series. vs naive: "
        "difference of the errors as a share of naive's, negative is better. p: Diebold-Mariano, two-sided; "
        "Holm: corrected for the models tested.",
    )
    drawn = _differences(subject.board)
    blocks: list[Block] = [verdict, *([drawn] if drawn else []), told]
    return [Section(title=title, blocks=tuple(blocks), notes=subject.choice.reason)]


def _basis(subject: Subject) -> tuple[Query, ...]:
    return () if subject.board is None else (subject.board.query,)


def _differences(board: Answer) -> Chart | None:
    frame = board.frame
    shown = frame[frame["place"].notna() & (frame["model_name"] != BASELINE) & frame["naive_difference_share"].notna()]
    if shown.empty:
        return None
    return Chart(
        kind="intervals",
        title=f"Error against naive, {_over(frame)}",
        query=board.query,
        frame=shown,
        x=Axis(
            column="naive_difference_share", title="difference of the mean absolute errors, % of naive's", kind="share"
        ),
        y=Axis(column="label", title="", kind="name"),
        ends=("naive_lower_share", "naive_upper_share"),
        marked="in_confidence_set",
        marks=("may be the best (in the confidence set)", "told apart from the best"),
        zero="naive",
        columns=columns.INTERVALS,
        n=_shared(board),
        caption="Left of zero is better than naive. Lines are 95 % confidence intervals, not corrected for the number "
        "of models; the verdicts in the table are.",
    )


def forecasts(asker: Asker, subject: Subject) -> Section | None:
    """What the champion, else the choice, forecast in its last windows, and what happened."""
    evaluation, why = subject.shown
    if evaluation is None:
        return None
    blocks = forecast_blocks(asker, evaluation, why)
    return Section(title=f"{formats.text(subject.name)}: forecast against actual", blocks=tuple(blocks))


def forecast_blocks(asker: Asker, evaluation: Evaluation, why: str) -> list[Block]:
    """The forecasts of an evaluation in its last windows, as a chart."""
    answer = asker.ask("report_forecasts", **_of_forecasts(evaluation))
    model = formats.text(evaluation.model)
    called = f"{model} ({why})" if why else model
    if answer.frame.empty:
        return [Text(parts=(f"Of {called} no forecasts are stored, only figures.",), basis=(answer.query,))]
    frame = answer.frame
    band = bool(frame["q10"].notna().any())
    words = "With its 80 % interval. " if band else "It gives no interval. "
    return [
        Chart(
            kind="forecast",
            title=f"{called}: forecasts and actual values",
            query=answer.query,
            frame=frame,
            x=Axis(column="ds", title="date", kind="date"),
            y=Axis(column="y", title="value, unit of the series"),
            series="cutoff",
            ends=("q10", "q90") if band else None,
            columns=given(columns.FORECASTS, frame),
            n=("its last ", answer.value(0, "n_shown", formats.count), " windows"),
            caption=words + "Each window begins after its cutoff, the last date the model could see.",
        )
    ]


def losses(asker: Asker, subject: Subject) -> Section | None:
    """When the differences to naive arose: summed over the windows all share."""
    if subject.board is None:
        return None
    answer = asker.ask("report_cumulative", **_of_losses(subject, subject.board))
    frame = answer.frame[answer.frame["model_name"] != BASELINE]
    title = f"{formats.text(subject.name)}: where the difference arose"
    if frame["cutoff"].nunique() < 2:  # noqa: PLR2004  one point is no line
        words = "Fewer than two windows are shared by a model and naive: there is no course to draw."
        return Section(title=title, blocks=(Text(parts=(words,), basis=(answer.query,)),))
    chart = Chart(
        kind="lines",
        title="Loss minus naive's, summed over the windows",
        query=answer.query,
        frame=frame,
        x=Axis(column="cutoff", title="cutoff", kind="date"),
        y=Axis(column="cumulative_difference", title="summed difference of MAE, unit of the series"),
        series="label",
        zero="naive",
        columns=columns.CUMULATIVE,
        n=(answer.value(int(frame.index[0]), "n_windows", formats.count), " shared windows"),
        caption="A falling line gains on naive, a rising one loses; a steady slope is a steady difference.",
    )
    return Section(title=title, blocks=(chart,))


def confidence_set(subject: Subject) -> Section | None:
    """The models that may be the best."""
    if subject.board is None:
        return None
    frame, query = subject.board.frame, subject.board.query
    members = frame[frame["in_confidence_set"].eq(True)]
    title = f"{formats.text(subject.name)}: models that may be the best"
    if members.empty:
        words = "There is no model confidence set: too few windows are shared to tell any models apart."
        return Section(title=title, blocks=(Text(parts=(words,), basis=(query,)),))
    compared = subject.board.value(0, "n_compared", formats.count)
    level = subject.board.value(0, "confidence_level", formats.share)
    count = subject.board.value(0, "n_in_confidence_set", formats.count)
    lead = Text(
        parts=(
            *("Of ", compared, " models compared, the data leave ", count, " that may be the best, at "),
            *(level, " confidence on ", *_shared(subject.board), "."),
        )
    )
    table = Table(
        query=query,
        frame=members,
        columns=given(columns.MEMBERS, members),
        caption="p of the set: of the hypothesis that the model is among the best (model confidence set). vs leader: "
        "difference to the smallest error, as a share of naive's.",
    )
    return Section(title=title, blocks=(lead, table))


def costs(subject: Subject) -> Section | None:
    """Accuracy against the seconds it took."""
    if subject.board is None:
        return None
    frame, query = subject.board.frame, subject.board.query
    shown = frame[frame["place"].notna() & (frame["execution_time_seconds"] > 0)]
    title = f"{formats.text(subject.name)}: cost against accuracy"
    if shown.empty:
        words = "No times are recorded of the compared models."
        return Section(title=title, blocks=(Text(parts=(words,), basis=(query,)),))
    chart = Chart(
        kind="scatter",
        title="Error against the time of all windows",
        query=query,
        frame=shown,
        x=Axis(column="execution_time_seconds", title="seconds to fit and forecast, logarithmic", kind="seconds"),
        y=Axis(column="loss", title=MAE),
        marked="is_efficient",
        marks=("efficient: none is both better and cheaper", "another is better and cheaper"),
        columns=given(columns.COSTS, shown),
        n=(subject.board.value(0, "n_compared", formats.count), " models compared, ", *_shared(subject.board)),
        caption="Numbers are places in the leaderboard; efficient models are named.",
    )
    return Section(title=title, blocks=(chart,))


def _shared(board: Answer) -> tuple[Part, ...]:
    """How many windows are compared, and of how many steps."""
    windows, steps = (board.value(0, name, formats.count) for name in ("n_shared", "forecast_horizon_days"))
    return (windows, " shared windows of ", steps, " steps")


def _over(frame: pd.DataFrame) -> str:
    step = METRICS[str(frame["metric"].iloc[0])]
    return "over all steps" if step is None else f"at step {step}"
