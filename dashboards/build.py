"""Writes the dashboard, experiment_ledger.lvdash.json: pages of widgets and filters over the datasets.

python dashboards/build.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from datasets import (
    ACCURACY,
    BOARD,
    CANDIDATES,
    CHAMPIONS,
    COST,
    DATASETS,
    DECISIONS,
    HEADINGS,
    METRICS,
    PRUNED,
    RUNS,
    SCALE,
    Dataset,
    having,
)

FILE = Path(__file__).parent / "experiment_ledger.lvdash.json"

COLUMNS = 12
"""Of the grid a page is laid out on."""

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A6C5D", "#999999"]
"""Told apart by the colour-blind too."""

ANY = {"type": "categorical"}
NUMBER = {"type": "quantitative"}
TIME = {"type": "temporal"}

SCALES = {"data_as_of": TIME, "finished_at": TIME, "label": ANY, "model_name": ANY}
"""Of the columns that are drawn; the others are numbers."""

Json = dict[str, Any]


def query(of: Dataset, fields: dict[str, str], *, whole: bool, name: str = "main_query") -> Json:
    """What a widget asks of a dataset: fields by name, each an expression; whole rows, or grouped by those that are."""
    return {
        "name": name,
        "query": {
            "datasetName": of.name,
            "fields": [{"name": field, "expression": expression} for field, expression in fields.items()],
            "disaggregated": whole,
        },
    }


def widget(name: str, title: str, kind: str, queries: list[Json], encodings: Json, *, about: str = "") -> Json:
    """A widget, in the version of its kind that the checks know."""
    version = 2 if kind in ("counter", "table") or kind.startswith("filter-") else 3
    frame: Json = {"showTitle": True, "title": title}
    if about:
        frame |= {"showDescription": True, "description": about}
    spec = {"version": version, "widgetType": kind, "encodings": encodings, "frame": frame}
    return {"name": name, "queries": queries, "spec": spec}


def text(name: str, markdown: str) -> Json:
    """A text, as Markdown."""
    return {"name": name, "multilineTextboxSpec": {"lines": [markdown]}}


def counter(name: str, title: str, expression: str) -> Json:
    """One number over all evaluations."""
    encodings = {"value": {"fieldName": "value", "displayName": title}}
    return widget(name, title, "counter", [query(RUNS, {"value": expression}, whole=False)], encodings)


def table(
    name: str, title: str, of: Dataset, columns: str, *, about: str = "Empty: not measured, or undefined."
) -> Json:
    """Columns of a dataset, with blanks between them, row by row."""
    fields = {column: f"`{column}`" for column in columns.split()}
    listed = [{"fieldName": column, "displayName": HEADINGS[column]} for column in fields]
    return widget(name, title, "table", [query(of, fields, whole=True)], {"columns": listed}, about=about)


def bars(name: str, title: str, x: str, colour: str) -> Json:
    """How many evaluations there are of each value of a column, split by another."""
    fields = {x: f"`{x}`", "evaluations": "COUNT(`experiment_id`)", colour: f"`{colour}`"}
    encodings = {
        "x": {"fieldName": x, "scale": ANY, "displayName": HEADINGS[x]},
        "y": {"fieldName": "evaluations", "scale": NUMBER, "displayName": "Evaluations"},
        "color": {"fieldName": colour, "scale": ANY, "displayName": HEADINGS[colour]},
    }
    return widget(name, title, "bar", [query(RUNS, fields, whole=False)], encodings)


def points(name: str, title: str, of: Dataset, axes: str, *, kind: str = "line", about: str = "") -> Json:
    """Rows of a dataset as lines or points: the columns of x, y and colour, with blanks between them."""
    named = dict(zip(("x", "y", "color"), axes.split(), strict=True))
    encodings = {
        axis: {"fieldName": column, "scale": SCALES.get(column, NUMBER), "displayName": HEADINGS[column]}
        for axis, column in named.items()
    }
    fields = {column: f"`{column}`" for column in named.values()}
    return widget(name, title, kind, [query(of, fields, whole=True)], encodings, about=about)


def chooser(name: str, title: str, kind: str, reached: Sequence[tuple[Dataset, str]]) -> Json:
    """A filter on a column of each of several datasets."""
    queries = [query(of, {column: f"`{column}`"}, whole=False, name=f"{name}_{of.name}") for of, column in reached]
    fields = [{"fieldName": column, "displayName": title, "queryName": f"{name}_{of.name}"} for of, column in reached]
    return widget(name, title, kind, queries, {"fields": fields})


def switch(name: str, title: str, values: Dataset, keyword: str) -> Json:
    """A choice of one value of a dataset's column for the parameter of its name, in all datasets that have it."""
    queries = [query(values, {keyword: f"`{keyword}`"}, whole=False, name=f"{name}_values")]
    fields = [{"fieldName": keyword, "displayName": title, "queryName": f"{name}_values"}]
    for one in DATASETS:
        if keyword in dict(one.parameters):
            given = {"parameters": [{"name": keyword, "keyword": keyword}], "disaggregated": False}
            queries.append({"name": f"{name}_{one.name}", "query": {"datasetName": one.name} | given})
            fields.append({"parameterName": keyword, "queryName": f"{name}_{one.name}"})
    return widget(name, title, "filter-single-select", queries, {"fields": fields})


