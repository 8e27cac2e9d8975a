"""The presentation: the specified slide, the scale of experimentation, and what is known of each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.services.reports import columns, formats, series
from experiments.services.reports.columns import given
from experiments.services.reports.model import Axis, Block, Chart, Figure, Figures, Part, Report, Section, Table
from experiments.services.reports.pruning import pruning_section
from experiments.services.reports.slide import process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.reports.asking import Asker, Subject
    from experiments.services.reports.model import Answer

MONTHS = 3
"""Months of runs from which on their course is drawn; before, the types of models."""


def presentation(asker: Asker, subjects: list[Subject]) -> Report:
    """What one shows to others."""
    for subject in subjects:
        series.ahead(asker, subject)
    return Report(
        title="Rigorous Experimentation",
        sections=asker.shown(_sections(asker, subjects)),
        headline=_headline(asker, subjects),
        subtitle=asker.subtitle,
    )


def _sections(asker: Asker, subjects: list[Subject]) -> Iterator[Section]:
    yield process(asker, subjects)
    yield _scale(asker)
    for subject in subjects:
        yield from series.leaderboard(subject)
        found = (
            series.forecasts(asker, subject),
            series.losses(asker, subject),
            series.confidence_set(subject),
            series.costs(subject),
        )
        yield from (section for section in found if section is not None)
    for commodity in dict.fromkeys(subject.commodity for subject in subjects):
        yield pruning_section(asker, commodity)


def _headline(asker: Asker, subjects: list[Subject]) -> tuple[Part, ...]:
    overview = asker.known("report_overview")
    models, runs = (overview.value(0, name, formats.count) for name in ("n_models", "n_runs"))
    produced = [f"{one.name} {one.champion_name}" for one in subjects if one.champion_name is not None]
    chosen = [f"{one.name} {one.choice.model}" for one in subjects if one.champion_name is None]
    words = [f"in production: {', '.join(produced)}"] if produced else []
    words += [f"the ledger's choice: {', '.join(chosen)}"] if chosen else []
    return (models, " model variants in ", runs, f" runs; {formats.one_line('; '.join(words))}.")


def _scale(asker: Asker) -> Section:
    overview, scale = asker.known("report_overview"), asker.known("report_scale")
    table = Table(
        query=scale.query,
        frame=scale.frame,
        columns=given(columns.SCALE, scale.frame),
        caption="runs: evaluations, one of a model on a series by a walk-forward backtest. tested: with a "
        "Diebold-Mariano test against naive. hours: of fitting and forecasting.",
    )
    blocks: list[Block] = [_numbers(overview), *_course(asker), table]
    return Section(title="Scale of experimentation", blocks=tuple(blocks))


def _numbers(overview: Answer) -> Figures:
    shown = {
        "n_runs": ("experiment runs", formats.count),
        "n_models": ("model variants", formats.count),
        "n_windows": ("windows forecast", formats.count),
        "n_tested": ("runs tested against naive", formats.count),
        "total_hours": ("hours of fitting", formats.hours),
        "total_cost_usd": ("US$ estimated", formats.dollars),
    }
    items = [
        Figure(label=label, value=overview.value(0, name, form))
        for name, (label, form) in shown.items()
        if overview.frame[name].notna().all()
    ]
    return Figures(items=tuple(items))


def _course(asker: Asker) -> list[Chart]:
    """Runs by month, or by type of model where there are too few months."""
    months = asker.known("report_months")
    runs = asker.known("report_overview").value(0, "n_runs", formats.count)
    y = Axis(column="n_runs", title="runs", kind="step")
    if len(months.frame) >= MONTHS:
        x = Axis(column="run_month", title="month in which the run began", kind="month")
        title, answer, shown = "Runs by month", months, columns.MONTHS
    else:
        x = Axis(column="model_type", title="type of model", kind="name")
        title, answer, shown = "Runs by type of model", asker.known("report_model_types"), columns.TYPES
    if answer.frame.empty:
        return []
    drawn = Chart(
        kind="bars", title=title, query=answer.query, frame=answer.frame, x=x, y=y, columns=shown, n=(runs, " runs")
    )
    return [drawn]
