"""`log_to_mlflow`: one finished training, logged to MLflow; to the ledger where MLflow cannot be reached."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.definitions import check_text
from experiments.errors import EngineError, InvalidInputError, NotFoundError, first_line
from experiments.services.exchange.server import EXPERIMENT_TAG, connected, require
from experiments.services.tracking.values import as_number

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("experiments")

FLAVOURS = {
    "sklearn": "scikit-learn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "prophet": "prophet",
    "statsmodels": "statsmodels",
}
"""Packages whose models MLflow has a format for, and the name each is installed by; others are pickled."""

_REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "PERMISSION_DENIED")
"""What MLflow says of a request that it will refuse again."""

Points = Mapping[str, list[float]]
Files = Mapping[str, list[Path]]


def log_to_mlflow(
    experiment_name: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float | Sequence[float]],
    models: Mapping[str, Any] | None = None,
    artifacts: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
) -> str:
    """Log a training to the MLflow server in use, `mlflow.get_tracking_uri()`, as one run.

    Where the server cannot be reached, or mlflow is not installed, the same is kept as a run of the ledger, with a
    warning that tells how to send it later.

    Parameters
    ----------
    experiment_name : str
        The MLflow experiment; made where there is none.
    parameters : mapping
        Values by name.
    metrics : mapping
        A number by name, or the numbers of steps 0, 1, 2 ...
    models : mapping, optional
        Fitted models by name: of scikit-learn, XGBoost, LightGBM, Prophet or statsmodels in MLflow's format for them,
        a `mlflow.pyfunc.PythonModel` as such, any other pickled among the artifacts, as `models/NAME.pkl`.
    artifacts : mapping, optional
        By name the path of a file or folder, or several; they are kept in a folder of that name.

    Returns
    -------
    str
        The id of the run: MLflow's, or where MLflow was not reached the `experiment_id` in the ledger.

    Raises
    ------
    InvalidInputError
        If a value cannot be used, or MLflow refuses one.
    NotFoundError
        If an artifact is not there.
    """
    check_text("experiment_name", experiment_name)
    for what, given in {"parameters": parameters, "metrics": metrics, "models": models, "artifacts": artifacts}.items():
        if given is not None and not isinstance(given, Mapping):
            msg = f"{what} is {given!r:.60}: give a dictionary by name."
            raise InvalidInputError(msg)
    points = {name: [as_number(name, one) for one in _several(value)] for name, value in metrics.items()}
    files = {name: [_there(one) for one in _several(value)] for name, value in (artifacts or {}).items()}
    try:
        return _log_there(experiment_name, parameters, points, models or {}, files)
    except EngineError as error:
        return _log_here(experiment_name, parameters, points, models or {}, files, why=str(error))


def _log_there(
    experiment_name: str, parameters: Mapping[str, Any], points: Points, models: Mapping[str, Any], files: Files
) -> str:
    """Log to MLflow.

    Raises
    ------
    EngineError
        If it cannot be reached.
    InvalidInputError
        If it refuses what is logged.
    """
    require()
    import mlflow
    from mlflow.exceptions import MlflowException

    with connected(mlflow.get_tracking_uri()) as client, _few_retries():
        try:
            experiment = client.get_experiment_by_name(experiment_name)
            key = experiment.experiment_id if experiment else client.create_experiment(experiment_name)
            with mlflow.start_run(experiment_id=key, nested=True) as run:
                mlflow.log_params(dict(parameters))
                for name, values in points.items():
                    for step, value in enumerate(values):
                        mlflow.log_metric(name, value, step=step)
                for name, paths in files.items():
                    for path in paths:
                        if path.is_dir():
                            mlflow.log_artifacts(str(path), f"{name}/{path.name}")
                        else:
                            mlflow.log_artifact(str(path), name)
                for name, model in models.items():
                    _log_model(name, model)
            return str(run.info.run_id)
        except MlflowException as error:
            if error.error_code not in _REFUSALS:
                raise
            msg = f"MLflow refuses this run: {first_line(error)[:300]}"
            raise InvalidInputError(msg) from error


def _log_model(name: str, model: Any) -> None:
    """Log a model in the format MLflow has for it, else pickled."""
    import importlib
    import tempfile
    from importlib.metadata import version

    import mlflow

    package = type(model).__module__.partition(".")[0]
    if package in FLAVOURS:
        installed = next(_installed(package))
        # without the list MLflow would load the model in another process to find out
        requirements = [f"{installed}=={version(installed)}"]
        importlib.import_module(f"mlflow.{package}").log_model(model, name=name, pip_requirements=requirements)
    elif package != "mlflow" and not _is_python_model(model):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.pkl"
            file.write_bytes(_pickled(name, model))
            mlflow.log_artifact(str(file), "models")
    else:
        mlflow.pyfunc.log_model(name=name, python_model=model, pip_requirements=[f"mlflow=={mlflow.__version__}"])


def _log_here(
    experiment_name: str,
    parameters: Mapping[str, Any],
    points: Points,
    models: Mapping[str, Any],
    files: Files,
    *,
    why: str,
) -> str:
    """Log to the ledger, and say so."""
    from experiments.services.tracking.tracker import ExperimentTracker

    with ExperimentTracker() as tracker:
        run = tracker.start_experiment(experiment_name, tags=[f"{EXPERIMENT_TAG}={experiment_name}"])
        tracker.log_hyperparameters_batch(dict(parameters))
        for name, values in points.items():
            for step, value in enumerate(values):
                tracker.log_metric(name, value, step=step)
        for name, paths in files.items():
            for path in paths:
                tracker.log_artifact(path, f"{name}/{path.name}")
        for name, model in models.items():
            tracker.log_artifact(_pickled(name, model), f"models/{name}.pkl")
        where = tracker.where
    log.warning(
        "experiments: %s Kept as run %s of the ledger %s instead: 'experiments export mlflow URI --run %s' sends it.",
        why if why.endswith((".", "!")) else f"{why}.",
        run,
        where,
        run,
    )
    return run


def _several(value: Any) -> list[Any]:
    """One thing or several, as a list."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _there(path: Any) -> Path:
    try:
        found = Path(path)
    except TypeError as error:
        msg = f"an artifact is {path!r:.60}: give the path of a file or folder, or a list of them."
        raise InvalidInputError(msg) from error
    if not found.exists():
        msg = f"there is no file {str(found)!r} to log as an artifact."
        raise NotFoundError(msg)
    return found


def _pickled(name: str, model: Any) -> bytes:
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(model))
    except Exception as error:
        # whatever the model's own class raises
        msg = f"the model {name!r} cannot be pickled: {first_line(error)}."
        raise InvalidInputError(msg) from error


def _is_python_model(model: Any) -> bool:
    from mlflow.pyfunc.model import PythonModel

    return isinstance(model, PythonModel)


def _installed(package: str) -> Iterator[str]:
    """The names a package may be installed by, those that are."""
    from importlib.metadata import packages_distributions

    yield from packages_distributions().get(package, [FLAVOURS[package]])


@contextmanager
def _few_retries() -> Iterator[None]:
    """MLflow's own seven retries take minutes on a server that is gone."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    if name in os.environ:
        yield
        return
    os.environ[name] = "2"
    try:
        yield
    finally:
        del os.environ[name]
