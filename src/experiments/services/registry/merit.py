"""Which of two values of a metric is better."""

from __future__ import annotations

import re

from experiments.errors import InvalidInputError

_SMALLER = frozenset(
    (
        *("loss", "error", "err", "mae", "mse", "rmse", "mape", "smape", "wape", "mase", "rmsse", "msle", "rmsle"),
        *("brier", "crps", "pinball", "deviance", "perplexity", "logloss", "bias", "regret", "drawdown"),
        *("latency", "seconds", "ms", "time", "duration", "cost", "bytes"),
    )
)
"""Words of names of metrics of which less is better."""


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is an error, a loss, a latency or a cost, by the words of its name.

    Examples
    --------
    >>> [smaller_is_better(name) for name in ("f1", "mae_14day", "val_loss", "latency_ms", "RMSE", "roc_auc")]
    [False, True, True, True, True, False]
    """
    return any(part in _SMALLER for part in re.split(r"[^a-z0-9]+", metric.lower()))


def mode_of(metric: str, mode: str | None = None) -> str:
    """Whether larger ("max") or smaller ("min") is better: as said, else as its name tells.

    Raises
    ------
    InvalidInputError
        If there is no such mode.
    """
    if mode is None:
        return "min" if smaller_is_better(metric) else "max"
    if mode not in ("max", "min"):
        msg = f"the mode is {mode!r}: give 'max' or 'min'."
        raise InvalidInputError(msg)
    return mode


def is_better(value: float, other: float, mode: str) -> bool:
    """Whether a value is better than another; NaN never is, and any number is better than it.

    Examples
    --------
    >>> is_better(0.8, 0.7, "max"), is_better(0.8, 0.7, "min"), is_better(float("nan"), 0.1, "max")
    (True, False, False)
    """
    if value != value:  # noqa: PLR0124  NaN
        return False
    if other != other:  # noqa: PLR0124  NaN
        return True
    return value > other if mode == "max" else value < other
