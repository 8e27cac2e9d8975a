"""A family of registered models with everything a version can have: a run, data, parents, children, evaluations."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

from experiments.services.ledger import connect
from experiments.services.registry.formats import dumped
from experiments.services.registry.registry import ModelRegistry
from experiments.services.registry.versions import file_name
from experiments.storage.table import merge_new
from made import put, run_row
from tracked import BEGAN, ODD, dataset_of, environment_of, fill, link_of, run_id, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from experiments.services.ledger import Ledger

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) ![p](http://x/p.png) | `code` *b* $a$ &amp;"
"""Words that HTML, Markdown or a picture could take for more than words."""

TAKEN = dt.date(2025, 1, 10)
CONTENT = dumped({"weights": [0.5]}, "joblib")


def family(factory: pytest.TempPathFactory) -> Iterator[ModelRegistry]:
    """A registry with models 1 to 8, made by the first who asks.

    base 1.0.0 (deleted) -> base 1.0.1; with other 1.0.0 -> spread 1.0.0, an ensemble -> spread 1.0.1, which has it all
    -> spread 1.0.2; with other 1.0.0 -> blend 1.0.0, an ensemble -> blend 1.0.1.
    """
    path = factory.getbasetemp() / "family"
    is_new = not path.exists()
    with connect(path) as ledger:
        registry = ModelRegistry(ledger=ledger)
        if is_new:
            _make(registry)
        yield registry


def model_row(registry: ModelRegistry, model_id: int, name: str, version: str, **changes: Any) -> dict[str, Any]:
    """A row of `models`, whose file need not be there."""
    return {
        "model_id": model_id,
        "model_name": name,
        "model_type": "Ridge",
        "version": version,
        "metrics": {},
        "file_path": registry.files.path(name, file_name("Ridge", version, "pkl")),
        "file_format": "joblib",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size_bytes": len(CONTENT),
        "created_at": BEGAN,
        "saved_at": BEGAN,
        "created_by": "me",
        "environment_id": "e1",
    } | changes


def save(registry: ModelRegistry, *rows: dict[str, Any]) -> None:
    """Put rows of `models` in place."""
    merge_new(registry.ledger.engine, "models", rows, key=("model_id",))


def evaluated(
    ledger: Ledger, version: str, commodity: str, statistic: float | None, pvalue: float | None, **changes: Any
) -> None:
    """An evaluation of a version of spread."""
    tested = {"dm_test_vs_naive": statistic, "dm_pvalue": pvalue, "mae_path": 1.25, "data_as_of": TAKEN} | changes
    beats = None if pvalue is None or statistic is None else pvalue < 0.05 and statistic < 0
    named = {"model_name": "spread", "model_version": version, "commodity": commodity, "unique_id": commodity}
    put(ledger, "model_runs", run_row(**named, **tested, beats_baseline=beats))


def _make(registry: ModelRegistry) -> None:
    run = run_of("train" + ODD, git_commit="c0ffee" * 7, git_dirty=True, run_by="me", experiment_type="training")
    fill(
        registry.ledger.engine,
        environments=[environment_of("e1")],
        experiments=[run, run_of("outside", experiment_id="outside")],
        datasets=[dataset_of("prices", dataset_id="1234567890abcdef")],
        experiment_datasets=[
            link_of(run["experiment_id"], "1234567890abcdef", "train"),
            link_of(run["experiment_id"], "nowhere"),
        ],
    )

    def tuned(parent: int) -> dict[str, Any]:
        return {"parents": [parent], "parentage": "fine-tuned"}

    def ensemble(*parents: int) -> dict[str, Any]:
        return {"parents": list(parents), "parentage": "ensemble"}

    hyperparameters = '{"alpha": 0.2, "n": 1, "%s": "%s"}' % (HOSTILE, HOSTILE)  # noqa: UP031  braces are JSON's
    whole = tuned(4) | {
        "metrics": {"f1": 0.72, "mae": float("nan"), "auc": 0.9, "loss_" + HOSTILE: 1e-9},
        "hyperparameters": hyperparameters,
        "description": HOSTILE,
        "intended_use": f"Of the desk.\n\n- {HOSTILE}\n===\n1. no list\n    no code",
        "experiment_id": run_id("train" + ODD),
    }
    first = {"metrics": {"f1": 0.7, "mae": 1.0, "auc": 0.9}, "hyperparameters": '{"alpha": 0.1, "n": 1}'}
    save(
        registry,
        model_row(registry, 1, "base", "1.0.0"),
        model_row(registry, 2, "base", "1.0.1", metrics={"f1": 0.6}, **tuned(1)),
        model_row(registry, 3, "other", "1.0.0", metrics={"f1": 0.7}),
        model_row(registry, 4, "spread", "1.0.0", **first, **ensemble(2, 3)),
        model_row(registry, 5, "spread", "1.0.1", **whole),
        model_row(registry, 6, "spread", "1.0.2", metrics={"f1": 0.1}, experiment_id="outside", **tuned(5)),
        model_row(registry, 7, "blend", "1.0.0", **ensemble(5, 3)),
        model_row(registry, 8, "blend", "1.0.1", **tuned(7)),
    )
    for version in ("1.0.0", "1.0.1"):
        registry.files.write("spread", file_name("Ridge", version, "pkl"), CONTENT)
    evaluated(registry.ledger, "1.0.1", "Coffee", -3.5, 0.0004)
    evaluated(registry.ledger, "1.0.1", "Sugar", None, None)
    registry.promote("spread", "1.0.0", reason="the first")
    registry.promote("spread", "1.0.1", reason=HOSTILE)
    registry.rollback("spread", reason="drift")
    registry.promote("spread", "1.0.1", "challenger")
    registry.delete_model(1, force=True, reason="trained on the wrong data")