FILTERS = [
    chooser("filter_commodity", "Commodity", "filter-multi-select", having("commodity")),
    chooser("filter_model_type", "Model type", "filter-multi-select", having("model_type")),
    chooser("filter_horizon", "Horizon, steps", "filter-multi-select", having("forecast_horizon_days")),
    chooser(
        "filter_date",
        "Finished, compared, decided from, to (UTC)",
        "filter-date-range-picker",
        [
            *((one, "finished_at") for one in (RUNS, ACCURACY)),
            *((one, "known_at") for one in (BOARD, COST)),
            (CANDIDATES, "last_run"),
            (PRUNED, "pruned_from"),
            (DECISIONS, "decided_at"),
        ],
    ),
    switch("filter_metric", "Loss of leaderboard and cost", METRICS, "metric"),
]

MANY_UNITS = "Several commodities have several units: choose one."

SCALE_PAGE = [
    (
        3,
        counter("n_evaluations", "Evaluations", "COUNT(`experiment_id`)"),
        counter("n_models", "Models tried", "COUNT(DISTINCT `model_name`)"),
        counter("n_windows", "Windows forecast", "SUM(`n_windows`)"),
        counter("n_failed_windows", "Windows that failed", "SUM(`n_failed_windows`)"),
        counter("seconds", "Fitting and forecasting, seconds", "SUM(`execution_time_seconds`)"),
        counter("cost", "Estimated cost, US dollars", "SUM(`cost_estimate_usd`)"),
    ),
    (
        7,
        bars("by_type", "Evaluations by model type", "model_type", "status"),
        bars("by_month", "Evaluations by month, UTC", "finished_month", "model_type"),
    ),
    (
        6,
        table(
            "scale_table",
            "By commodity, horizon and model type",
            SCALE,
            "commodity forecast_horizon_days frequency model_type total_experiments unique_models avg_mae best_mae"
            " total_hours",
        ),
    ),
]

LEADERBOARD_PAGE = [
    (
        2,
        text(
            "how_to_read",
            "A **difference from naive below zero is better**. Its 95 % interval is not corrected for the number of "
            "models, the Holm p-value is. Models in the confidence set may all be the best: the data do not tell them "
            "apart. Places are within one commodity, series and backtest.",
        ),
    ),
    (
        12,
        table(
            "leaderboard_table",
            "Leaderboard with evidence",
            BOARD,
            "commodity unique_id forecast_horizon_days backtest_id place model_name model_version loss naive_loss"
            " naive_difference naive_lower naive_upper dm_pvalue_holm in_confidence_set verdict n_shared n_tested"
            " evidence_note data_as_of",
        ),
    ),
]

