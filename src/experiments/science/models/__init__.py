"""Models: functions that fit on a `TrainingWindow`, and the registry of those that are shipped or registered."""

from experiments.science.models.fingerprint import code_fingerprint
from experiments.science.models.registration import all_variants, load_model_file, register, unusable_entry_points
from experiments.science.models.registry import (
    BASELINE_MODELS,
    choose,
    feature_config,
    lack_of,
    variant,
)

__all__ = [
    "BASELINE_MODELS",
    "all_variants",
    "choose",
    "code_fingerprint",
    "feature_config",
    "lack_of",
    "load_model_file",
    "register",
    "unusable_entry_points",
    "variant",
]
