"""`Ledger.read_table`: a Delta table of the engine's catalog by its name, as it is or as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.content import frame, in_order, same
from experiments.errors import InvalidInputError, NotFoundError
from made import versions
from violating import engine_of

if TYPE_CHECKING:
    from contract.content import Twins
    from experiments.services.ledger import Ledger

pytestmark = [pytest.mark.engine, pytest.mark.spark]


@pytest.fixture(params=["sail", "spark"])
def ledger(request: pytest.FixtureRequest, twins: Twins) -> Ledger:
    return twins["sail", request.param]


@pytest.mark.parametrize("name", ["model_runs", "experiments.model_runs"])
def test_by_name(ledger: Ledger, name: str) -> None:
    found, version = ledger.read_table(name)
    same(in_order(found), frame(ledger, "model_runs"))
    assert (version is not None) == (engine_of(ledger).name == "spark")


def test_by_name_of_three_parts(twins: Twins) -> None:
    for engine, catalog in (("sail", "commodity"), ("spark", "spark_catalog")):
        same(
            in_order(twins["sail", engine].read_table(f"{catalog}.experiments.model_runs")[0]),
            frame(twins["sail", engine], "model_runs"),
        )


def test_at_a_version(ledger: Ledger) -> None:
    assert ledger.read_table("model_runs", 0)[0].empty
    found, version = ledger.read_table("model_runs", 1)
    assert (found["model_name"].tolist(), version) == (["mine"], 1)
    assert len(ledger.read_table("experiments.model_runs", 2)[0]) > 1


def test_what_is_not_there_is_named(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError, match="the table prices cannot be read"):
        ledger.read_table("prices")
    with pytest.raises(NotFoundError, match=r"the table nowhere\.prices version as of 3 cannot be read"):
        ledger.read_table("nowhere.prices", 3)
    with pytest.raises(NotFoundError, match="the table model_runs version as of 999 cannot be read"):
        ledger.read_table("model_runs", 999)


@pytest.mark.parametrize(
    "name", ["model_runs; drop table model_runs", "(select 1)", "delta.`/`", "model_runs v", "", "a..b", "a'b"]
)
def test_what_is_no_name_is_refused(ledger: Ledger, name: str) -> None:
    before = versions(ledger)
    with pytest.raises(InvalidInputError, match="is not an identifier"):
        ledger.read_table(name)
    assert versions(ledger) == before
