"""`log_to_mlflow`: one finished training, logged to MLflow; to the ledger where MLflow does not take it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from experiments.definitions import check_text
from experiments.errors import EngineError, ExperimentsError, InvalidInputError, NotFoundError, first_line
from experiments.services.exchange.flavours import flavour_of, installed, is_python_model, pickled
from experiments.services.exchange.server import EXPERIMENT_TAG, FEW_RETRIES, connected, environment, imported, shown
from experiments.services.tracking.values import as_number

log = logging.getLogger("experiments")

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

    Where the server cannot be reached or refuses any of it, or mlflow is not installed, the same is kept as a run of
    the ledger, with a warning that says why and how to send it later; of a run that is refused nothing stays in MLflow.

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
        The id of the run: MLflow's, or where MLflow did not take it the `experiment_id` in the ledger.

    Raises
    ------
    InvalidInputError
        If a value cannot be used.
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
        If it cannot be reached, or refuses what is logged: the run is then deleted there.
    """
    mlflow = imported()
    uri, run_id = mlflow.get_tracking_uri(), None
    with connected(uri) as client, environment(FEW_RETRIES):
        try:
            experiment = client.get_experiment_by_name(experiment_name)
            key = experiment.experiment_id if experiment else client.create_experiment(experiment_name)
            with mlflow.start_run(experiment_id=key, nested=True) as run:
                run_id = str(run.info.run_id)
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
            return run_id
        except ExperimentsError:
            raise
        except Exception as error:
            # of many kinds: MLflow's own, and those of the libraries that write the models
            if run_id is not None:
                with suppress(Exception):  # a server that is gone
                    client.delete_run(run_id)
            msg = f"MLflow at {shown(uri)} does not take this run: {first_line(error)[:300]}"
            raise EngineError(msg) from error


def _log_model(name: str, model: Any) -> None:
    """Log a model in the format MLflow has for it, else pickled."""
    import importlib
    import tempfile

    import mlflow

    if flavour := flavour_of(model):
        # without the list MLflow would load the model in another process to find out
        requirements = [installed(flavour)]
        importlib.import_module(f"mlflow.{flavour}").log_model(model, name=name, pip_requirements=requirements)
    elif not is_python_model(model):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.pkl"
            file.write_bytes(pickled(name, model))
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
            tracker.log_artifact(pickled(name, model), f"models/{name}.pkl")
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
