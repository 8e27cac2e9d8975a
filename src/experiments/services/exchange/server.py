"""A connection to MLflow: reached or refused at once, without its noise."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from experiments.definitions import check_text
from experiments.errors import EngineError, ExperimentsError, first_line, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import FileInfo, Run

ID_TAG = "experiments.experiment_id"
"""Tag of an MLflow run with the id of the ledger's run it was exported from."""

ROW_TAG = "experiments.run"
"""Tag of an exported run with what MLflow has no place for, as JSON."""

EXPERIMENT_TAG = "mlflow.experiment"
"""Tag of a run in the ledger with the MLflow experiment it was imported from."""

STATUSES = {
    "RUNNING": "running",
    "SCHEDULED": "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "crashed",
}
"""What a status of MLflow is in the ledger."""

LARGEST = 1.7976931348623157e308
"""What MLflow's SQL store has for infinity."""

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_AT_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
FEW_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""MLflow's own seven retries take minutes on a server that is gone."""

_PAGE = 1000


@contextmanager
def connected(uri: str, registry_uri: str | None = None) -> Iterator[MlflowClient]:
    """A client of the tracking server or store at a URI; what MLflow refuses meanwhile is told as our error.

    Parameters
    ----------
    uri : str
    registry_uri : str, optional
        Of the model registry; by default what MLflow takes for it.

    Raises
    ------
    InvalidInputError
        If the URI is no text.
    EngineError
        If mlflow is not installed, the server does not answer within seconds, or it refuses a request.
    """
    check_uri(uri)
    with environment(_QUIET), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own innards
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            with environment(_AT_ONCE):
                client = MlflowClient(uri, registry_uri)
                client.search_experiments(max_results=1)
        except Exception as error:
            # of many kinds: the stores' own, SQLAlchemy's, requests'
            msg = f"MLflow at {shown(uri)} cannot be reached: {first_line(error)[:300]}"
            raise EngineError(msg) from error
        try:
            yield client
        except ExperimentsError:
            raise
        except (MlflowException, OSError) as error:
            msg = f"MLflow at {shown(uri)} refused a request: {first_line(error)[:300]}"
            raise EngineError(msg) from error


def check_uri(uri: str) -> None:
    """See that a URI is given, and mlflow is there.

    Raises
    ------
    InvalidInputError
        If the URI is no text.
    EngineError
        If mlflow is not installed.
    """
    check_text("the URI of MLflow", uri, "one such as http://localhost:5000 or sqlite:///mlflow.db")
    require()


def require() -> None:
    """See that mlflow is there.

    Raises
    ------
    EngineError
        If it is not installed.
    """
    if find_spec("mlflow") is None:
        msg = "mlflow is not installed: pip install 'experiment-ledger[mlflow]'."
        raise EngineError(msg)


def imported() -> Any:
    """MLflow, imported without telling its makers of it.

    Raises
    ------
    EngineError
        If it is not installed.
    """
    require()
    with environment(_QUIET):
        import mlflow
    return mlflow


def shown(uri: str) -> str:
    """A URI without the user and password in it.

    Examples
    --------
    >>> shown("https://me:secret@host:5000/path"), shown("sqlite:///mlflow.db")
    ('https://host:5000/path', 'sqlite:///mlflow.db')
    """
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def experiments_of(client: MlflowClient, names: Sequence[str] | None = None) -> dict[str, str]:
    """The experiments that are not deleted, or those named: name by id.

    Raises
    ------
    NotFoundError
        If one of the names is not known.
    """
    found = {str(one.experiment_id): str(one.name) for one in pages(client.search_experiments)}
    for name in names or ():
        if name not in found.values():
            raise unknown("MLflow experiment", name, found.values())
    return {key: name for key, name in found.items() if names is None or name in names}


def runs_of(client: MlflowClient, experiment_ids: Sequence[str], filter_string: str = "") -> list[Run]:
    """The runs of experiments that are not deleted, the oldest first."""
    if not experiment_ids:
        return []
    found = pages(client.search_runs, experiment_ids=list(experiment_ids), filter_string=filter_string)
    return sorted(found, key=lambda run: (run.info.start_time or 0, run.info.run_id))


def run_or_none(client: MlflowClient, run_id: str) -> Run | None:
    """A run, unless it is not there or deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def files_of(client: MlflowClient, run: Run) -> Iterator[FileInfo]:
    """The artifacts of a run: every file, also in folders and of the models it logged, each path once."""
    models = run.outputs.model_outputs if run.outputs else ()
    # MLflow lists the files of a model under its name, but not the name
    folders = [None, *(client.get_logged_model(one.model_id).name for one in models)]
    listed = [client.list_artifacts(run.info.run_id, folder) for folder in folders]
    seen = set()
    while listed:
        for entry in listed.pop():
            if entry.is_dir:
                listed.append(client.list_artifacts(run.info.run_id, entry.path))
            elif entry.path not in seen:
                seen.add(entry.path)
                yield entry


def pages(search: Any, **given: Any) -> list[Any]:
    """All that a search finds, page by page."""
    found: list[Any] = []
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token, **given)
        found += page
        token = page.token
        if not token:
            return found


@contextmanager
def in_use(tracking_uri: str, registry_uri: str) -> Iterator[None]:
    """The servers MLflow uses by itself, for as long as the block runs: some of its calls ask no client which."""
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = [os.environ.get(name) for name in names]  # what is set is there too
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(registry_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])  # type: ignore[arg-type]  # None: none is set
        mlflow.set_registry_uri(before[1])  # type: ignore[arg-type]
        for name, value in zip(names, before, strict=True):
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Environment variables for as long as the block runs; those that are set stay as they are."""
    new = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)
