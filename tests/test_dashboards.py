"""The dashboard is what its generator writes and holds; the check names each fault; alerts count what they should."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from made import STARTED, backtest_row, put, run_row
from scripts import ROOT, alert_queries, load_script

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

checker = load_script("check_dashboards")

FILE = "experiment_ledger.lvdash.json"
TEXT = (ROOT / "dashboards" / FILE).read_text()

REACHED_BY = {"commodity": "commodity", "model_type": "model_type", "horizon": "forecast_horizon_days"}
"""By filter: the column it chooses by."""


def test_the_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    for script in (ROOT / "dashboards").glob("*.py"):
        shutil.copy(script, tmp_path)
    subprocess.run([sys.executable, tmp_path / "build.py"], check=True)
    assert (tmp_path / FILE).read_text() == TEXT, "run python dashboards/build.py"


def test_it_holds() -> None:
    assert list(checker.check_dashboard(json.loads(TEXT))) == []


def test_a_filter_reaches_every_dataset_that_has_its_column() -> None:
    document = json.loads(TEXT)
    (filters,) = [page for page in document["pages"] if page["pageType"] == checker.FILTERS]
    widgets = {item["widget"]["name"].removeprefix("filter_"): item["widget"] for item in filters["layout"]}
    for name, column in REACHED_BY.items():
        reached = {query["query"]["datasetName"] for query in widgets[name]["queries"]}
        having = [one["name"] for one in document["datasets"] if column in checker.output(checker.sql_of(one))]
        assert sorted(reached) == sorted(having)
    assert [one["keyword"] for one in widgets["metric"]["queries"][1]["query"]["parameters"]] == ["metric"]
    assert {field["fieldName"] for field in widgets["date"]["spec"]["encodings"]["fields"]} == {
        "finished_at",
        "known_at",
        "last_run",
        "pruned_from",
        "decided_at",
    }


FAULTS = [
    # what stands there, what is put there, what the check says
    ('"uiSettings"', '"settings"', "dashboard: unknown key 'settings'"),
    ('"displayName": "Finished evaluations"', '"title": "x"', "dataset 'runs': unknown key 'title'"),
    ('"displayName": "Finished evaluations"', '"displayName": ""', "dataset 'runs': has no displayName"),
    ('"name": "scale",', '"name": "runs",', "dataset 'runs': a name of its own is asked"),
    ('"name": "n_models"', '"name": "n_evaluations"', "widget 'n_evaluations': a name of its own is asked"),
    ('"name": "n_models"', '"name": "n models"', "widget 'n models': a name of its own is asked"),
    ('"name": "leaderboard",', '"name": "scale",', "page 'scale': a name of its own is asked"),
    ("from finished_runs", "from model_runs", "dataset 'runs': asks 'model_runs', which is no view"),
    ("inner join finished_runs", "inner join run_windows", "dataset 'accuracy': asks 'run_windows'"),
    ("  mae_path,", "  avg(mae_path),", "dataset 'runs': selects 'avg(mae_path)'"),
    ("  commodity,", "  *,", "dataset 'runs': selects '*'"),
    ("  unique_id,", "  commodity,", "dataset 'runs': selects 'commodity' twice"),
    ("metric = :metric", "metric = 'mae_path'", "dataset 'board': the parameter 'metric' is not used"),
    ("metric = :metric", "metric = :loss", "dataset 'board': the parameter 'loss' is not declared"),
    ('"value": "mae_path"', '"min": "mae_path"', "no default"),
    ('"layoutVersion": "GRID_V1"', '"layoutVersion": "GRID_V2"', "layoutVersion GRID_V1"),
    ('"pageType": "PAGE_TYPE_CANVAS"', '"pageType": "CANVAS"', "pageType should be"),
    ('"width": 2', '"width": 3', "widgets 'n_evaluations' and 'n_models' overlap"),
    ('"width": 12', '"width": 13', "widget 'scale_table' lies outside the 12 columns"),
    ('"height": 3', '"height": 0', "widget 'n_evaluations' lies outside"),
    ('"widgetType": "counter"', '"widgetType": "gauge"', "the kind 'gauge' is not checked yet"),
    ('"version": 2', '"version": 3', "version is 3, a counter has 2"),
    ('"showTitle": true', '"showTitle": false', "widget 'n_evaluations': shows no title"),
    ('"frame"', '"frames"', "widget 'n_evaluations': unknown key 'frames'"),
    ('"disaggregated": false', '"aggregated": true', "widget 'n_evaluations': unknown key 'aggregated'"),
    ('"datasetName": "runs"', '"datasetName": "run"', "widget 'n_evaluations': there is no dataset 'run'"),
    ('"datasetName": "pruned"', '"datasetName": "runs"', "the dataset 'runs' has commodity"),
    ("COUNT(`experiment_id`)", "COUNT(`id`)", "the dataset 'runs' has commodity"),
    ("COUNT(`experiment_id`)", "COUNT(*)", "no aggregate of one"),
    ("SUM(`n_windows`)", "SUM(`n_windows`) / 2", "no aggregate of one"),
    ('"fieldName": "value"', '"fieldName": "number"', "shows the fieldName 'number', which none"),
    ('"fieldName": "value"', '"fieldName": "number"', "asks the fieldName 'value' and does not show it"),
    ('"parameterName": "metric"', '"parameterName": "loss"', "shows the parameterName 'loss'"),
    ('"keyword": "metric"\n          }', '"keyword": "loss"\n          }', "has no parameter 'loss'"),
]


@pytest.mark.parametrize(("old", "new", "said"), FAULTS, ids=[f"{new[:30]}" for _, new, _ in FAULTS])
def test_a_fault_is_named(old: str, new: str, said: str) -> None:
    assert old in TEXT
    found = list(checker.check_dashboard(json.loads(TEXT.replace(old, new, 1))))
    assert [problem for problem in found if said in problem], found


def test_a_dataset_nobody_shows_and_a_parameter_nobody_chooses_are_named() -> None:
    document: dict[str, Any] = json.loads(TEXT)
    for page in document["pages"]:
        page["layout"] = [item for item in page["layout"] if item["widget"]["name"] != "filter_metric"]
    found = list(checker.check_dashboard(document))
    assert sorted(found) == [
        "dataset 'board': no filter chooses its parameter 'metric'",
        "dataset 'cost': no filter chooses its parameter 'metric'",
        "dataset 'metrics': no widget uses it",
    ]


def test_an_aggregate_of_single_rows_and_what_shows_nothing_are_named() -> None:
    document: dict[str, Any] = json.loads(TEXT)
    widget = document["pages"][0]["layout"][0]["widget"]
    widget["queries"][0]["query"]["disaggregated"] = True
    widget["spec"]["encodings"] = {}
    document["pages"][1]["layout"] = []
    found = "\n".join(checker.check_dashboard(document))
    assert "aggregates, but the query is disaggregated" in found
    assert "a counter needs the encoding 'value'" in found
    assert "page 'leaderboard': is empty" in found


CHAMPIONS = {
    # commodity: model in production, whether forced, whether its evaluation is there, what the latest comparison says
    "proven": ("good", False, True, "better than naive"),
    "quiet": ("naive", False, True, "the baseline"),
    "fallen": ("good", False, True, "equal to naive"),
    "forced": ("good", True, True, "worse than naive"),
    "overtaken": ("good", False, True, "better than naive"),
    "lost": ("good", False, False, "better than naive"),
    "forced and lost": ("good", True, False, "worse than naive"),
}


@pytest.mark.engine
def test_alerts_count_what_they_should(ledger: Ledger) -> None:
    runs, families, standings, decisions = [], [], [], []
    for commodity, (model, forced, there, verdict) in CHAMPIONS.items():
        run = run_row(commodity=commodity, unique_id=commodity, model_name=model)
        about = {
            "commodity": commodity,
            "model_name": model,
            "model_version": "v1",
            "experiment_id": run["experiment_id"],
        }
        family = {"family_id": commodity, "commodity": commodity}
        runs += [run] if there else []
        families.append(
            family
            | {"unique_id": commodity, "backtest_id": "b1", "metric": "mae_path", "frequency": "trading day"}
            | {"forecast_horizon_days": 14, "step_size": 14, "known_at": STARTED, "overlap": 1, "evidence_version": 1}
            | {"n_models": 2, "n_compared": 2, "n_tested": 1, "n_windows": 40, "n_shared": 40}
            | {"confidence_level": 0.9, "confidence_method": "none", "bootstrap_reps": 1, "bootstrap_seed": 1}
        )
        standings.append(family | about | {"n_windows": 40, "verdict": verdict})
        decisions.append(
            about
            | {"decision_id": commodity, "unique_id": commodity, "kind": "promote", "follows": "", "forced": forced}
            | {"decided_at": STARTED, "decided_by": "her", "reason": "to see", "rule": "better", "verdict": "told"}
            | {"policy": "{}", "evidence": "{}", "evidence_digest": "0"}
        )
    now = dt.datetime.now(tz=dt.UTC)
    # a later backtest of another definition does not find it better
    later = run_row(
        commodity="overtaken", unique_id="overtaken", model_name="good", run_timestamp=now, backtest_id="b2"
    )
    runs.append(later)
    families.append(families[-1] | {"family_id": "later", "commodity": "overtaken", "unique_id": "overtaken"})
    families[-1]["backtest_id"] = "b2"
    standings.append(
        standings[-1]
        | {"family_id": "later", "commodity": "overtaken", "model_name": "good", "verdict": "equal to naive"}
        | {"experiment_id": later["experiment_id"]}
    )
    recent = {"commodity": "recent", "unique_id": "recent", "run_timestamp": now}
    runs += [run_row(**recent, n_failed_windows=1), run_row(**recent, model_name="whole")]
    runs.append(run_row(commodity="old", unique_id="old", n_failed_windows=1))
    runs.append(run_row(commodity="told", unique_id="told", metrics_source="reported"))
    put(ledger, "backtests", backtest_row())
    for table, rows in zip(
        ("model_runs", "families", "standings", "decisions"), (runs, families, standings, decisions), strict=True
    ):
        put(ledger, table, *rows)
    counted = {name: ledger.sql(query).iloc[0, 0] for name, query in alert_queries().items()}
    assert counted == {
        "failing_windows": 1,
        "missing_comparisons": 1,
        "stale_evaluations": 3,
        "unproven_champions": 4,
    }
