"""The experiment ledger for forecasting: every evaluation a row, skill told from luck.

Importing this package starts nothing; a public name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.errors import ExperimentsError
    from experiments.science.evidence.diebold_mariano import diebold_mariano
    from experiments.science.metrics import evaluate
    from experiments.science.models import BASELINE_MODELS, register
    from experiments.science.window import Forecast, TrainingWindow
    from experiments.services.answers import choose
    from experiments.services.backtest import backtest
    from experiments.services.datasets.manager import DatasetManager
    from experiments.services.datasets.versions import DatasetVersionManager
    from experiments.services.exchange.mlflow_log import log_to_mlflow
    from experiments.services.ledger import Ledger, connect
    from experiments.services.registry.deployment import Hooks
    from experiments.services.registry.loading import (
        load_model_from_registry,
        load_model_with_card,
        load_model_with_fallback,
    )
    from experiments.services.registry.registry import ModelRegistry
    from experiments.services.reproduction.seeds import set_deterministic_seeds
    from experiments.services.reproduction.snapshot import capture_environment_snapshot
    from experiments.services.tracking.history import MetricsLogger
    from experiments.services.tracking.tracker import ExperimentTracker
    from experiments.services.writer import DatabricksWriter, log_experiment

_HOMES = {
    "BASELINE_MODELS": "science.models",
    "DatabricksWriter": "services.writer",
    "DatasetManager": "services.datasets.manager",
    "DatasetVersionManager": "services.datasets.versions",
    "ExperimentTracker": "services.tracking.tracker",
    "ExperimentsError": "errors",
    "Forecast": "science.window",
    "Hooks": "services.registry.deployment",
    "Ledger": "services.ledger",
    "MetricsLogger": "services.tracking.history",
    "ModelRegistry": "services.registry.registry",
    "TrainingWindow": "science.window",
    "backtest": "services.backtest",
    "capture_environment_snapshot": "services.reproduction.snapshot",
    "choose": "services.answers",
    "connect": "services.ledger",
    "diebold_mariano": "science.evidence.diebold_mariano",
    "evaluate": "science.metrics",
    "load_model_from_registry": "services.registry.loading",
    "load_model_with_card": "services.registry.loading",
    "load_model_with_fallback": "services.registry.loading",
    "log_experiment": "services.writer",
    "log_to_mlflow": "services.exchange.mlflow_log",
    "register": "science.models",
    "set_deterministic_seeds": "services.reproduction.seeds",
}

__all__ = [
    "BASELINE_MODELS",
    "DatabricksWriter",
    "DatasetManager",
    "DatasetVersionManager",
    "ExperimentTracker",
    "ExperimentsError",
    "Forecast",
    "Hooks",
    "Ledger",
    "MetricsLogger",
    "ModelRegistry",
    "TrainingWindow",
    "backtest",
    "capture_environment_snapshot",
    "choose",
    "connect",
    "diebold_mariano",
    "evaluate",
    "load_model_from_registry",
    "load_model_with_card",
    "load_model_with_fallback",
    "log_experiment",
    "log_to_mlflow",
    "register",
    "set_deterministic_seeds",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOMES:
        msg = f"module 'experiments' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"experiments.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
