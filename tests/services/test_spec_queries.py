"""The specification's three queries, word for word (spec_queries/), on rows made by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.services.ledger import connect
from made import STARTED, put, run_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine

QUERIES = Path(__file__).parent / "spec_queries"


def days(n: int) -> dt.datetime:
    return STARTED + dt.timedelta(days=n)


GIVEN: list[dict[str, Any]] = [
    # seven that beat naive on Coffee: the best five count, a NULL among them
    *(
        {"model_name": f"winner_{n}", "model_type": "SARIMAX", "mae_14day": 3.0 + n / 10, "beats_baseline": True}
        | {"execution_time_seconds": 1800.0, "directional_accuracy": 0.6}
        for n in range(6)
    ),
    # one better still, on another commodity, and one that does not beat naive
    {"model_name": "elsewhere", "commodity": "Sugar", "mae_14day": 0.1, "beats_baseline": True},
    {"model_name": "lucky", "model_type": "XGBoost", "mae_14day": 0.2, "beats_baseline": False},
    # thrice poor on Coffee, and thrice over two commodities
    *(
        {"model_name": "poor", "model_type": "Prophet", "mae_14day": mae, "beats_baseline": False}
        | {"execution_time_seconds": 90.0, "run_timestamp": days(n)}
        for n, mae in enumerate([8.0, 9.0, 10.0])
    ),
    *(
        {"model_name": "spread", "commodity": commodity, "mae_14day": 5.0, "beats_baseline": False}
        | {"model_type": "Prophet", "execution_time_seconds": None}
        for commodity in ("Coffee", "Sugar", "Sugar")
    ),
    # twice poor is not yet three times; never tested is not poor
    *({"model_name": "twice", "commodity": "Sugar", "mae_14day": 99.0, "beats_baseline": False} for _ in range(2)),
    *({"model_name": "untested", "commodity": "Sugar", "mae_14day": 99.0, "beats_baseline": None} for _ in range(4)),
]


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("queries")) as ledger:
        rows = [run_row(**changes) for changes in GIVEN]
        put(ledger, "model_runs", *rows)
        yield ledger


def answer(ledger: Ledger, name: str) -> list[dict[str, Any]]:
    frame = ledger.sql((QUERIES / f"{name}.sql").read_text())
    return [{key: None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")]  # noqa: PLR0124  NaN


def test_best_models(stocked: Ledger) -> None:
    assert answer(stocked, "best_models") == [
        {
            "model_name": f"winner_{n}",
            "model_version": "v1",
            "mae_14day": pytest.approx(3.0 + n / 10),
            "directional_accuracy": 0.6,
            "execution_time_seconds": 1800.0,
            "run_timestamp": STARTED.replace(tzinfo=None),
        }
        for n in range(5)
    ]


def test_experiment_history(stocked: Ledger) -> None:
    columns = ("model_type", "total_experiments", "unique_models", "avg_mae", "best_mae", "total_hours")
    found = answer(stocked, "experiment_history")
    assert [tuple(row) for row in found] == [columns] * 3
    assert [tuple(row.values()) for row in found] == [
        ("SARIMAX", 6, 6, pytest.approx(3.25), 3.0, 3.0),
        ("Prophet", 4, 2, pytest.approx(8.0), 5.0, pytest.approx(0.075)),
        ("XGBoost", 1, 1, 0.2, 0.2, None),
    ]


def test_pruning_candidates(stocked: Ledger) -> None:
    assert answer(stocked, "pruning_candidates") == [
        {
            "model_name": "poor",
            "num_runs": 3,
            "avg_mae": 9.0,
            "avg_time": 90.0,
            "last_run": days(2).replace(tzinfo=None),
        },
        {
            "model_name": "spread",
            "num_runs": 3,
            "avg_mae": 5.0,
            "avg_time": None,
            "last_run": STARTED.replace(tzinfo=None),
        },
    ]


@pytest.mark.parametrize("name", ["best_models", "experiment_history", "pruning_candidates"])
def test_an_empty_ledger_has_no_answer_and_no_error(ledger: Ledger, name: str) -> None:
    assert answer(ledger, name) == []


def test_views_of_the_same_name_say_the_same(stocked: Ledger) -> None:
    best = stocked.best("Coffee")
    assert best["model_name"].tolist() == [row["model_name"] for row in answer(stocked, "best_models")]
    history = stocked.history("Coffee")
    assert history[["model_type", "total_experiments", "unique_models"]].to_numpy().tolist() == [
        [row["model_type"], row["total_experiments"], row["unique_models"]]
        for row in answer(stocked, "experiment_history")
    ]
