"""Models as bytes and back. Only bytes whose SHA-256 was found to be the recorded one come here."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import EngineError, InvalidInputError, first_line, unknown

_ESTIMATORS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
"""What XGBoost writes into a file of its scikit-learn models, and the class that reads it."""

COMPRESSION = 3
"""joblib's level of zlib: half the size of a plain pickle, at a fraction of the time of 9."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a model becomes a file.

    Attributes
    ----------
    ending : str
        Of the file's name.
    package : str
        What has to be installed.
    dump : callable
        Model to bytes.
    load : callable
        Bytes to model.
    """

    ending: str
    package: str
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


def dumped(model: Any, file_format: str) -> bytes:
    """A model as the bytes of its file.

    Raises
    ------
    NotFoundError
        If there is no such format.
    EngineError
        If the format's package is not installed.
    InvalidInputError
        If the model cannot be written so.
    """
    chosen = _format(file_format)
    try:
        return chosen.dump(model)
    except ImportError as error:
        raise _missing(file_format, chosen) from error
    except InvalidInputError:
        raise
    except Exception as error:
        # of as many kinds as there are objects that cannot be pickled
        msg = f"the {type(model).__name__} cannot be saved as {file_format}: {first_line(error)[:300]}"
        raise InvalidInputError(msg) from error


def loaded(content: bytes, file_format: str) -> Any:
    """The model in the bytes of a file.

    Raises
    ------
    EngineError
        If the format's package is not installed, or the bytes are no model of it.
    """
    chosen = _format(file_format)
    try:
        return chosen.load(content)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] == chosen.package:
            raise _missing(file_format, chosen) from error
        msg = f"the model needs the package {error.name}, which is not installed."
        raise EngineError(msg) from error
    except Exception as error:
        msg = f"the file is no model of the format {file_format}: {first_line(error)[:300]}"
        raise EngineError(msg) from error


def ending_of(file_format: str) -> str:
    """The ending of files of a format.

    Raises
    ------
    NotFoundError
        If there is no such format.
    """
    return _format(file_format).ending


def _format(name: object) -> Format:
    if not isinstance(name, str) or name not in FORMATS:
        raise unknown("file_format", name, FORMATS)
    return FORMATS[name]


def _missing(name: str, chosen: Format) -> EngineError:
    return EngineError(f"the format {name} needs a package that is missing: pip install {chosen.package}.")


def _dump_joblib(model: Any) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(model, file, compress=COMPRESSION)
    return file.getvalue()


def _load_joblib(content: bytes) -> Any:
    import joblib

    return joblib.load(io.BytesIO(content))


def _dump_xgboost(model: Any) -> bytes:
    if not hasattr(model, "save_model") or not type(model).__module__.startswith("xgboost"):
        msg = f"the model is a {type(model).__name__}: the format xgboost takes XGBoost's own models."
        raise InvalidInputError(msg)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"  # the ending says which of XGBoost's own formats
        model.save_model(path)
        return path.read_bytes()


def _load_xgboost(content: bytes) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    said = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    if (name := _ESTIMATORS.get(said)) is None:
        return booster
    model = getattr(xgboost, name)()
    model.load_model(bytearray(content))
    return model


def _dump_lightgbm(model: Any) -> bytes:
    import lightgbm

    if not isinstance(model, lightgbm.Booster):
        msg = (
            f"the model is a {type(model).__name__}: the format lightgbm takes a Booster, which is what comes back. "
            "Give model.booster_, or use another format."
        )
        raise InvalidInputError(msg)
    return str(model.model_to_string()).encode()


def _load_lightgbm(content: bytes) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=content.decode())


def _dump_skops(model: Any) -> bytes:
    import skops.io

    content: bytes = skops.io.dumps(model)
    return content


def _load_skops(content: bytes) -> Any:
    import skops.io

    return skops.io.loads(content, trusted=[])  # what is not one of skops' own trusted types is refused


FORMATS = {
    "joblib": Format(ending="pkl", package="joblib", dump=_dump_joblib, load=_load_joblib),
    "xgboost": Format(ending="ubj", package="xgboost", dump=_dump_xgboost, load=_load_xgboost),
    "lightgbm": Format(ending="txt", package="lightgbm", dump=_dump_lightgbm, load=_load_lightgbm),
    "skops": Format(ending="skops", package="skops", dump=_dump_skops, load=_load_skops),
}
"""By name; joblib takes any object, the others load without running code of the model's."""
