"""What the dashboard and the alerts ask: the same answers on both engines, and none of them fails on an empty store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from contract.content import same
from scripts import ROOT, alert_queries, load_script

if TYPE_CHECKING:
    from contract.content import Twins
    from experiments.services.ledger import Ledger

pytestmark = [pytest.mark.engine, pytest.mark.spark]

WITHIN = 1e-12
"""Relative: engines add in another order."""

check_dashboards = load_script("check_dashboards")

DASHBOARDS = [json.loads(path.read_text()) for path in sorted((ROOT / "dashboards").glob("*.lvdash.json"))]
DATASETS: dict[str, dict[str, Any]] = {one["name"]: one for document in DASHBOARDS for one in document["datasets"]}
WIDGETS = [item["widget"] for document in DASHBOARDS for page in document["pages"] for item in page["layout"]]


def asked_by_dashboards() -> dict[str, tuple[str, dict[str, str]]]:
    """Every dataset, and what widgets work out of it, counters together; the others show columns as they are."""
    queries = {name: (check_dashboards.sql_of(one), check_dashboards.defaults(one)) for name, one in DATASETS.items()}
    counters: dict[str, list[str]] = {}
    for widget in WIDGETS:
        for asked in [one["query"] for one in widget.get("queries", []) if not one["query"]["disaggregated"]]:
            fields = [field["expression"] for field in asked.get("fields", [])]
            columns = [field for field in fields if field.startswith("`")]
            text, given = queries[asked["datasetName"]]
            if fields and not columns:
                counters.setdefault(asked["datasetName"], []).append(f"{fields[0]} as {widget['name']}")
            elif columns != fields:
                fields = [f"{field} as column_{n}" for n, field in enumerate(fields)]
                grouped = f"select {', '.join(fields)} from ({text}) as asked group by {', '.join(columns)}"  # noqa: S608
                queries[widget["name"]] = (grouped, given)
    for name, fields in counters.items():
        text, given = queries[name]
        queries[f"counters of {name}"] = (f"select {', '.join(fields)} from ({text}) as asked", given)  # noqa: S608
    return queries


def answers(ledger: Ledger) -> dict[str, pd.DataFrame]:
    """Everything the dashboards and the alerts ask."""
    found = {name: ledger.sql(text, given) for name, (text, given) in asked_by_dashboards().items()}
    return found | {name: ledger.sql(text) for name, text in alert_queries().items()}


def ordered(found: pd.DataFrame) -> pd.DataFrame:
    """Rows in an order of all their values; numbers count as far as engines agree on them."""
    keys = found.map(lambda value: f"{value:.9g}" if isinstance(value, float) else str(value)).agg("|".join, axis=1)
    return found.iloc[sorted(range(len(found)), key=lambda row: keys.iloc[row])].reset_index(drop=True)


def test_the_answers_are_the_same_on_both_engines(twins: Twins) -> None:
    sail, spark = answers(twins["sail", "sail"]), answers(twins["sail", "spark"])
    assert [name for name, rows in sail.items() if rows.empty] == []
    for name, rows in sail.items():
        same(ordered(spark[name]), ordered(rows), within=WITHIN)
    for name, dataset in DATASETS.items():
        assert list(sail[name].columns) == check_dashboards.output(check_dashboards.sql_of(dataset))
    assert sail["counters of runs"].iloc[0][["n_evaluations", "n_failed_windows"]].tolist() == [11, 1]


def test_an_empty_store_shows_nothing_and_breaks_nothing(ledger: Ledger) -> None:
    rows = answers(ledger)
    numbers = ["counters of runs", *alert_queries()]
    shown = {one: rows[one].iloc[0].tolist() for one in numbers}
    assert all(pd.isna(value) or value == 0 for values in shown.values() for value in values), shown
    assert [one for one in rows if one not in numbers and not rows[one].empty] == []
