"""Models in MLflow's formats: its own for a library where it has one, else a function any server of it can serve."""

from __future__ import annotations

import importlib
import io
import pickle
import shutil
import sys
import warnings
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import ExperimentsError, InvalidInputError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlflow.models import Model, ModelSignature

FLAVOURS = {
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "prophet": "prophet",
    "statsmodels": "statsmodels",
}
"""Packages whose models MLflow has a format for, and the name each is installed by; others are pickled."""

_WITH_SKOPS = ("sklearn", "lightgbm")
"""Those MLflow writes with skops, which takes the types of its own list only."""

_KINDS = {
    "bool": "boolean",
    "int8": "integer",
    "int16": "integer",
    "int32": "integer",
    "int64": "long",
    "uint8": "integer",
    "uint16": "integer",
    "uint32": "long",
    "float32": "float",
    "float64": "double",
    "object": "string",
    "str": "string",
    "string": "string",
    "datetime64[ns]": "datetime",
    "datetime64[us]": "datetime",
    "datetime64[ms]": "datetime",
    "datetime64[s]": "datetime",
}
"""MLflow's types of columns by pandas' names of theirs."""

_EMPTY: dict[str, Any] = {"boolean": False, "string": "", "datetime": "1970-01-01"}
"""What stands for any value of a type in an example; of the others it is 0."""


def flavour_of(model: Any) -> str | None:
    """The package whose format MLflow writes a model in; None where it has none."""
    package = type(model).__module__.partition(".")[0]
    return package if package in FLAVOURS else None


def installed(package: str) -> str:
    """The name a package is installed by, and its version, as pip reads it.

    Examples
    --------
    >>> installed("sklearn")  # doctest: +SKIP
    'scikit-learn==1.9.1'
    """
    name = FLAVOURS.get(package, package)
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:  # of another name than its package's
        name = next(iter(_distributions().get(package, [name])))
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name


@cache
def _distributions() -> Mapping[str, list[str]]:
    """What each package is installed by: it takes a second to find out."""
    return packages_distributions()


def is_python_model(model: Any) -> bool:
    """Whether a model is one of MLflow's own kind."""
    from mlflow.pyfunc.model import PythonModel

    return isinstance(model, PythonModel)


def pickled(name: str, model: Any) -> bytes:
    """A model as bytes, its class with it where it is of no module that can be imported.

    Raises
    ------
    InvalidInputError
        If it cannot be pickled.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(model))
    except Exception as error:
        # whatever the model's own class raises
        msg = f"the model {name!r} cannot be pickled: {first_line(error)}."
        raise InvalidInputError(msg) from error


def write_model(model: Any, folder: Path, described: Model, signature: ModelSignature | None) -> None:
    """Write a model as a folder of MLflow's.

    Parameters
    ----------
    model : object
        With a method `predict`.
    folder : Path
        Made.
    described : mlflow.models.Model
        What MLflow knows of it so far.
    signature : mlflow.models.ModelSignature, optional

    Raises
    ------
    InvalidInputError
        If neither MLflow's format for it nor a pickle takes the model.
    """
    import mlflow

    flavour = flavour_of(model)
    modules = _modules_of(pickled("model", model))
    needed = {"mlflow", flavour or "mlflow"} | {name.partition(".")[0] for name in modules if _is_installed(name)}
    along = {name.partition(".")[0] for name in modules if not _is_installed(name)}
    given: dict[str, Any] = {
        "path": str(folder),
        "mlflow_model": described,
        "signature": signature,
        "pip_requirements": sorted({installed(name) for name in needed}),
    }
    try:
        with _sent_along(along), warnings.catch_warnings(record=True):  # MLflow sets the filter for its own again
            warnings.simplefilter("ignore")
            if flavour is not None:
                _save(importlib.import_module(f"mlflow.{flavour}"), model, given)
            else:
                mlflow.pyfunc.save_model(python_model=model if is_python_model(model) else _served(model), **given)
    except ExperimentsError:
        raise
    except Exception as error:
        # of as many kinds as there are libraries
        msg = f"MLflow cannot write the {type(model).__name__}: {first_line(error)[:300]}"
        raise InvalidInputError(msg) from error


def signature_of(model: Any, schema: Mapping[str, str] | None) -> ModelSignature | None:
    """What a model takes and gives, as MLflow has it.

    Parameters
    ----------
    model : object
    schema : mapping of str to str, optional
        pandas' types of the features by their names, in order.

    Returns
    -------
    mlflow.models.ModelSignature or None
        None where one of the types is not known, or not to MLflow. What it gives is found by a row of zeros and empty
        texts; nothing is said of it where the model takes no such row.
    """
    kinds = {name: _KINDS.get(kind) for name, kind in (schema or {}).items()}
    if schema is None or not kinds or None in kinds.values():
        return None
    import pandas as pd
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

    inputs = Schema([ColSpec(str(kind), name) for name, kind in kinds.items()])
    columns = {name: pd.Series([_EMPTY.get(str(kinds[name]), 0)], dtype=dtype) for name, dtype in schema.items()}
    try:
        outputs = infer_signature(model_output=model.predict(pd.DataFrame(columns))).outputs
    except Exception:  # noqa: BLE001  whatever a model says to a row that is none of its own
        outputs = None
    return ModelSignature(inputs=inputs, outputs=outputs)


def _save(flavour: Any, model: Any, given: dict[str, Any]) -> None:
    """Write a model in MLflow's format for it: without code in it, where what it consists of allows that."""
    from mlflow.exceptions import MlflowException

    try:
        flavour.save_model(model, **given)
    except MlflowException:  # skops does not know all its parts
        if flavour.__name__.rpartition(".")[2] not in _WITH_SKOPS:
            raise
        shutil.rmtree(given["path"], ignore_errors=True)
        flavour.save_model(model, **given, serialization_format="cloudpickle")


def _served(model: Any) -> Any:
    """A model as one of MLflow's kind; its class is pickled with it, so that a server needs nothing of ours."""
    from mlflow.pyfunc.model import PythonModel

    class Served(PythonModel):
        def __init__(self, model: Any) -> None:
            self.model = model

        # without hints, which MLflow would take for the signature
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            return self.model.predict(model_input)

    return Served(model)


class _Listening(pickle.Unpickler):
    """Notes the modules that what it reads is of."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        return super().find_class(module, name)


def _modules_of(content: bytes) -> set[str]:
    """The modules, beyond Python's own, that what we have just pickled ourselves needs."""
    reader = _Listening(content)
    reader.load()
    return {name for name in reader.modules if name.partition(".")[0] not in sys.stdlib_module_names}


def _is_installed(module: str) -> bool:
    """Whether a module is of an installed package, and no script or the like of the user's."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


@contextmanager
def _sent_along(packages: Iterable[str]) -> Iterator[None]:
    """Have what is not installed from a package, such as a script of the user's, pickled with the model."""
    import cloudpickle

    with ExitStack() as after:
        for name in packages:
            if name not in cloudpickle.list_registry_pickle_by_value():
                cloudpickle.register_pickle_by_value(sys.modules[name])
                after.callback(cloudpickle.unregister_pickle_by_value, sys.modules[name])
        yield
