"""A model where rows are: what it predicts for them, one value a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.errors import InvalidInputError, first_line
from experiments.services.registry.formats import loaded

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A model on its way to where rows are.

    Attributes
    ----------
    label : str
        The version as people call it.
    sha256 : str
    content : bytes
        Its file, found to have that SHA-256.
    file_format, model_type : str
    features : tuple of str
        The columns it predicts from, in its order.
    kind : str
        Type of its predictions: double, bigint, boolean or string.
    """

    label: str
    sha256: str
    content: bytes
    file_format: str
    model_type: str
    features: tuple[str, ...]
    kind: str = ""


_model: tuple[str, Any] = ("", None)
"""In a worker, the model it used last."""


def in_worker(
    batches: Iterator[pa.RecordBatch],
    *,
    predictor: Predictor,
    places: tuple[int, ...],
    kept: tuple[int, ...],
    column: str,
) -> Iterator[pa.RecordBatch]:
    """In a Python worker of the engine: rows with their predictions, of the columns that are kept."""
    global _model  # noqa: PLW0603  a worker is asked again and again for one model
    import pyarrow as pa

    if _model[0] != predictor.sha256:
        _model = predictor.sha256, loaded(predictor.content, predictor.file_format)
    model = _model[1]
    for batch in batches:
        if not batch.num_rows:
            continue
        given = pa.Table.from_arrays([batch.column(place) for place in places], names=list(predictor.features))
        made = predict(model, given.to_pandas(), predictor.label)
        try:
            made = made.cast(arrow_type(predictor.kind))
        except pa.ArrowException as error:
            msg = f"{predictor.label} predicts {predictor.kind} first and later others: {first_line(error)}"
            raise InvalidInputError(msg) from error
        columns = [batch.column(place) for place in kept]
        names = [batch.schema.names[place] for place in kept]
        yield pa.RecordBatch.from_arrays([*columns, made], names=[*names, column])


def predict(model: Any, given: pd.DataFrame, label: str) -> pa.Array:
    """One prediction for each row.

    Raises
    ------
    InvalidInputError
        If the model has no `predict`, refuses the rows, or does not predict one value a row.
    """
    import numpy as np
    import pyarrow as pa

    try:
        values = np.asarray(_call(model, given))
    except Exception as error:
        # of as many kinds as there are models
        msg = f"{label} cannot predict from these columns: {type(error).__name__}: {first_line(error)[:300]}"
        raise InvalidInputError(msg) from error
    if values.ndim > 1 and values.shape[1:] == (1,) * (values.ndim - 1):
        values = values.reshape(len(values))
    if values.shape != (len(given),):
        msg = f"{label} predicts an array {values.shape} from {len(given)} rows: one value a row can be written."
        raise InvalidInputError(msg)
    try:
        return pa.array(values.tolist() if values.dtype.kind in "OUS" else values)
    except pa.ArrowException as error:
        msg = f"{label} predicts values that no column can hold: {first_line(error)}"
        raise InvalidInputError(msg) from error


def _call(model: Any, given: pd.DataFrame) -> Any:
    """What a model says of rows."""
    if type(model).__module__.startswith("xgboost") and type(model).__name__ == "Booster":
        import xgboost

        return model.predict(xgboost.DMatrix(given))
    if not hasattr(model, "predict"):
        msg = f"a {type(model).__name__} has no predict"
        raise TypeError(msg)
    if hasattr(model, "n_features_in_") and not hasattr(model, "feature_names_in_"):
        return model.predict(given.to_numpy())  # fitted on an array: scikit-learn warns of names it was not fitted with
    return model.predict(given)


def kind_of(values: pa.Array, label: str) -> str:
    """The engine's type for predictions."""
    import pyarrow as pa

    for kind, tests in {
        "bigint": (pa.types.is_integer,),
        "double": (pa.types.is_floating, pa.types.is_decimal),
        "boolean": (pa.types.is_boolean,),
        "string": (pa.types.is_string, pa.types.is_large_string),
    }.items():
        if any(test(values.type) for test in tests):
            return kind
    msg = f"{label} predicts values of type {values.type}: numbers, true and false, and texts can be written."
    raise InvalidInputError(msg)


def arrow_type(kind: str) -> pa.DataType:
    """The type of a column of this process for one of the engine's."""
    import pyarrow as pa

    kinds = {"bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
    return kinds[kind]
