"""What `save_model` is given, as its row has it; what cannot be recorded raises InvalidInputError."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from experiments.definitions import check_text, storable
from experiments.errors import InvalidInputError
from experiments.services.tracking.values import as_count, as_number, as_parameter


def metrics_of(metrics: object) -> dict[str, float]:
    """Metrics by name; NaN and infinities are numbers too."""
    if not isinstance(metrics, Mapping):
        msg = f"the metrics are {metrics!r:.60}: give a dictionary of numbers by name, such as {{'f1': 0.75}}."
        raise InvalidInputError(msg)
    return {check_text("the name of a metric", name): as_number(name, value) for name, value in metrics.items()}


def hyperparameters_of(given: object) -> str | None:
    """Hyperparameters as JSON."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        msg = f"the hyperparameters are {given!r:.60}: give a dictionary by name."
        raise InvalidInputError(msg)
    checked = [as_parameter(name, value) for name, value in given.items()]
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {text}" for name, text, _, _ in checked) + "}"


def text_of(what: str, value: object) -> str | None:
    """A text somebody may give or not."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        msg = f"{what} is {value!r:.60}: give a text."
        raise InvalidInputError(msg)
    return storable(what, value)


def schema_of(model: Any, example: Any) -> str | None:
    """Names and types of the features, of an example or as a model of scikit-learn's kind knows their names."""
    if example is not None:
        if not hasattr(example, "dtypes") or not hasattr(example, "columns"):
            msg = f"input_example is a {type(example).__name__}: give a DataFrame of what the model predicts from."
            raise InvalidInputError(msg)
        return json.dumps({str(name): str(kind) for name, kind in example.dtypes.items()}, ensure_ascii=False)
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else json.dumps(dict.fromkeys(map(str, names), ""), ensure_ascii=False)


def parts_in(ensemble: Any) -> list[Any]:
    """The parts of an ensemble."""
    if isinstance(ensemble, str) or not isinstance(ensemble, Iterable):
        msg = f"ensemble_of is {ensemble!r:.60}: give a list, the model_id of each part."
        raise InvalidInputError(msg)
    return list(ensemble)


def check_filter(what: str, value: object) -> None:
    """See that what versions are looked for by is a text, or not given."""
    if value is not None and not isinstance(value, str):
        msg = f"the {what} is {value!r:.60}: give a text."
        raise InvalidInputError(msg)


def number_of(model_id: object) -> int | None:
    """A `model_id`, numpy's integers too."""
    if model_id is None:
        return None
    try:
        return as_count("model_id", model_id)
    except InvalidInputError:
        msg = f"the model_id is {model_id!r:.60}: give a whole number, as save_model returned it."
        raise InvalidInputError(msg) from None
