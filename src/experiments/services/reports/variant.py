"""The report on one model: what it is, how accurate at each step, how that went over time, and what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, series_name
from experiments.errors import unknown
from experiments.services.answers import in_words
from experiments.services.evidence import none_finished
from experiments.services.reports import columns, formats
from experiments.services.reports.asking import Evaluation, value_of
from experiments.services.reports.columns import given
from experiments.services.reports.model import Axis, Block, Chart, Figure, Figures, Report, Section, Table, Text
from experiments.services.reports.pruning import decided
from experiments.services.reports.series import MAE, forecast_blocks

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.reports.asking import Asker, Subject
    from experiments.services.reports.model import Answer, Query


def check_model(asker: Asker, model: str) -> None:
    """Refuse a model that is not in the ledger, or was not then.

    Raises
    ------
    NotFoundError
        If it is not.
    """
    if not asker.known("report_model_runs", model_name=model).frame.empty:
        return
    names = asker.models()
    if model not in names:
        raise unknown("model", model, names)
    raise none_finished(model, asker.asked_for)


def variant(asker: Asker, subjects: list[Subject], model: str) -> Report:
    """All there is to say of a model, series by series."""
    runs = asker.known("report_model_runs", model_name=model)
    by_series = {(one.commodity, one.choice.unique_id): one for one in subjects}
    sections: list[Section] = []
    verdicts: list[str] = []
    for (commodity, unique_id), own in runs.frame.groupby(["commodity", "unique_id"], sort=True):
        subject = by_series.get((str(commodity), str(unique_id)))
        name = formats.text(series_name(str(commodity), str(unique_id)))
        verdict = _verdict(subject, model)
        verdicts.append(f"{name}: {verdict}")
        sections += _sections(asker, runs, own, subject, (name, verdict))
    for commodity in sorted(set(runs.frame["commodity"])):
        sections.append(decided(asker, str(commodity), model))
    return Report(
        title=f"Model {formats.one_line(model)}",
        headline=(formats.one_line("; ".join(verdicts)) + ".",),
        subtitle=asker.subtitle,
        sections=tuple(sections),
    )


def _verdict(subject: Subject | None, model: str) -> str:
    """What the leaderboard says of the model, in words."""
    if subject is None or subject.board is None:
        return "only reported figures, nothing was tested here"
    own = subject.board.frame[subject.board.frame["model_name"] == model]
    if own.empty:
        return "not in the latest backtest"
    return "; ".join(f"{row['label']} {in_words(row)}" if len(own) > 1 else in_words(row) for _, row in own.iterrows())


def _sections(
    asker: Asker, runs: Answer, own: pd.DataFrame, subject: Subject | None, said: tuple[str, str]
) -> list[Section]:
    """What is shown of one series."""
    name, verdict = said
    last = int(own.sort_values(["data_as_of", "finished_at"], na_position="first").index[-1])
    found = runs.frame.loc[last]
    evaluation = Evaluation.of(found, str(found["commodity"]))
    words = Text(parts=(f"{name}: {formats.plain(verdict)}.",), strong=True, basis=_basis(runs, subject))
    production = _production(subject, evaluation)
    settings = _settings(asker, evaluation)
    what = Section(title=f"{name}: what it is", blocks=(words, *production, _numbers(runs, last), settings))
    steps = _steps(asker, evaluation)
    shown = Section(
        title=f"{name}: forecast against actual", blocks=tuple(forecast_blocks(asker, evaluation, "latest evaluation"))
    )
    return [what, *([steps] if steps else []), shown, _over_time(runs, own, name)]


def _basis(runs: Answer, subject: Subject | None) -> tuple[Query, ...]:
    return (runs.query,) if subject is None or subject.board is None else (subject.board.query,)


def _production(subject: Subject | None, evaluation: Evaluation) -> list[Text]:
    if subject is None or subject.champion_name != evaluation.model or subject.champion is None:
        return []
    since = subject.champions.value(subject.champion, "champion_from", formats.date)
    return [Text(parts=("It is in production since ", since, "."))]


def _numbers(runs: Answer, row: int) -> Figures:
    shown = {
        "mae_14day": ("MAE at step 14, unit of the series", formats.error),
        "mae_path": ("MAE over all steps", formats.error),
        "naive_mae_path": ("naive's, same windows", formats.error),
        "directional_accuracy": ("directional accuracy", formats.share),
        "coverage_80": ("of actuals in the 80 % interval", formats.share),
        "n_windows": ("windows", formats.count),
        "execution_time_seconds": ("seconds", formats.seconds),
    }
    items = [
        Figure(label=label, value=runs.value(row, name, form))
        for name, (label, form) in shown.items()
        if value_of(runs, row, name) is not None
    ]
    return Figures(items=tuple(items))


def _settings(asker: Asker, evaluation: Evaluation) -> Block:
    answer = asker.ask("report_model_settings", **evaluation.place)
    if answer.frame.empty:
        return Text(parts=("It has no parameters, and no features are recorded.",), basis=(answer.query,))
    return Table(query=answer.query, frame=answer.frame, columns=columns.SETTINGS, title="Parameters and features")


def _steps(asker: Asker, evaluation: Evaluation) -> Section | None:
    """Accuracy at every step, beside naive's."""
    answer = asker.ask("report_model_steps", **evaluation.place)
    frame = answer.frame
    if frame.empty:
        return None
    title = f"{formats.text(evaluation.commodity)}: accuracy at every step"
    table = Table(query=answer.query, frame=frame, columns=given(columns.STEPS, frame))
    if len(frame) == 1:
        return Section(title=title, blocks=(table,))
    chart = Chart(
        kind="lines",
        title="Error by step ahead",
        query=answer.query,
        frame=frame,
        x=Axis(column="step", title="steps ahead", kind="step"),
        y=Axis(column="mae", title=MAE),
        beside=() if evaluation.model == BASELINE else (("naive_mae", "naive"),),
        label=formats.one_line(evaluation.model),
        columns=columns.STEPS[:4],
        n=(answer.value(0, "n_windows", formats.count), " windows"),
    )
    return Section(title=title, blocks=(chart, table))


def _over_time(runs: Answer, own: pd.DataFrame, name: str) -> Section:
    """Its evaluations, in the order in which they were finished."""
    table = Table(query=runs.query, frame=own, columns=given(columns.EVALUATIONS, own))
    title = f"{name}: its evaluations"
    latest = own.sort_values("finished_at").iloc[-1]
    drawn = own[own["mae_path"].notna() & (own["backtest_id"] == latest["backtest_id"])]
    if len(drawn) < 2:  # noqa: PLR2004  one point is no line
        return Section(title=title, blocks=(table,))
    chart = Chart(
        kind="lines",
        title="Error by evaluation",
        query=runs.query,
        frame=drawn,
        x=Axis(column="finished_at", title="when the evaluation was finished", kind="date"),
        y=Axis(column="mae_path", title=MAE),
        beside=(("naive_mae_path", "naive, same windows"),) if drawn["naive_mae_path"].notna().any() else (),
        label=formats.one_line(str(drawn["model_name"].iloc[0])),
        columns=given(columns.EVALUATIONS, drawn),
        n=(runs.value(int(drawn.index[0]), "n_evaluations", formats.count), " evaluations by one backtest"),
    )
    return Section(title=title, blocks=(chart, table))
