"""Models: functions that fit on a `TrainingWindow`, and the registry of those that are shipped."""

from experiments.science.models.fingerprint import code_fingerprint
from experiments.science.models.registry import BASELINE_MODELS, choose, variant

__all__ = ["BASELINE_MODELS", "choose", "code_fingerprint", "variant"]
