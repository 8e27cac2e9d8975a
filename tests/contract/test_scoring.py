"""Batch scoring on Spark: in its Python workers, from a table of its catalog into another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from experiments.errors import InvalidInputError
from experiments.services.registry.registry import ModelRegistry
from experiments.services.registry.scoring import score_into
from experiments.storage.engine import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.spark


def test_rows_and_tables_are_scored_in_sparks_workers(spark: SparkSession, ledger: Ledger, tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 2)), columns=["a", "b"]).assign(n=range(40))
    model = Ridge().fit(frame[["b", "a"]], frame["a"])
    expected = frame.assign(prediction=model.predict(frame[["b", "a"]]))
    saved = ModelRegistry(ledger=ledger)
    found = saved.get(saved.save_model(model, "spread", "Ridge", {}))
    # no folder of its own: as on Databricks, where the catalog manages the tables
    session = spark.newSession()
    engine = Engine(name="spark", session=session, location=None, close=lambda: None)
    registry: Any = SimpleNamespace(ledger=SimpleNamespace(engine=engine), files=saved.files)
    session.sql(f"create schema scoring location '{tmp_path / 'scoring'}'")
    session.sql("use scoring")
    try:
        session.createDataFrame(frame).write.format("delta").saveAsTable("rows")
        done = score_into(registry, found, "rows@v0", into="scored")
        assert (done.source, done.n_rows) == ("rows@v0", 40)
        made = session.table("scored").toPandas().sort_values("n", ignore_index=True)
        pd.testing.assert_frame_equal(made, expected)
        with pytest.raises(InvalidInputError, match="there is a table scored already"):
            score_into(registry, found, "rows", into="scored")
        frame.to_parquet(tmp_path / "rows.parquet", index=False)
        score_into(registry, found, tmp_path / "rows.parquet", into="scoring.of_file")
        made = session.table("of_file").toPandas().sort_values("n", ignore_index=True)
        pd.testing.assert_frame_equal(made, expected)
    finally:
        session.sql("drop schema scoring cascade")
