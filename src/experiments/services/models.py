"""The models that can be backtested: a list of them, and files that add to it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from experiments.science.models import all_variants, lack_of, load_model_file, unusable_entry_points
from experiments.services.decisions.active import read_pruned


def load_model_files(paths: Iterable[str]) -> None:
    """Run Python files that register models.

    Raises
    ------
    ExperimentsError
        If one cannot be run or registers none.
    """
    for path in paths:
        load_model_file(path)


def left_out() -> list[str]:
    """In words, the models that installed packages offer and that cannot be used."""
    return [f"{one.name} of {one.distribution} is left out: {one.reason}" for one in unusable_entry_points()]


def _called(function: Any) -> str:
    """The name of a function, or of the class of a model that was made one."""
    model = function.args[0] if isinstance(function, functools.partial) and function.args else function
    return str(getattr(model, "__name__", type(model).__name__))


def describe() -> list[dict[str, Any]]:
    """Every variant as a row: what it is, sees and is tagged, the package it lacks, if any, and where it is pruned.

    Raises
    ------
    InvalidInputError
        If the active registry cannot be read.
    """
    out_of_use: dict[tuple[str, str], list[str]] = {}
    for entry in read_pruned():
        out_of_use.setdefault((entry.model, entry.version), []).append(entry.commodity)
    return [
        {
            "name": one.name,
            "type": one.type,
            "version": one.version,
            "function": _called(one.function),
            "params": dict(one.params),
            "covariates": list(one.covariates),
            **{tag: one.experiment_tags.get(tag) for tag in ("feature_set", "complexity", "production_candidate")},
            "lacks": lack_of(one, one.covariates),
            "pruned_for": out_of_use.get((one.name, one.version), []),
        }
        for one in all_variants().values()
    ]