ACCURACY_PAGE = [
    (
        9,
        points("mae_by_step", "Error by step ahead, unit of the series", ACCURACY, "step mae label", about=MANY_UNITS),
        points(
            "mape_by_step",
            "Error by step ahead, percent",
            ACCURACY,
            "step mape label",
            about="No line where an actual value is 0.",
        ),
    ),
    (
        9,
        points(
            "direction_by_step",
            "Direction by step ahead, share of hits",
            ACCURACY,
            "step directional_accuracy label",
            about="No line for flat forecasts, such as naive.",
        ),
        points(
            "error_by_data",
            "Error over all steps by end of the data, unit of the series",
            RUNS,
            "data_as_of mae_path label",
            about=f"One point an evaluation. {MANY_UNITS}",
        ),
    ),
    (
        8,
        points(
            "error_by_run",
            "Error over all steps by time of evaluation (UTC), unit of the series",
            RUNS,
            "finished_at mae_path label",
            about=f"One point an evaluation. {MANY_UNITS}",
        ),
    ),
]

COST_PAGE = [
    (
        9,
        points(
            "skill_by_seconds",
            "Accuracy against time, seconds",
            COST,
            "execution_time_seconds skill model_name",
            kind="scatter",
            about="Up and left is better.",
        ),
        points(
            "skill_by_dollars",
            "Accuracy against estimated cost, US dollars",
            COST,
            "cost_estimate_usd skill model_name",
            kind="scatter",
            about="Only where a price is known. Up and left is better.",
        ),
    ),
    (
        9,
        table(
            "cost_table",
            "Cheapest first; efficient: no cheaper model has a smaller loss",
            COST,
            "commodity unique_id forecast_horizon_days backtest_id model_name model_version execution_time_seconds"
            " cost_estimate_usd loss skill is_efficient in_confidence_set verdict",
        ),
    ),
]

PRUNING_PAGE = [
    (
        8,
        table(
            "candidates_table",
            "Candidates: failed to beat naive in three evaluations or more",
            CANDIDATES,
            "commodity unique_id forecast_horizon_days frequency model_name num_runs avg_mae avg_time last_run",
        ),
    ),
    (
        8,
        table(
            "pruned_table",
            "Pruned: out of the active registry",
            PRUNED,
            "commodity model_name model_version pruned_from decided_by reason rule verdict",
        ),
    ),
]

DECISIONS_PAGE = [
    (
        7,
        table(
            "champions_table",
            "Models in production",
            CHAMPIONS,
            "commodity unique_id model_name model_version model_type champion_from forced verdict latest_verdict"
            " forecast_horizon_days mae_path mae_14day beats_baseline n_windows data_as_of",
            about="Figures of the evaluation that was promoted; empty where it was removed.",
        ),
    ),
    (
        10,
        table(
            "decisions_table",
            "Every decision, the newest first",
            DECISIONS,
            "decided_at decided_by kind commodity unique_id model_name model_version reason verdict rule forced",
        ),
    ),
]

PAGES: dict[str, list[tuple[Any, ...]]] = {
    "Scale": SCALE_PAGE,
    "Leaderboard": LEADERBOARD_PAGE,
    "Accuracy": ACCURACY_PAGE,
    "Cost": COST_PAGE,
    "Pruning": PRUNING_PAGE,
    "Decisions": DECISIONS_PAGE,
}
"""By title: rows of widgets, the height of each row before them; the widgets of a row share its width."""


def page(title: str, rows: Iterable[tuple[Any, ...]], kind: str = "PAGE_TYPE_CANVAS") -> Json:
    """A page, row below row."""
    layout: list[Json] = []
    y = 0
    for height, *widgets in rows:
        width = COLUMNS // len(widgets)
        layout += [
            {"widget": one, "position": {"x": number * width, "y": y, "width": width, "height": height}}
            for number, one in enumerate(widgets)
        ]
        y += height
    return {
        "name": title.lower(),
        "displayName": title,
        "pageType": kind,
        "layoutVersion": "GRID_V1",
        "layout": layout,
    }


def written() -> str:
    """The file's text."""
    pages = [page(title, rows) for title, rows in PAGES.items()]
    dashboard = {
        "datasets": [one.as_json() for one in DATASETS],
        "pages": [*pages, page("Filters", [(2, one) for one in FILTERS], "PAGE_TYPE_GLOBAL_FILTERS")],
        "uiSettings": {"theme": {"visualizationColors": COLOURS}},
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
