"""Whether fits are spread over Spark: who asks for it, on which engine it is the default, and where it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.content import prices
from experiments.errors import InvalidInputError
from experiments.services import fanout
from experiments.services.backtest import backtest
from experiments.storage.engine import Engine
from made import counts

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger


@pytest.mark.parametrize(
    ("cluster", "spread"),
    [
        (None, False),
        ({}, False),
        ({"clusterWorkers": "0"}, False),
        ({"clusterWorkers": "many"}, False),
        ({"clusterWorkers": "2"}, True),
    ],
)
def test_on_a_cluster_that_has_workers_fits_are_spread(cluster: dict[str, str] | None, spread: bool) -> None:
    session: Any = None
    engine = Engine(name="databricks", session=session, location=None, close=lambda: None, cluster=cluster)
    assert fanout.has_machines(engine) == spread
    fanout.check_spread("spark", engine)


@pytest.mark.engine
def test_the_embedded_engine_spreads_nothing(ledger: Ledger) -> None:
    before = counts(ledger)
    with pytest.raises(InvalidInputError, match=r"^workers is 'spark' and the ledger's engine is sail: give a number"):
        backtest(prices(), commodity="Cocoa", models=["naive"], n_windows=2, workers="spark", ledger=ledger)
    assert counts(ledger) == before


def test_another_word_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"^workers is 'dask': give a whole number of at least 0, or 'spark'\."):
        backtest(prices(), commodity="Cocoa", models=["naive"], workers="dask")
