"""What else changed between two evaluations: parameters, features, data, code, environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definitions import known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from experiments.services.rows import Row

KINDS = ("model", "parameters", "features", "backtest", "data", "code", "environment", "windows")
"""What else may change, the likeliest causes first."""

_VALUES = (
    ("model", "model version", "model_version"),
    ("model", "model type", "model_type"),
    ("parameters", "random_seed", "random_seed"),
    ("backtest", "step_size", "step_size"),
    ("backtest", "n_windows", "announced_windows"),
    ("backtest", "train_size", "train_size"),
    ("backtest", "grid origin", "grid_origin"),
    ("backtest", "definition of the metrics", "metric_version"),
    ("data", "data as of", "data_as_of"),
    ("data", "data version", "data_version"),
    ("code", "code", "code_fingerprint"),
    ("code", "commit", "git_commit"),
    ("code", "uncommitted changes", "git_dirty"),
    ("environment", "Python", "python_version"),
    ("environment", "machine", "hardware_config"),
    ("environment", "platform", "platform"),
    ("windows", "failed windows", "n_failed_windows"),
)
"""Columns compared: kind, name and column."""

_MAPS = (
    ("parameters", "", "hyperparameters", None),
    ("features", "", "feature_config", False),
    ("backtest", "covariate ", "covariates", None),
    ("environment", "", "packages", None),
    ("environment", "", "variables", None),
)
"""Maps compared name by name: kind, what is put before the name, column, and what a missing name means."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something else that changed between two evaluations.

    Attributes
    ----------
    kind : str
        model, parameters, features, backtest, data, code, environment or windows.
    what : str
    before, after : str or None
        None where there was none.
    """

    kind: str
    what: str
    before: str | None
    after: str | None

    @property
    def in_words(self) -> str:
        """Such as "order (1,1,1) to (2,1,1)"; digests are cut."""
        before, after = (
            "none" if value is None else re.sub(r"^[0-9a-f]{12,}$", lambda found: found[0][:9], value)
            for value in (self.before, self.after)
        )
        return f"{self.what} {before} to {after}"


def differences(before: Row, after: Row, *, n_revised: int, n_other_data: int) -> tuple[Difference, ...]:
    """What differs between two evaluations, kind by kind.

    Parameters
    ----------
    before, after : mapping
        Rows of `sql/statements/evaluations_of.sql`.
    n_revised : int
        Windows of the same cutoff with other actuals.
    n_other_data : int
        Windows of the same actuals whose training data are others, though nothing else about the fit is.
    """
    seen = [(kind, what, before[column], after[column]) for kind, what, column in _VALUES]
    for kind, prefix, column, missing in _MAPS:
        old, new = (one[column] if isinstance(one[column], dict) else {} for one in (before, after))
        names = sorted({*old, *new})
        seen += [(kind, f"{prefix}{name}", old.get(name, missing), new.get(name, missing)) for name in names]
    if same(before, after, ("data_as_of", "feature_config")):
        seen.append(("data", "dataset up to the same day", before["dataset_version"], after["dataset_version"]))
    seen.append(("data", "windows with revised actuals", 0, n_revised))
    seen.append(("data", "shared windows with other training data", 0, n_other_data))
    if None in (before["packages"], after["packages"]):  # of one nothing is known: that is no difference
        seen = [one for one in seen if one[0] != "environment"]
    found = [
        Difference(kind=kind, what=what, before=_text(old), after=_text(new))
        for kind, what, old, new in seen
        if _text(old) != _text(new)
    ]
    return tuple(sorted(found, key=lambda one: KINDS.index(one.kind)))


def same(before: Row, after: Row, names: Iterable[str]) -> bool:
    """Whether two evaluations agree in all these columns."""
    return all(_text(before[name]) == _text(after[name]) for name in names)


def _text(value: Any) -> str | None:
    """A value as text, NULL as None."""
    if known(value) is None:
        return None
    if isinstance(value, dict):
        return str(sorted(value.items()))
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    # a column of integers with a NULL in it is read as one of floats
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
